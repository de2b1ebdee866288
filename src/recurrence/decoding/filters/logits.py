"""What logits say: probabilities, entropy, the largest, and what reaches a bar.

All of it is safe for -inf, also where a row is nothing else.
"""

from math import inf

import torch
from torch import Tensor

#   B = rows, V = vocabulary

ROUNDING = 2.0**-40
"""By what share a number may fall short of its bar and still count as having reached it.

That is 8,192 roundings of float64: more than the probabilities, sums and entropies of a filter are
off by, and far less than anything a model means. So .5 and .3 reach a mass of .8, although the
floats do not add up to it.
"""


def reaches(value: Tensor, bar: Tensor | float) -> Tensor:
    """Where value >= bar on paper (bars are not negative): how all filters compare with a bar."""
    return value >= bar * (1 - ROUNDING)


def keep(logits_BV: Tensor, kept_BV: Tensor) -> Tensor:
    """-inf for what is not kept."""
    return logits_BV.masked_fill(~kept_BV, -inf)


def log_probabilities(logits_BV: Tensor) -> Tensor:
    """ln p; -inf wherever a logit is, also in a row that is nothing else."""
    return logits_BV.log_softmax(-1).masked_fill(logits_BV == -inf, -inf)


def probabilities(logits_BV: Tensor) -> Tensor:
    """p; zeros in a row that is wholly -inf."""
    return logits_BV.softmax(-1).masked_fill(logits_BV == -inf, 0)


def entropy(logits_BV: Tensor) -> Tensor:
    """H_B1 in nats."""
    h_B1: Tensor = torch.special.entr(probabilities(logits_BV)).sum(-1, keepdim=True)
    return h_B1


def rank(nats_BV: Tensor) -> Tensor:
    """Each value's place in its row, smallest first, shared by what only roundings keep apart."""
    rising_BV, ids_BV = nats_BV.sort(dim=-1)
    higher_BV = torch.zeros_like(ids_BV)
    # A difference in nats is a share of a probability, to which the tolerance applies as it stands.
    higher_BV[:, 1:] = rising_BV.diff(dim=-1) > ROUNDING
    return torch.empty_like(ids_BV).scatter_(-1, ids_BV, higher_BV.cumsum(-1))


def largest(logits_BV: Tensor, k: int) -> Tensor:
    """Where exactly the k largest logits stand (all, where k >= V), the lowest ids among equals."""
    if k >= logits_BV.shape[-1]:
        return torch.ones_like(logits_BV, dtype=torch.bool)
    kth_B1 = logits_BV.topk(k, dim=-1).values[:, -1:]
    above_BV = logits_BV > kth_B1
    equal_BV = logits_BV == kth_B1
    room_B1 = k - above_BV.sum(-1, keepdim=True)
    return above_BV | (equal_BV & (equal_BV.cumsum(-1) <= room_B1))
