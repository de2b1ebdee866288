"""Mirostat, versions 1 and 2: how much is kept is steered by how surprising the text was so far."""

from collections.abc import Callable, Mapping
from functools import partial
from math import inf, log
from typing import Any

import torch
from torch import Tensor

from recurrence.decoding.filters.contract import Filter, Setting, Stateful
from recurrence.decoding.filters.logits import keep, largest, log_probabilities, reaches
from recurrence.decoding.filters.values import REQUIRED, choice, number, settings

#   B = rows, V = vocabulary, T = tokens so far (of uniform_BT: tokens to be generated)

LN_2 = log(2)
RATIOS = 99
"""Version 1 estimates the exponent from the 100 likeliest tokens, that is from so many ratios."""


def mirostat_v1(value: Any, setting: Setting) -> Filter:
    """Top-k, with the k at which a text that follows Zipf's law would surprise by mu bits.

    {tau: bits or {of_bits: share of the model's validation bits}, eta: 0.1, surprise: full | kept};
    a lone number is tau. k = ((e 2^mu) / (1 - V^-e))^(1/s), e = s - 1, rounded, at least 1; s =
    sum(t b) / sum(t^2) over the 100 likeliest, t_i = ln((i + 2) / (i + 1)), b_i = ln(p_i /
    p_(i+1)). mu starts at 2 tau, and after each token mu -= eta (S - tau), which steers the
    surprise to tau. S = -log2 p of the token chosen: p as the filter received it (full, the default
    and the paper's), or renormalised over what it kept (kept, llama.cpp's). arXiv 2007.14966, whose
    code has tau 3 and eta 1; llama.cpp has 5 and 0.1.
    """
    return _mirostat("mirostat_v1", value, setting, _zipf_top_k)


def mirostat_v2(value: Any, setting: Setting) -> Filter:
    """Keep the tokens with a surprise -log2 p of at most mu bits, and the likeliest in any case.

    {tau, eta: 0.1, surprise: full | kept} and mu as in mirostat_v1.
    """
    return _mirostat("mirostat_v2", value, setting, _unsurprising)


Narrow = Callable[[Tensor, Tensor], Tensor]
"""(ln p_BV, mu_B in bits) -> which tokens stay, as BV."""


class _Mirostat:
    ln_p_BV: Tensor

    def __init__(
        self, tau: float, rate: float, kept: bool, narrow: Narrow, uniform_BT: Tensor
    ) -> None:
        self.tau = tau
        self.rate = rate
        self.kept = kept
        self.narrow = narrow
        self.mu_B = uniform_BT.new_full((len(uniform_BT),), 2 * tau)

    def __call__(self, logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        self.ln_p_BV = log_probabilities(logits_BV)
        out_BV = keep(logits_BV, self.narrow(self.ln_p_BV, self.mu_B))
        if self.kept:
            self.ln_p_BV = log_probabilities(out_BV)
        return out_BV

    def chosen(self, ids_B: Tensor) -> None:
        error_B = -self.ln_p_BV.gather(1, ids_B[:, None])[:, 0] / LN_2 - self.tau
        # A token that had no chance here was chosen over this filter's head and tells nothing.
        self.mu_B = self.mu_B - self.rate * error_B.where(error_B.isfinite(), 0)


def _mirostat(name: str, value: Any, setting: Setting, narrow: Narrow) -> Filter:
    given = settings(name, value, "tau", {"tau": REQUIRED, "eta": 0.1, "surprise": "full"})
    kept = choice(f"{name}.surprise", given["surprise"], ("full", "kept")) == "kept"
    rate = number(f"{name}.eta", given["eta"], above=0)
    tau = _bits(f"{name}.tau", given["tau"], setting)
    return Stateful(partial(_Mirostat, tau, rate, kept, narrow))


def _bits(name: str, value: Any, setting: Setting) -> float:
    """A number of bits, given as such or as a share of the model's."""
    if not isinstance(value, Mapping):
        return number(name, value, above=0)
    given = settings(name, value, "of_bits", {"of_bits": REQUIRED})
    share = number(f"{name}.of_bits", given["of_bits"], above=0)
    if setting.bits is None:
        raise ValueError(
            f"{name}.of_bits needs the model's validation bits per token, which are not known here"
        )
    return share * setting.bits


def _unsurprising(ln_p_BV: Tensor, mu_B: Tensor) -> Tensor:
    return reaches(ln_p_BV.exp(), (-mu_B[:, None]).exp2()) | largest(ln_p_BV, 1)


def _zipf_top_k(ln_p_BV: Tensor, mu_B: Tensor) -> Tensor:
    vocab_size = ln_p_BV.shape[1]
    falling_BV, ids_BV = ln_p_BV.sort(dim=-1, descending=True, stable=True)
    top_BV = falling_BV[:, : RATIOS + 1]
    place_V = torch.arange(top_BV.shape[1] - 1, device=ln_p_BV.device).double()
    t_V = ((place_V + 2) / (place_V + 1)).log()
    known_BV = top_BV[:, 1:] > -inf
    b_BV = (top_BV[:, :-1] - top_BV[:, 1:]).where(known_BV, 0)
    # Bounded away from 0 and 1, where the formula for k has limits but no values.
    s_B = ((t_V * b_BV).sum(-1) / (t_V.square() * known_BV).sum(-1).clamp(min=1e-9)).clamp(min=1e-6)
    e_B = torch.where((s_B - 1).abs() < 1e-6, 1e-6, s_B - 1)
    ln_k_B = ((e_B / -torch.expm1(-e_B * log(max(vocab_size, 2)))).log() + mu_B * LN_2) / s_B
    k_B = ln_k_B.exp().round().clamp(1, vocab_size)
    place_BV = torch.arange(vocab_size, device=ids_BV.device).expand_as(ids_BV)
    return torch.empty_like(ids_BV).scatter_(1, ids_BV, place_BV) < k_B[:, None]
