"""Filters that look at the logits alone and remove some of them; what stays keeps its logit."""

from math import inf
from typing import Any

import torch
from torch import Tensor

from recurrence.decoding.filters.contract import Filter, Setting, Stateless
from recurrence.decoding.filters.logits import (
    entropy,
    keep,
    largest,
    log_probabilities,
    probabilities,
    rank,
    reaches,
)
from recurrence.decoding.filters.values import number, whole
from recurrence.tokens import EOS

#   B = rows, V = vocabulary, T = tokens so far

TOP_H_TOKENS = 100


def top_k(value: Any, setting: Setting) -> Filter:
    """Keep exactly the k largest logits (all, where k >= V), so that k = 1 is greedy.

    Fan et al. 2018; Hugging Face's default is 50.
    """
    return _top_k("top_k", value)


def top_p(value: Any, setting: Setting) -> Filter:
    """Keep the nucleus: the fewest of the likeliest tokens whose probabilities sum to at least P.

    arXiv 1904.09751. P = 1 keeps everything; llama.cpp's default is 0.95.
    """
    return _top_p("top_p", value)


def min_p(value: Any, setting: Setting) -> Filter:
    """Keep p >= m max p (arXiv 2407.01082: 0.05 to 0.1); 0 is off."""
    share = number("min_p", value, least=0, most=1)

    def narrow(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        p_BV = probabilities(logits_BV)
        return keep(logits_BV, reaches(p_BV, share * p_BV.amax(-1, keepdim=True)))

    return Stateless(narrow)


def typical(value: Any, setting: Setting) -> Filter:
    """Keep the fewest tokens with a mass of at least tau, the smallest |-ln p - H| first.

    Locally typical sampling: their surprise is nearest to the expected one. arXiv 2202.00666: 0.2
    or 0.95. 1 keeps everything.
    """
    mass = number("typical", value, above=0, most=1)

    def narrow(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        gap_BV = (log_probabilities(logits_BV) + entropy(logits_BV)).abs()
        ids_BV = rank(gap_BV).sort(dim=-1, stable=True).indices
        return keep(logits_BV, _smallest_prefix(logits_BV, ids_BV, mass))

    return Stateless(narrow)


def epsilon(value: Any, setting: Setting) -> Filter:
    """Keep p >= epsilon, or the likeliest where none is (arXiv 2210.15191: 3e-4 to 9e-4)."""
    least = number("epsilon", value, above=0, most=1)

    def narrow(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        enough_BV = reaches(probabilities(logits_BV), least)
        return keep(logits_BV, enough_BV | _maximum(logits_BV))

    return Stateless(narrow)


def eta(value: Any, setting: Setting) -> Filter:
    """Keep p >= min(epsilon, sqrt(epsilon) e^-H), or the likeliest where none is.

    arXiv 2210.15191: 3e-4 to 4e-3.
    """
    least = number("eta", value, above=0, most=1)

    def narrow(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        bar_B1 = (least**0.5 * (-entropy(logits_BV)).exp()).clamp(max=least)
        enough_BV = reaches(probabilities(logits_BV), bar_B1)
        return keep(logits_BV, enough_BV | _maximum(logits_BV))

    return Stateless(narrow)


def top_n_sigma(value: Any, setting: Setting) -> Filter:
    """Keep z >= max z - n sigma, with the standard deviation (of a population) of the logits left.

    arXiv 2411.07641: n = 1, on the model's own logits, so before other filters. As in llama.cpp, 0
    is off.
    """
    spread = number("top_n_sigma", value, least=0)

    def narrow(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        if spread == 0:
            return logits_BV.clone()
        left_BV = logits_BV > -inf
        count_B1 = left_BV.sum(-1, keepdim=True).clamp(min=1)
        mean_B1 = logits_BV.where(left_BV, 0).sum(-1, keepdim=True) / count_B1
        squares_BV = (logits_BV - mean_B1).where(left_BV, 0).square()
        variance_B1 = squares_BV.sum(-1, keepdim=True) / count_B1
        below_BV = logits_BV.amax(-1, keepdim=True) - logits_BV
        return keep(logits_BV, reaches(spread * variance_B1.sqrt(), below_BV))

    return Stateless(narrow)


def top_h(value: Any, setting: Setting) -> Filter:
    """Of the 100 likeliest keep the longest prefix with sum(-p ln p) <= h H, at least one.

    p and H are those of the 100, and p is not renormalised over what is kept: that is what the
    published code does, while its documentation speaks of the entropy after renormalising. arXiv
    2509.02510: 0.3 to 0.6.
    """
    share = number("top_h", value, above=0, most=1)

    def narrow(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        falling_BV, ids_BV = logits_BV.sort(dim=-1, descending=True, stable=True)
        spent_BV = torch.special.entr(probabilities(falling_BV[:, :TOP_H_TOKENS])).cumsum(-1)
        within_BV = reaches(share * spent_BV[:, -1:], spent_BV)
        within_BV[:, 0] = True
        kept_BV = torch.zeros_like(logits_BV, dtype=torch.bool)
        return keep(logits_BV, kept_BV.scatter_(-1, ids_BV[:, :TOP_H_TOKENS], within_BV))

    return Stateless(narrow)


def p_less(value: Any, setting: Setting) -> Filter:
    """Keep p >= sum p^2, the chance that two draws agree (arXiv 2509.23234).

    It has no parameter: the value must be true.
    """
    if value is not True:
        raise ValueError(f"p_less must be true, as it has no parameter, got {value!r}")

    def narrow(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        p_BV = probabilities(logits_BV)
        return keep(logits_BV, reaches(p_BV, p_BV.square().sum(-1, keepdim=True)))

    return Stateless(narrow)


def consistent_top_k(value: Any, setting: Setting) -> Filter:
    """top_k, and <eos> beside it, so that a text ends with probability 1 (arXiv 2002.02492).

    For a vocabulary without <eos> it is top_k.
    """
    return _beside_eos(_top_k("consistent_top_k", value), setting)


def consistent_top_p(value: Any, setting: Setting) -> Filter:
    """top_p, and <eos> beside it, so that a text ends with probability 1 (arXiv 2002.02492).

    For a vocabulary without <eos> it is top_p.
    """
    return _beside_eos(_top_p("consistent_top_p", value), setting)


def _top_k(name: str, value: Any) -> Stateless:
    k = whole(name, value)
    return Stateless(lambda logits_BV, history_BT: keep(logits_BV, largest(logits_BV, k)))


def _top_p(name: str, value: Any) -> Stateless:
    mass = number(name, value, above=0, most=1)

    def narrow(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        ids_BV = logits_BV.sort(dim=-1, descending=True, stable=True).indices
        return keep(logits_BV, _smallest_prefix(logits_BV, ids_BV, mass))

    return Stateless(narrow)


def _smallest_prefix(logits_BV: Tensor, ids_BV: Tensor, mass: float) -> Tensor:
    """Where the first of each row's ids stand whose probabilities sum to at least `mass`."""
    if mass == 1:  # over any number of tokens, rounding must not cost the last of them
        return torch.ones_like(logits_BV, dtype=torch.bool)
    before_BV = probabilities(logits_BV.gather(-1, ids_BV)).cumsum(-1).roll(1, -1)
    before_BV[:, 0] = 0
    kept_BV = torch.empty_like(ids_BV, dtype=torch.bool)
    return kept_BV.scatter_(-1, ids_BV, ~reaches(before_BV, mass))


def _maximum(logits_BV: Tensor) -> Tensor:
    return logits_BV == logits_BV.amax(-1, keepdim=True)


def _beside_eos(narrow: Stateless, setting: Setting) -> Stateless:
    eos = setting.vocab.index.get(EOS)
    if eos is None:
        return narrow

    def widen(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        out_BV = narrow(logits_BV, history_BT)
        out_BV[:, eos] = logits_BV[:, eos]
        return out_BV

    return Stateless(widen)
