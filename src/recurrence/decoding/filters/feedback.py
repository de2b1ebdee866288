"""Filters that remember what was chosen, or toss coins: XTC, adaptive-p, look-back.

Mirostat and contrastive decoding, which are of the same kind, have files of their own.
"""

from functools import partial
from math import inf
from typing import Any

from torch import Tensor
from torch.nn.functional import pad

from recurrence.decoding.filters.contract import Filter, Setting, Stateful
from recurrence.decoding.filters.logits import (
    keep,
    largest,
    log_probabilities,
    probabilities,
    reaches,
)
from recurrence.decoding.filters.values import REQUIRED, number, settings, whole, window

#   B = rows, V = vocabulary, T = tokens so far (of uniform_BT: tokens to be generated)

FIRST_ROOM = 64
"""Distributions for which look_back has room at first."""


def xtc(value: Any, setting: Setting) -> Filter:
    """With probability q, of the tokens with p >= t remove all but the least probable.

    {probability: q = 0.5, threshold: t = 0.1}; a lone number is q. A lone token with p >= t stays,
    so t > 0.5 is off. Of equally improbable ones the lowest id stays. Text-generation-webui PR
    6335.
    """
    given = settings("xtc", value, "probability", {"probability": 0.5, "threshold": 0.1})
    probability = number("xtc.probability", given["probability"], least=0, most=1)
    threshold = number("xtc.threshold", given["threshold"], above=0, most=1)
    return Stateful(partial(_Xtc, probability, threshold), draws=True)


def adaptive_p(value: Any, setting: Setting) -> Filter:
    """5 - 10 d^2 / (1 + d), d = |p - t*| / 0.3, in place of the logits, to prefer a p near t*.

    {target: t, decay: 0.9}; a lone number is t, and below 0 it is off. t* = 2t - (mean of the p of
    the tokens chosen), within [0, 1]; in that mean each older token weighs less by `decay`, and it
    begins at t. p is as the filter received it. llama.cpp PR 17927, where it must be the last
    filter.
    """
    given = settings("adaptive_p", value, "target", {"target": REQUIRED, "decay": 0.9})
    target = number("adaptive_p.target", given["target"], most=1)
    decay = number("adaptive_p.decay", given["decay"], least=0, most=0.99)
    return Stateful(partial(_AdaptiveP, target, decay))


def look_back(value: Any, setting: Setting) -> Filter:
    """Top-k where an earlier distribution is near, min_j KL(p || p_j) < tau nats; else argmax.

    {tau, k: 8, window: null}; a lone number is tau. The earlier distributions are those of the
    generated tokens, all or the last `window`, as the filter received them; they are kept, B T V
    numbers of 8 bytes. arXiv 2305.13477, whose second part (choosing among the k by the distance to
    the prompt) is left out.
    """
    given = settings("look_back", value, "tau", {"tau": REQUIRED, "k": 8, "window": None})
    tau = number("look_back.tau", given["tau"], above=0)
    k = whole("look_back.k", given["k"])
    last = window("look_back.window", given["window"])
    return Stateful(partial(_LookBack, tau, k, last))


class _Xtc:
    def __init__(self, probability: float, threshold: float, uniform_BT: Tensor) -> None:
        self.threshold = threshold
        self.step = 0
        self.heads_BT = uniform_BT < probability

    def __call__(self, logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        p_BV = probabilities(logits_BV)
        high_BV = reaches(p_BV, self.threshold)
        least_BV = largest((-p_BV).masked_fill(~high_BV, -inf), 1)
        return keep(logits_BV, least_BV | ~high_BV | ~self.heads_BT[:, self.step, None])

    def chosen(self, ids_B: Tensor) -> None:
        self.step += 1


class _AdaptiveP:
    p_BV: Tensor

    def __init__(self, target: float, decay: float, uniform_BT: Tensor) -> None:
        self.target = target
        self.decay = decay
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
            p_B = self.p_BV.gather(1, ids_B[:, None])[:, 0]
            self.mean_B = self.decay * self.mean_B + (1 - self.decay) * p_B


class _LookBack:
    def __init__(self, tau: float, k: int, last: int | None, uniform_BT: Tensor) -> None:
        self.tau = tau
        self.k = k
        self.room = uniform_BT.shape[1] if last is None else min(last, uniform_BT.shape[1])
        self.steps = 0
        self.past_BTV: Tensor | None = None

    def __call__(self, logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        # ln 0 as a number: p_j = 0 where p > 0 is far away, but 0 ln 0 must stay 0.
        ln_p_BV = log_probabilities(logits_BV).clamp(min=-1e6)
        self.past_BTV = self._with_room_for(ln_p_BV)
        past_BTV = self.past_BTV[:, : min(self.steps, self.room)]
        p_BV = probabilities(logits_BV)
        kl_BT = (p_BV * ln_p_BV).sum(-1, keepdim=True) - (past_BTV @ p_BV[:, :, None])[:, :, 0]
        near_B1 = (~reaches(kl_BT, self.tau)).any(-1, keepdim=True)
        self.past_BTV[:, self.steps % self.room] = ln_p_BV
        return keep(logits_BV, largest(logits_BV, 1) | (near_B1 & largest(logits_BV, self.k)))

    def _with_room_for(self, ln_p_BV: Tensor) -> Tensor:
        """What is kept, with a place for one more: twice as many places whenever all are taken."""
        if self.past_BTV is None:
            rows, vocab_size = ln_p_BV.shape
            return ln_p_BV.new_zeros(rows, min(self.room, FIRST_ROOM), vocab_size)
        places = self.past_BTV.shape[1]
        if self.steps < places or places == self.room:
            return self.past_BTV
        return pad(self.past_BTV, (0, 0, 0, min(places, self.room - places)))

    def chosen(self, ids_B: Tensor) -> None:
        self.steps += 1
