"""Penalties: filters that look at the history, the prompt and all that was generated since.

Some ask which tokens it holds, the others where its end has occurred before and what came next
there. `window` says how many of its last tokens count; null, the default, means all of them. A
penalty whose window is shorter than a loop does not see the loop.
"""

from collections.abc import Callable
from math import floor, inf, log, log2
from typing import Any

import torch
from torch import Tensor

from recurrence.decoding.filters.contract import Filter, Setting, Stateless
from recurrence.decoding.filters.history import counts, last_places, matches, recent
from recurrence.decoding.filters.logits import keep, largest, log_probabilities, probabilities
from recurrence.decoding.filters.values import REQUIRED, number, settings, truth, whole, window

#   B = rows, V = vocabulary, T = tokens so far, M = matches over all rows

LARGEST_EXPONENT = 88.72284
"""ln of the largest float32, rounded up; it bounds DRY's power as in llama.cpp (128 for base 2)."""
BREAKERS = ("\n", ":", '"', "*")


def repetition_penalty(value: Any, setting: Setting) -> Filter:
    """z / theta where z > 0, and z theta elsewhere, for tokens that occurred.

    {penalty: theta, window: null, normalised: false}; a lone number is theta. CTRL, arXiv
    1909.05858: 1.2; 1 is off. The rule depends on where a model puts its zero; `normalised` takes
    theta ln p in the place of ln p, z + (theta - 1) ln p, which does not. llama.cpp's window is 64.
    """
    defaults = {"penalty": REQUIRED, "window": None, "normalised": False}
    given = settings("repetition_penalty", value, "penalty", defaults)
    theta = number("repetition_penalty.penalty", given["penalty"], above=0)
    last = window("repetition_penalty.window", given["window"])
    normalised = truth("repetition_penalty.normalised", given["normalised"])

    def penalise(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        if normalised:
            lowered_BV = logits_BV + (theta - 1) * log_probabilities(logits_BV)
        else:
            lowered_BV = torch.where(logits_BV > 0, logits_BV / theta, logits_BV * theta)
        occurred_BV = counts(recent(history_BT, last), logits_BV.shape[1]) > 0
        return torch.where(occurred_BV & (logits_BV > -inf), lowered_BV, logits_BV)

    return Stateless(penalise, reads_history=True)


def frequency_penalty(value: Any, setting: Setting) -> Filter:
    """z - f count (OpenAI's API: f from -2 to 2; 0 is off).

    {value: f, window: null}; a lone number is f. The prompt counts as well; vLLM counts only what
    was generated.
    """
    return _subtracting("frequency_penalty", value, lambda counts_BV: counts_BV)


def presence_penalty(value: Any, setting: Setting) -> Filter:
    """z - r [count > 0] (OpenAI's API: r from -2 to 2; 0 is off).

    {value: r, window: null}; a lone number is r.
    """
    return _subtracting("presence_penalty", value, lambda counts_BV: counts_BV.clamp(max=1))


def no_repeat_ngram(value: Any, setting: Setting) -> Filter:
    """Ban every token that would complete an n-gram that the history holds (Paulus et al. 2017)."""
    n = whole("no_repeat_ngram", value)

    def ban(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        if n == 1:
            return logits_BV.masked_fill(counts(history_BT, logits_BV.shape[1]) > 0, -inf)
        found = matches(history_BT, n - 1, logits_BV.shape[1])
        return logits_BV.masked_fill(found.most(found.length_M) == n - 1, -inf)

    return Stateless(ban, reads_history=True)


def dry(value: Any, setting: Setting) -> Filter:
    """z - m b^(r - a) for a token that followed the last r >= a tokens before, for the largest r.

    {multiplier: m, base: b = 1.75, allowed: a = 2, window: null, breakers: [newline, ":", '"',
    "*"]}; a lone number is m (0.8 is advised, 0 is off). A match does not reach over a breaker, and
    breakers are never penalised; those that the vocabulary lacks do nothing. The exponent is at
    most 88.72284 / ln b, rounded down. Text-generation-webui PR 5677; llama.cpp, whose window is
    now 64.
    """
    defaults = {
        "multiplier": REQUIRED,
        "base": 1.75,
        "allowed": 2,
        "window": None,
        "breakers": BREAKERS,
    }
    given = settings("dry", value, "multiplier", defaults)
    multiplier = number("dry.multiplier", given["multiplier"], least=0)
    base = number("dry.base", given["base"], least=1)
    allowed = whole("dry.allowed", given["allowed"])
    last = window("dry.window", given["window"])
    breakers = _ids("dry.breakers", given["breakers"], setting)
    largest_exponent = floor(LARGEST_EXPONENT / log(base)) if base > 1.000001 else 0

    def penalise(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        text_BT = recent(history_BT, last)
        found = matches(text_BT, allowed + largest_exponent, logits_BV.shape[1])
        within_B = _unbroken(text_BT, breakers, logits_BV.shape[1])
        r_BV = found.most(torch.minimum(found.length_M, within_B[found.row_M]))
        penalty_BV = multiplier * torch.pow(base, (r_BV - allowed).clamp(min=0).double())
        penalty_BV = penalty_BV.where(r_BV >= allowed, 0)
        penalty_BV[:, breakers] = 0
        return logits_BV - penalty_BV

    return Stateless(penalise, reads_history=True)


def lz_penalty(value: Any, setting: Setting) -> Filter:
    """z + alpha (C(v) - log2 V): C(v) bits are what token v adds to the code length under LZSS.

    {strength: alpha = 0.15, window: 512, buffer: 32}; a lone number is alpha. After arXiv
    2504.20131 (z + alpha times the marginal code length of each token, under a sliding window).
    LZSS codes a phrase as log2(distance) + log2(length) bits and a token by itself as log2 V, each
    with one bit that says which. Let l and d be the length and the distance of the nearest of the
    longest matches of the text's end (at most `buffer` tokens) within the window. With the one bit
    taken off everywhere, C(v) is the least of
        log2 V                        for any v: by itself log2 d1                       where v
        occurred, last at distance d1: a new phrase log2((l + 1) d2 / (l d)) - 1  where v followed
        such a longest match, last at distance d2: the
                                      phrase grows
    A token that the window lacks keeps its logit; one that prolongs a repetition loses at most
    alpha (log2 V + 1). The published implementations differ from each other in sign and in the last
    case; this one is from the definition. Matches may overlap the end of the text, as in LZ77.
    """
    given = settings(
        "lz_penalty", value, "strength", {"strength": 0.15, "window": 512, "buffer": 32}
    )
    strength = number("lz_penalty.strength", given["strength"], least=0)
    last = window("lz_penalty.window", given["window"])
    buffer = whole("lz_penalty.buffer", given["buffer"])

    def penalise(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        vocab_size = logits_BV.shape[1]
        bits_BV = _added_bits(recent(history_BT, last), buffer, vocab_size)
        return logits_BV + strength * (bits_BV - log2(vocab_size))

    return Stateless(penalise, reads_history=True)


def fsd(value: Any, setting: Setting) -> Filter:
    """(1 - alpha) p - alpha q of the k likeliest, in place of logits, for argmax.

    {k: 6, alpha: 0.6, n: 3, beta: 0.9}; a lone number is alpha. q is an n-gram model of the
    history, from contexts of n - 1 tokens down to none. An order in which v followed the context
    adds beta count / (total + 1), the last one count / total, times the share that the orders
    before left; each of those leaves 1 - beta. arXiv 2305.12675 and its authors' code (k 3 to 6,
    alpha 0.4 to 0.6).
    """
    given = settings("fsd", value, "alpha", {"k": 6, "alpha": 0.6, "n": 3, "beta": 0.9})
    k = whole("fsd.k", given["k"])
    n = whole("fsd.n", given["n"])
    alpha = number("fsd.alpha", given["alpha"], least=0, most=1)
    beta = number("fsd.beta", given["beta"], least=0, most=1)

    def score(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        found = matches(history_BT, n - 1, logits_BV.shape[1])
        q_BV = torch.zeros_like(logits_BV)
        share_BV = torch.ones_like(logits_BV)
        for context in range(n - 1, 0, -1):
            counts_BV = found.count(found.length_M >= context)
            q_BV += share_BV * beta * counts_BV / (counts_BV.sum(-1, keepdim=True) + 1)
            share_BV = torch.where(counts_BV > 0, share_BV * (1 - beta), share_BV)
        q_BV += share_BV * counts(history_BT, logits_BV.shape[1]) / max(history_BT.shape[1], 1)
        scores_BV = (1 - alpha) * probabilities(logits_BV) - alpha * q_BV
        return keep(scores_BV, largest(logits_BV, k) & (logits_BV > -inf))

    return Stateless(score, reads_history=True)


def _subtracting(name: str, value: Any, weigh: Callable[[Tensor], Tensor]) -> Filter:
    given = settings(name, value, "value", {"value": REQUIRED, "window": None})
    strength = number(f"{name}.value", given["value"])
    last = window(f"{name}.window", given["window"])

    def penalise(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        return logits_BV - strength * weigh(counts(recent(history_BT, last), logits_BV.shape[1]))

    return Stateless(penalise, reads_history=True)


def _ids(name: str, tokens: Any, setting: Setting) -> list[int]:
    """Ids of the tokens that the vocabulary has."""
    if not isinstance(tokens, list | tuple) or not all(isinstance(token, str) for token in tokens):
        raise ValueError(f"{name} must be a list of tokens, got {tokens!r}")
    index = setting.vocab.by_spelling
    return sorted({index[token] for token in tokens if token in index})


def _unbroken(text_BT: Tensor, breakers: list[int], vocab_size: int) -> Tensor:
    """How many tokens follow each row's last breaker, as B."""
    places_BV = last_places(text_BT, vocab_size)
    place_B = torch.zeros_like(places_BV[:, 0])
    for column in breakers:
        place_B = torch.maximum(place_B, places_BV[:, column])
    return text_BT.shape[1] - place_B


def _added_bits(text_BT: Tensor, buffer: int, vocab_size: int) -> Tensor:
    """C_BV of lz_penalty."""
    size = text_BT.shape[1]
    literal = log2(vocab_size)
    last_BV = last_places(text_BT, vocab_size)
    phrase_BV = (size + 1 - last_BV).double().log2()
    found = matches(text_BT, buffer, vocab_size)
    longest_B1 = found.most(found.length_M).amax(-1, keepdim=True)
    grown_BV = found.most(found.place_M.where(found.length_M == longest_B1[found.row_M, 0], 0))
    distance_BV = (size + 1 - grown_BV).double()
    ratio_BV = (longest_B1 + 1) * distance_BV / (longest_B1 * distance_BV.amin(-1, keepdim=True))
    new_BV = phrase_BV.where(last_BV > 0, literal)
    longer_BV = (ratio_BV.log2() - 1).where(grown_BV > 0, literal)
    return torch.minimum(new_BV, longer_BV).clamp(max=literal)
