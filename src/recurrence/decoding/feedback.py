"""Filters with memory or chance: they see what was chosen, or toss coins of their own.

A `Feedback` is what a strategy holds; `start` makes a `Running` of it for a batch of rows (all with prompts of one
length), which is called once per step and then told what was chosen. It keeps what filters keep: nothing is written to,
rows are independent, -inf stays, something is left to choose.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from math import inf, log
from typing import Any, Protocol

import torch
from torch import Tensor

from recurrence.decoding.feeding import Feed, read
from recurrence.decoding.filters import Setting
from recurrence.decoding.logits import keep, largest, log_probabilities, probabilities, reaches
from recurrence.decoding.values import REQUIRED, choice, number, settings, whole, window
from recurrence.model import LanguageModel

#   B = rows, V = vocabulary, T = tokens so far (of uniform_BT: tokens to be generated)

LN_2 = log(2)
RATIOS = 99
"""Mirostat v1 estimates a distribution's exponent from its 100 likeliest tokens, that is from so many ratios."""


class Running(Protocol):
    """A feedback at work on its rows."""

    def __call__(self, logits_BV: Tensor, history_BT: Tensor) -> Tensor: ...

    def chosen(self, ids_B: Tensor) -> None:
        """Told after the choice, once per step."""


class Feedback(Protocol):
    """A filter that must be started afresh for every batch of rows."""

    def start(self, uniform_BT: Tensor) -> Running:
        """Numbers in [0, 1), float64, on the logits' device: column t is for generated token t, and any filter's."""


@dataclass(frozen=True)
class Starter:
    """A Feedback that makes its Running by a function of the uniform numbers."""

    start: Callable[[Tensor], Running]


def xtc(value: Any, setting: Setting) -> Feedback:
    """With probability q remove of the tokens with p >= t all but the least probable, if there are two of them.

    {probability: q = 0.5, threshold: t = 0.1}; a lone number is q. t > 0.5 is off by its nature. Of equally improbable
    ones the lowest id stays. Text-generation-webui PR 6335.
    """
    given = settings("xtc", value, "probability", {"probability": 0.5, "threshold": 0.1})
    probability = number("xtc.probability", given["probability"], least=0, most=1)
    threshold = number("xtc.threshold", given["threshold"], above=0, most=1)
    return Starter(partial(_Xtc, probability, threshold))


def mirostat_v1(value: Any, setting: Setting) -> Feedback:
    """Top-k, with the k at which a text of Zipf's law would surprise by mu bits; mu is steered to a surprise of tau.

    k = ((e 2^mu) / (1 - V^-e))^(1/s), e = s - 1, rounded, at least 1; s = sum(t b) / sum(t^2) over the 100 likeliest,
    t_i = ln((i + 2) / (i + 1)), b_i = ln(p_i / p_(i+1)). Then mu -= eta (S - tau), from mu = 2 tau.
    {tau: bits or {of_bits: share of the model's validation bits}, eta: 0.1, surprise: full | kept}; a lone number is
    tau. S = -log2 p of the token chosen: p as the filter received it (full, the default and the paper's), or
    renormalised over what it kept (kept, llama.cpp's). arXiv 2007.14966; its code has tau 3, eta 1; llama.cpp 5, 0.1.
    """
    return _mirostat("mirostat_v1", value, setting, _zipf_top_k)


def mirostat_v2(value: Any, setting: Setting) -> Feedback:
    """Keep the tokens with a surprise -log2 p of at most mu bits, and the likeliest in any case; mu as in mirostat_v1.

    {tau, eta: 0.1, surprise: full | kept}, as in mirostat_v1.
    """
    return _mirostat("mirostat_v2", value, setting, _unsurprising)


def adaptive_p(value: Any, setting: Setting) -> Feedback:
    """5 - 10 d^2 / (1 + d), d = |p - t*| / 0.3, in place of the logits: chooses what has about the probability t*.

    t* = 2t - (mean of the p of the tokens chosen, older ones weighing less by `decay` each), within [0, 1]; p as the
    filter received it; the mean begins at t. {target: t, decay: 0.9}; a lone number is t, and below 0 it is off.
    llama.cpp PR 17927, where it must be the last filter.
    """
    given = settings("adaptive_p", value, "target", {"target": REQUIRED, "decay": 0.9})
    target = number("adaptive_p.target", given["target"], most=1)
    decay = number("adaptive_p.decay", given["decay"], least=0, most=0.99)
    return Starter(partial(_AdaptiveP, target, decay))


def look_back(value: Any, setting: Setting) -> Feedback:
    """Where the distribution is nearer than tau to one before, min_j KL(p || p_j) < tau nats, top-k; else argmax alone.

    {tau, k: 8, window: null}; a lone number is tau. The distributions are those of the generated tokens, all or the
    last `window`, as the filter received them; they are kept, B T V numbers of 8 bytes. arXiv 2305.13477, whose second
    part (choosing among the k by the distance to the prompt) is left out.
    """
    given = settings("look_back", value, "tau", {"tau": REQUIRED, "k": 8, "window": None})
    tau = number("look_back.tau", given["tau"], above=0)
    k, last = whole("look_back.k", given["k"]), window("look_back.window", given["window"])
    return Starter(partial(_LookBack, tau, k, last))


def contrastive_decoding(value: Any, setting: Setting) -> Feedback:
    """ln p - ln p_amateur in place of the logits, where p >= alpha max p (arXiv 2210.15097: alpha 0.1).

    {alpha: 0.1, temperature: 1}; a lone number is alpha, and `temperature` divides the amateur's logits. The amateur
    reads the same history, whichever filters stand before this one.
    """
    given = settings("contrastive_decoding", value, "alpha", {"alpha": 0.1, "temperature": 1})
    alpha = number("contrastive_decoding.alpha", given["alpha"], above=0, most=1)
    divisor = number("contrastive_decoding.temperature", given["temperature"], above=0)
    amateur = setting.amateur
    if amateur is None:
        raise ValueError(
            "contrastive_decoding needs a second, weaker model: name it as `amateur`, got none"
        )
    if amateur.vocab_size != len(setting.vocab):
        sizes = f"{amateur.vocab_size} tokens and not {len(setting.vocab)}"
        raise ValueError(
            f"contrastive_decoding: the amateur must have the model's vocabulary, got one of {sizes}"
        )
    return Starter(lambda uniform_BT: _Contrastive(amateur, alpha, divisor))


FILTERS: dict[str, Callable[[Any, Setting], Feedback]] = {
    "xtc": xtc,
    "mirostat_v1": mirostat_v1,
    "mirostat_v2": mirostat_v2,
    "adaptive_p": adaptive_p,
    "look_back": look_back,
    "contrastive_decoding": contrastive_decoding,
}

HISTORY: frozenset[str] = frozenset(FILTERS)
"""Filters whose effect depends on more than the model's state: all of these."""


class _Xtc:
    def __init__(self, probability: float, threshold: float, uniform_BT: Tensor) -> None:
        self.threshold, self.step = threshold, 0
        self.heads_BT = uniform_BT < probability

    def __call__(self, logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        p_BV = probabilities(logits_BV)
        high_BV = reaches(p_BV, self.threshold)
        least_BV = largest((-p_BV).masked_fill(~high_BV, -inf), 1)
        return keep(logits_BV, least_BV | ~high_BV | ~self.heads_BT[:, self.step, None])

    def chosen(self, ids_B: Tensor) -> None:
        self.step += 1


Narrow = Callable[[Tensor, Tensor], Tensor]
"""(ln p_BV, mu_B in bits) -> which tokens stay, as BV."""


class _Mirostat:
    ln_p_BV: Tensor

    def __init__(
        self, tau: float, rate: float, kept: bool, narrow: Narrow, uniform_BT: Tensor
    ) -> None:
        self.tau, self.rate, self.kept, self.narrow = tau, rate, kept, narrow
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


def _mirostat(name: str, value: Any, setting: Setting, narrow: Narrow) -> Feedback:
    given = settings(name, value, "tau", {"tau": REQUIRED, "eta": 0.1, "surprise": "full"})
    kept = choice(f"{name}.surprise", given["surprise"], ("full", "kept")) == "kept"
    rate = number(f"{name}.eta", given["eta"], above=0)
    return Starter(
        partial(_Mirostat, _bits(f"{name}.tau", given["tau"], setting), rate, kept, narrow)
    )


def _bits(name: str, value: Any, setting: Setting) -> float:
    """A number of bits, given as such or as a share of the model's."""
    if not isinstance(value, Mapping):
        return number(name, value, above=0)
    share = number(
        f"{name}.of_bits",
        settings(name, value, "of_bits", {"of_bits": REQUIRED})["of_bits"],
        above=0,
    )
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
    rank_BV = torch.empty_like(ids_BV).scatter_(
        1, ids_BV, torch.arange(vocab_size, device=ids_BV.device).expand_as(ids_BV)
    )
    return rank_BV < k_B[:, None]


class _AdaptiveP:
    p_BV: Tensor

    def __init__(self, target: float, decay: float, uniform_BT: Tensor) -> None:
        self.target, self.decay = target, decay
        self.mean_B = uniform_BT.new_full((len(uniform_BT),), target)

    def __call__(self, logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        if self.target < 0:
            return logits_BV.clone()
        self.p_BV = probabilities(logits_BV)
        goal_B = (2 * self.target - self.mean_B).clamp(0, 1)
        d_BV = (self.p_BV - goal_B[:, None]).abs() / 0.3
        return keep(5 - 10 * d_BV.square() / (1 + d_BV), logits_BV > -inf)

    def chosen(self, ids_B: Tensor) -> None:
        if self.target >= 0:
            self.mean_B = (
                self.decay * self.mean_B
                + (1 - self.decay) * self.p_BV.gather(1, ids_B[:, None])[:, 0]
            )


class _LookBack:
    def __init__(self, tau: float, k: int, last: int | None, uniform_BT: Tensor) -> None:
        self.tau, self.k = tau, k
        self.room = uniform_BT.shape[1] if last is None else min(last, uniform_BT.shape[1])
        self.steps = 0
        self.past_BTV: Tensor | None = None

    def __call__(self, logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        # ln 0 as a number: p_j = 0 where p > 0 is far away, but 0 ln 0 must stay 0.
        ln_p_BV = log_probabilities(logits_BV).clamp(min=-1e6)
        if self.past_BTV is None:
            self.past_BTV = ln_p_BV.new_zeros(len(ln_p_BV), self.room, ln_p_BV.shape[1])
        past_BTV = self.past_BTV[:, : min(self.steps, self.room)]
        p_BV = probabilities(logits_BV)
        kl_BT = (p_BV * ln_p_BV).sum(-1, keepdim=True) - (past_BTV @ p_BV[:, :, None])[:, :, 0]
        near_B1 = (~reaches(kl_BT, self.tau)).any(-1, keepdim=True)
        self.past_BTV[:, self.steps % self.room] = ln_p_BV
        return keep(logits_BV, largest(logits_BV, 1) | (near_B1 & largest(logits_BV, self.k)))

    def chosen(self, ids_B: Tensor) -> None:
        self.steps += 1


class _Contrastive:
    def __init__(self, amateur: LanguageModel, alpha: float, divisor: float) -> None:
        self.amateur, self.divisor, self.alpha = amateur, divisor, alpha
        self.feed: Feed | None = None

    def __call__(self, logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        if self.feed is None:
            weak_BV, self.feed = read(self.amateur, list(map(tuple, history_BT.tolist())), None)
        else:
            weak_BV = self.feed.step(history_BT)
        ln_p_BV = log_probabilities(logits_BV)
        p_BV = ln_p_BV.exp()
        plausible_BV = reaches(p_BV, self.alpha * p_BV.amax(-1, keepdim=True))
        ln_ratio_BV = ln_p_BV - log_probabilities(weak_BV / self.divisor).clamp(min=-1e6)
        return keep(ln_ratio_BV, plausible_BV & (logits_BV > -inf))

    def chosen(self, ids_B: Tensor) -> None:
        """The next history says it."""
