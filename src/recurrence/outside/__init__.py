"""Models from outside: sampled, judged and reported like ours, never trained. `recurrence study` is
made of it.

`local` computes with a folder of transformers, `endpoint` asks an OpenAI-compatible address; both
give continuations of prompts. `judging` says what they come to. All figures are by characters,
whatever a model's own tokens are.
"""
