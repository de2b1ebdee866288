"""From the logits that filters leave to an id: the largest, a draw, what to do if none is left."""

from math import inf

import torch
from torch import Tensor

#   B = rows, V = vocabulary


def rescue(left_BV: Tensor, allowed_BV: Tensor, banned_BV: Tensor) -> tuple[Tensor, Tensor]:
    """What a row chooses from where its filters have left nothing: (logits_BV, rescued_B).

    Such a row falls back to the model's logits without the banned ids; where they too are all -inf,
    every id that is not banned gets the same chance. No other place decides this.
    """
    dead_B1 = left_BV.amax(-1, keepdim=True) == -inf
    empty_B1 = allowed_BV.amax(-1, keepdim=True) == -inf
    even_BV = torch.zeros_like(allowed_BV).masked_fill(banned_BV, -inf)
    return torch.where(dead_B1, torch.where(empty_B1, even_BV, allowed_BV), left_BV), dead_B1[:, 0]


def likeliest(logits_BV: Tensor) -> Tensor:
    """The id with the largest logit, of equals the lowest."""
    ids_V = torch.arange(logits_BV.shape[-1], device=logits_BV.device)
    top_BV = logits_BV == logits_BV.amax(-1, keepdim=True)
    return torch.where(top_BV, ids_V, len(ids_V) - 1).amin(-1)


def draw(logits_BV: Tensor, uniform_B: Tensor) -> Tensor:
    """The first id whose cumulative probability exceeds a uniform number (float64) in [0, 1)."""
    cdf_BV = logits_BV.double().softmax(-1).cumsum(-1)
    # Below the last entry, as a float64 uniform is at most 1 - 2**-53.
    goal_B1 = uniform_B[:, None] * cdf_BV[:, -1:]
    ids_B = torch.searchsorted(cdf_BV, goal_B1, right=True)[:, 0]
    return ids_B.clamp(max=logits_BV.shape[-1] - 1)  # beyond it only where the logits are NaN
