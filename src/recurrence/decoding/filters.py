"""Filters: what stands between a model's logits and the choice of a token.

A filter is a function (logits_BV, history_BT) -> new logits_BV. The history holds the prompt and all that was generated
since. A filter never writes to its arguments, treats every row by itself, and leaves at least one finite logit where
there was one.
"""

from collections.abc import Callable, Iterable
from math import inf, isfinite
from typing import Any

import torch
from torch import Tensor

#   B = rows, V = vocabulary, T = tokens so far

Filter = Callable[[Tensor, Tensor], Tensor]


def temperature(value: Any) -> Filter:
    """Divide the logits by T > 0: below 1 the likely becomes likelier."""
    divisor = _number("temperature", value, "a number greater than 0 (pick: argmax is the limit at 0)", 0, inf)

    def scale(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        # From the largest down and in double precision, so that no T, however small, makes inf - inf of it.
        below_BV = (logits_BV - logits_BV.amax(-1, keepdim=True)).double()
        return (below_BV / divisor).to(logits_BV.dtype)

    return scale


def top_k(value: Any) -> Filter:
    """Keep exactly the k largest logits (all, where k >= V); among equals the lowest ids, so that k = 1 is greedy."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"top_k must be a whole number of at least 1, got {value!r}")

    def keep(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        if value >= logits_BV.shape[-1]:
            return logits_BV.clone()
        kth_B1 = logits_BV.topk(value, dim=-1).values[:, -1:]
        above_BV, equal_BV = logits_BV > kth_B1, logits_BV == kth_B1
        room_B1 = value - above_BV.sum(-1, keepdim=True)
        return logits_BV.masked_fill(~(above_BV | (equal_BV & (equal_BV.cumsum(-1) <= room_B1))), -inf)

    return keep


def top_p(value: Any) -> Filter:
    """Keep the smallest set of likeliest tokens whose probabilities sum to at least P, the nucleus (arXiv 1904.09751).

    Among equals the lowest ids enter first; P = 1 keeps everything.
    """
    mass = _number("top_p", value, "a number in (0, 1]", 0, 1)

    def keep(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        if mass == 1:  # rounding of the sums must not cost the rarest tokens
            return logits_BV.clone()
        falling_BV, ids_BV = logits_BV.sort(dim=-1, descending=True, stable=True)
        p_BV = falling_BV.double().softmax(-1)
        before_BV = p_BV.cumsum(-1).roll(1, -1)
        before_BV[:, 0] = 0
        outside_BV = torch.empty_like(ids_BV, dtype=torch.bool).scatter_(-1, ids_BV, before_BV >= mass)
        return logits_BV.masked_fill(outside_BV, -inf)

    return keep


def ban(ids: Iterable[int]) -> Filter:
    """Never choose these ids; a row with nothing else left gets the same chance for every other id.

    Not among FILTERS, as ids mean nothing without a vocabulary: a params block bans by leaving specials out of `allow`.
    """
    banned = sorted(set(ids))

    def without(ours_BV: Tensor) -> Tensor:
        for column in banned:  # few; an index tensor would be sent to the device at every step
            ours_BV[:, column] = -inf
        return ours_BV

    def remove(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        out_BV = without(logits_BV.clone())
        dead_B1 = (out_BV == -inf).all(-1, keepdim=True)
        return torch.where(dead_B1, without(torch.zeros_like(logits_BV)), out_BV)

    return remove


FILTERS: dict[str, Callable[[Any], Filter]] = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
"""The filters that a strategy's block may name; each takes the block's value and raises ValueError if it is wrong."""


def _number(name: str, value: Any, rule: str, above: float, most: float) -> float:
    good = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value) and above < value <= most
    if not good:
        raise ValueError(f"{name} must be {rule}, got {value!r}")
    return float(value)
