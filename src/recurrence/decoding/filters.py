"""Filters: what stands between a model's logits and the choice of a token. Here those that look at the logits alone.

A filter is a function (logits_BV, history_BT) -> new logits_BV, float64 in and out. The history holds the prompt and
all that was generated since. A filter never writes to its arguments, treats every row by itself, leaves -inf as -inf,
and leaves something to choose where there was something.

Every factory takes the value of a params block and the Setting it is for, and raises ValueError for a wrong value.
Sources of the formulas are named with each; defaults are those of the named system. Where probabilities are equal at an
edge, the lowest ids stay.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any

import torch
from torch import Tensor

from recurrence.decoding.logits import (
    entropy,
    keep,
    largest,
    log_probabilities,
    probabilities,
    rank,
    reaches,
)
from recurrence.decoding.values import REQUIRED, number, settings, whole
from recurrence.model import LanguageModel
from recurrence.tokens import EOS
from recurrence.vocab import Vocab

#   B = rows, V = vocabulary, T = tokens so far

Filter = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Setting:
    """What a factory may need to know of where its filter is used.

    `bits`: the model's validation bits per token. `amateur`: the weaker model of contrastive decoding, in double
    precision, eval mode, and on the device of the logits.
    """

    vocab: Vocab
    bits: float | None = None
    amateur: LanguageModel | None = None


HISTORY: frozenset[str] = frozenset()
"""Filters of this file whose effect depends on more than the model's state."""

TOP_H_TOKENS = 100
COLDEST = 1e-290
"""A temperature below this is taken as this: no logit is then divided up to infinity, and it is greedy all the same."""


def temperature(value: Any, setting: Setting) -> Filter:
    """z / T with T > 0: below 1 the likely becomes likelier. 1 is off; llama.cpp's default is 0.8."""
    given = number("temperature", value, above=0, hint=" (pick: argmax is the limit at 0)")
    divisor = max(given, COLDEST)
    return lambda logits_BV, history_BT: logits_BV / divisor


def dynamic_temperature(value: Any, setting: Setting) -> Filter:
    """z / T, T = (t - r) + 2r (H / ln n)^e for the n tokens left and their entropy H: a sure model is made surer.

    {temperature: t = 1, range: r < t, exponent: e = 1}; a lone number is r, and 0 is off. llama.cpp's temp-ext, where
    t - r = 0 is allowed.
    """
    given = settings(
        "dynamic_temperature", value, "range", {"temperature": 1, "range": REQUIRED, "exponent": 1}
    )
    middle = number("dynamic_temperature.temperature", given["temperature"], above=0)
    exponent = number("dynamic_temperature.exponent", given["exponent"], least=0)
    spread = number("dynamic_temperature.range", given["range"], least=0)
    if spread >= middle:
        raise ValueError(
            f"dynamic_temperature.range must be less than the temperature ({middle:g}), got {spread!r}"
        )

    def scale(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        most_B1 = (logits_BV > -inf).sum(-1, keepdim=True).double().log()
        # One token has no entropy to speak of; two have at least ln 2 of room, so 0.5 only guards 0 / 0.
        share_B1 = (entropy(logits_BV) / most_B1.clamp(min=0.5)).clamp(0, 1)
        divisor_B1 = middle - spread + 2 * spread * share_B1**exponent
        return logits_BV / divisor_B1.clamp(min=COLDEST)

    return scale


def top_k(value: Any, setting: Setting) -> Filter:
    """Keep exactly the k largest logits (all, where k >= V), so that k = 1 is greedy. Fan et al. 2018; HF 50."""
    return _top_k("top_k", value)


def top_p(value: Any, setting: Setting) -> Filter:
    """Keep the smallest set of likeliest tokens whose probabilities sum to at least P, the nucleus (arXiv 1904.09751).

    P = 1 keeps everything; llama.cpp's default is 0.95.
    """
    return _top_p("top_p", value)


def min_p(value: Any, setting: Setting) -> Filter:
    """Keep p >= m max p (arXiv 2407.01082: 0.05 to 0.1); 0 is off."""
    share = number("min_p", value, least=0, most=1)

    def narrow(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        p_BV = probabilities(logits_BV)
        return keep(logits_BV, reaches(p_BV, share * p_BV.amax(-1, keepdim=True)))

    return narrow


def typical(value: Any, setting: Setting) -> Filter:
    """Keep the smallest set with a mass of at least tau of the tokens nearest to the expected surprise, |-ln p - H|.

    Locally typical sampling, arXiv 2202.00666: 0.2 or 0.95. 1 keeps everything.
    """
    mass = number("typical", value, above=0, most=1)

    def narrow(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        gap_BV = (log_probabilities(logits_BV) + entropy(logits_BV)).abs()
        ids_BV = rank(gap_BV).sort(dim=-1, stable=True).indices
        return keep(logits_BV, _smallest_prefix(logits_BV, ids_BV, mass))

    return narrow


def epsilon(value: Any, setting: Setting) -> Filter:
    """Keep p >= epsilon, or the likeliest where none is (arXiv 2210.15191: 3e-4 to 9e-4)."""
    least = number("epsilon", value, above=0, most=1)

    def narrow(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        return keep(
            logits_BV, reaches(probabilities(logits_BV), least) | _maximum(logits_BV)
        )

    return narrow


def eta(value: Any, setting: Setting) -> Filter:
    """Keep p >= min(epsilon, sqrt(epsilon) e^-H), or the likeliest where none is (arXiv 2210.15191: 3e-4 to 4e-3)."""
    least = number("eta", value, above=0, most=1)

    def narrow(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        bar_B1 = (least**0.5 * (-entropy(logits_BV)).exp()).clamp(max=least)
        return keep(
            logits_BV, reaches(probabilities(logits_BV), bar_B1) | _maximum(logits_BV)
        )

    return narrow


def top_n_sigma(value: Any, setting: Setting) -> Filter:
    """Keep z >= max z - n sigma, sigma the population's standard deviation of the logits that are left.

    arXiv 2411.07641: n = 1, on the model's own logits, so before other filters. As in llama.cpp, 0 is off.
    """
    spread = number("top_n_sigma", value, least=0)

    def narrow(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        if spread == 0:
            return logits_BV.clone()
        left_BV = logits_BV > -inf
        count_B1 = left_BV.sum(-1, keepdim=True).clamp(min=1)
        mean_B1 = logits_BV.where(left_BV, 0).sum(-1, keepdim=True) / count_B1
        variance_B1 = (logits_BV - mean_B1).where(left_BV, 0).square().sum(
            -1, keepdim=True
        ) / count_B1
        below_BV = logits_BV.amax(-1, keepdim=True) - logits_BV
        return keep(logits_BV, reaches(spread * variance_B1.sqrt(), below_BV))

    return narrow


def top_h(value: Any, setting: Setting) -> Filter:
    """Of the 100 likeliest keep the longest prefix with sum(-p ln p) <= h H, and the first in any case.

    p and H are those of the 100, and p is not renormalised over what is kept: the published code's rule, while its
    documentation speaks of the entropy after renormalising. arXiv 2509.02510: 0.3 to 0.6.
    """
    share = number("top_h", value, above=0, most=1)

    def narrow(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        falling_BV, ids_BV = logits_BV.sort(dim=-1, descending=True, stable=True)
        spent_BV = torch.special.entr(probabilities(falling_BV[:, :TOP_H_TOKENS])).cumsum(-1)
        within_BV = reaches(share * spent_BV[:, -1:], spent_BV)
        within_BV[:, 0] = True
        kept_BV = torch.zeros_like(logits_BV, dtype=torch.bool)
        return keep(logits_BV, kept_BV.scatter_(-1, ids_BV[:, :TOP_H_TOKENS], within_BV))

    return narrow


def p_less(value: Any, setting: Setting) -> Filter:
    """Keep p >= sum p^2, the chance that two draws agree (arXiv 2509.23234). No parameter: the value must be true."""
    if value is not True:
        raise ValueError(f"p_less must be true, as it has no parameter, got {value!r}")

    def narrow(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        p_BV = probabilities(logits_BV)
        return keep(logits_BV, reaches(p_BV, p_BV.square().sum(-1, keepdim=True)))

    return narrow


def consistent_top_k(value: Any, setting: Setting) -> Filter:
    """top_k, and <eos> beside it: proved to end with probability 1 (arXiv 2002.02492). Without <eos>: top_k."""
    return _beside_eos(_top_k("consistent_top_k", value), setting)


def consistent_top_p(value: Any, setting: Setting) -> Filter:
    """top_p, and <eos> beside it: proved to end with probability 1 (arXiv 2002.02492). Without <eos>: top_p."""
    return _beside_eos(_top_p("consistent_top_p", value), setting)


FILTERS: dict[str, Callable[[Any, Setting], Filter]] = {
    "temperature": temperature,
    "dynamic_temperature": dynamic_temperature,
    "top_k": top_k,
    "top_p": top_p,
    "min_p": min_p,
    "typical": typical,
    "epsilon": epsilon,
    "eta": eta,
    "top_n_sigma": top_n_sigma,
    "top_h": top_h,
    "p_less": p_less,
    "consistent_top_k": consistent_top_k,
    "consistent_top_p": consistent_top_p,
}


def _top_k(name: str, value: Any) -> Filter:
    k = whole(name, value)
    return lambda logits_BV, history_BT: keep(logits_BV, largest(logits_BV, k))


def _top_p(name: str, value: Any) -> Filter:
    mass = number(name, value, above=0, most=1)

    def narrow(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        ids_BV = logits_BV.sort(dim=-1, descending=True, stable=True).indices
        return keep(logits_BV, _smallest_prefix(logits_BV, ids_BV, mass))

    return narrow


def _smallest_prefix(logits_BV: Tensor, ids_BV: Tensor, mass: float) -> Tensor:
    """Where the first of each row's ids stand whose probabilities sum to at least `mass`."""
    if mass == 1:  # rounding of the sums must not cost the last tokens
        return torch.ones_like(logits_BV, dtype=torch.bool)
    before_BV = probabilities(logits_BV.gather(-1, ids_BV)).cumsum(-1).roll(1, -1)
    before_BV[:, 0] = 0
    return torch.empty_like(ids_BV, dtype=torch.bool).scatter_(
        -1, ids_BV, ~reaches(before_BV, mass)
    )


def _maximum(logits_BV: Tensor) -> Tensor:
    return logits_BV == logits_BV.amax(-1, keepdim=True)


def _beside_eos(narrow: Filter, setting: Setting) -> Filter:
    eos = setting.vocab.index.get(EOS)
    if eos is None:
        return narrow

    def widen(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        out_BV = narrow(logits_BV, history_BT)
        out_BV[:, eos] = logits_BV[:, eos]
        return out_BV

    return widen
