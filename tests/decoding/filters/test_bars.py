"""Filters at their bar: distributions of exact fractions, where it is known what stays."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import inf, log, log2, sqrt
from typing import Any

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor, nn

from recurrence import params
from recurrence.decoding.filters.contract import Setting
from recurrence.decoding.filters.logits import ROUNDING, rank, reaches
from recurrence.decoding.filters.registry import FILTERS
from recurrence.vocab import Vocab

#   B = rows, V = vocabulary, T = tokens

Exact = Sequence[Fraction]
Edge = tuple[Any, set[int]]
"""A filter's value, set so that a token stands exactly at the bar, and the tokens that stay."""


class Even(nn.Module):
    """An amateur to whom all tokens are alike."""

    context = None

    def __init__(self, size: int) -> None:
        super().__init__()
        self.vocab_size = size

    def initial_state(self, lanes: int) -> tuple[Tensor, ...]:
        return ()

    def forward(
        self, ids_BT: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        return torch.zeros(*ids_BT.shape, self.vocab_size, dtype=torch.float64), state


def kept(name: str, value: Any, logits: Sequence[float]) -> set[int]:
    """The tokens that a filter leaves in its first step, a coin of which shows heads."""
    tokens = ("<eos>", *(chr(ord("a") + i) for i in range(len(logits) - 1)))
    amateur: Any = Even(len(logits))
    setting = Setting(Vocab(tokens, (), params.Tokens(unit="char")), amateur=amateur)
    narrow = FILTERS[name](value, setting).start(torch.zeros(1, 1).double())
    out_BV = narrow(torch.tensor([logits], dtype=torch.float64), torch.zeros(1, 1).long())
    return {i for i, z in enumerate(out_BV[0].tolist()) if z > -inf}


# ---- what stays on paper


def least(p: Exact, bar: Fraction) -> set[int]:
    """What has at least that probability, and the likeliest."""
    return {i for i, each in enumerate(p) if each >= bar or each == max(p)}


def prefix(p: Exact, order: Sequence[int], mass: Fraction) -> set[int]:
    """The first of an order that have the mass together."""
    return {i for n, i in enumerate(order) if sum(p[j] for j in order[:n]) < mass}


def falling(p: Exact) -> list[int]:
    return sorted(range(len(p)), key=lambda i: (-p[i], i))


def nucleus(p: Exact, token: int) -> tuple[Fraction, set[int]]:
    order = falling(p)
    mass = sum((p[i] for i in order[: token + 1]), Fraction())
    return mass, prefix(p, order, mass)


def top_p(p: Exact, token: int) -> Edge:
    mass, stay = nucleus(p, token)
    return float(mass), stay


def consistent_top_p(p: Exact, token: int) -> Edge:
    mass, stay = nucleus(p, token)
    return float(mass), stay | {0}


def min_p(p: Exact, token: int) -> Edge:
    return float(p[token] / max(p)), least(p, p[token])


def epsilon(p: Exact, token: int) -> Edge:
    return float(p[token]), least(p, p[token])


def p_less(p: Exact, token: int) -> Edge:
    return True, least(p, sum((each * each for each in p), Fraction()))


def xtc(p: Exact, token: int) -> Edge:
    high = {i for i, each in enumerate(p) if each >= p[token]}
    spared = min(high, key=lambda i: (p[i], i))
    value = {"probability": 1, "threshold": float(p[token])}
    return value, set(range(len(p))) - high | {spared}


def mirostat_v2(p: Exact, token: int) -> Edge:
    return -log2(p[token]) / 2, least(p, p[token])  # mu begins at 2 tau


def contrastive_decoding(p: Exact, token: int) -> Edge:
    return min_p(p, token)


EDGES: dict[str, Callable[[Exact, int], Edge]] = {
    each.__name__: each
    for each in (
        top_p,
        consistent_top_p,
        min_p,
        epsilon,
        p_less,
        xtc,
        mirostat_v2,
        contrastive_decoding,
    )
}


@pytest.mark.parametrize("name", EDGES)
@given(
    counts=st.lists(st.integers(1, 12), min_size=2, max_size=9),
    token=st.integers(0, 8),
    shift=st.sampled_from([0.0, 5.0, -30.0]),
)
@example(counts=[5, 3, 1, 1], token=1, shift=0.0)  # .5 and .3 make .8
@example(counts=[6, 5, 3], token=0, shift=0.0)  # sum p^2 is exactly 5 / 14
def test_a_token_at_the_bar_is_on_it(
    name: str, counts: list[int], token: int, shift: float
) -> None:
    p = [Fraction(each, sum(counts)) for each in counts]
    value, stay = EDGES[name](p, token % len(p))
    assert kept(name, value, [log(each) + shift for each in p]) == stay


# ---- filters that measure the entropy: powers of a half, so that it is a fraction of bits


def halved(splits: Sequence[int]) -> list[int]:
    """Surprises in bits, of probabilities that are powers of a half and sum to 1."""
    bits = [0]
    for at in splits:
        half = bits.pop(at % len(bits)) + 1
        bits += [half, half]
    return bits


def entropy_bits(bits: Sequence[int]) -> Fraction:
    return sum((Fraction(b, 2**b) for b in bits), Fraction())


def eta(bits: Sequence[int], token: int) -> Edge:
    entropy = entropy_bits(bits)
    exponent = max(Fraction(), 2 * (bits[token] - entropy))  # epsilon is a half to the power of it
    bar = max(exponent, exponent / 2 + entropy)
    stay = {i for i, b in enumerate(bits) if b <= bar or b == min(bits)}
    return 0.5 ** float(exponent), stay


def top_h(bits: Sequence[int], token: int) -> Edge:
    order = sorted(range(len(bits)), key=lambda i: (bits[i], i))
    spent = [entropy_bits([bits[i] for i in order[: n + 1]]) for n in range(len(order))]
    budget = spent[token]
    stay = {i for n, i in enumerate(order) if n == 0 or spent[n] <= budget}
    return float(budget / spent[-1]), stay


def typical(bits: Sequence[int], token: int) -> Edge:
    p = [Fraction(1, 2**b) for b in bits]
    entropy = entropy_bits(bits)
    order = sorted(range(len(bits)), key=lambda i: (abs(bits[i] - entropy), i))
    mass = sum((p[i] for i in order[: token + 1]), Fraction())
    return float(mass), prefix(p, order, mass)


@pytest.mark.parametrize("edge", [eta, top_h, typical])
@given(
    splits=st.lists(st.integers(0, 7), min_size=1, max_size=8),
    token=st.integers(0, 8),
    shift=st.sampled_from([0.0, 5.0, -30.0]),
)
def test_a_token_at_a_bar_of_entropy_is_on_it(
    edge: Callable[[Sequence[int], int], Edge], splits: list[int], token: int, shift: float
) -> None:
    bits = halved(splits)
    value, stay = edge(bits, token % len(bits))
    assert kept(edge.__name__, value, [-b * log(2) + shift for b in bits]) == stay


@given(tenths=st.lists(st.integers(-60, 60), min_size=2, max_size=9), token=st.integers(0, 8))
def test_a_logit_n_sigma_below_the_largest_is_kept(tenths: list[int], token: int) -> None:
    mean = Fraction(sum(tenths), len(tenths))
    variance = sum((each - mean) ** 2 for each in tenths) / len(tenths)
    bar = tenths[token % len(tenths)]
    spread = (max(tenths) - bar) / sqrt(variance) if variance else 1.0
    stay = {i for i, each in enumerate(tenths) if each >= bar}
    expected = stay if spread else set(range(len(tenths)))  # 0 is off
    assert kept("top_n_sigma", spread, [each / 10 for each in tenths]) == expected


def test_every_filter_with_a_bar_is_tried() -> None:
    """The others divide, penalise, count tokens, or have a bar at which no fraction can stand."""
    tried = {*EDGES, "eta", "top_h", "typical", "top_n_sigma"}
    without = {"temperature", "dynamic_temperature", "top_k", "consistent_top_k"}
    penalties = {
        "repetition_penalty",
        "frequency_penalty",
        "presence_penalty",
        "no_repeat_ngram",
        "dry",
        "lz_penalty",
        "fsd",
    }
    others = {"mirostat_v1", "adaptive_p", "look_back"}
    assert FILTERS.keys() - tried == without | penalties | others


def test_the_tolerance_is_some_roundings_and_no_more() -> None:
    bar = torch.tensor([0.1, 0.8, 3.0], dtype=torch.float64)
    assert reaches(bar * (1 - 4000 * 2.0**-53), bar).all()
    assert not reaches(bar * (1 - 2 * ROUNDING), bar).any()
    assert not reaches(torch.tensor([1.0, -inf]), inf).any()


def test_ranks_are_shared_by_what_roundings_part() -> None:
    nats_BV = torch.tensor([[0.3, inf, 0.1 + 0.2, 0.1, inf, 0.3 + 1e-9]], dtype=torch.float64)
    assert rank(nats_BV).tolist() == [[1, 3, 1, 0, 3, 2]]
