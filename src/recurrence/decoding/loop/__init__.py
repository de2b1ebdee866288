"""The autoregressive loop: prompts are read (prefill.py), then tokens made (sampling.py)."""
