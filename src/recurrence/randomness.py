"""Randomness is an argument: seeds derived from what they are for, so that nothing depends on order
or batch.
"""

import hashlib

import torch


def derived_seed(*parts: object) -> int:
    """A stable 63-bit seed from the parts, e.g. (seed, corpus, model, purpose); unequal parts give
    unrelated seeds.
    """
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1


def generator(*parts: object) -> torch.Generator:
    """A CPU generator seeded with `derived_seed(*parts)`."""
    return torch.Generator().manual_seed(derived_seed(*parts))
