"""Filters over the next token's logits: their contract (contract.py), and a list (registry.py)."""
