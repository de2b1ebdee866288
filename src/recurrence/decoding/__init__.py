"""From a model and prompts to text.

filters/ what stands between logits and the choice of a token; loop/ one token after the other;
search/ several continuations at once; strategies.py names of all that in params.yaml.
"""
