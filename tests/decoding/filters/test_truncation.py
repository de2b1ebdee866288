"""Filters that remove tokens by their logits alone: hand-made cases, other libraries."""

from math import inf
from types import ModuleType
from typing import Any

import pytest
import torch

from decoding.filters.hostile import (
    NO_HISTORY,
    build,
    hostile_logits,
    kept,
    kept_of,
    probabilities,
)
from recurrence import params
from recurrence.decoding.filters.contract import Setting
from recurrence.decoding.filters.registry import FILTERS
from recurrence.vocab import Vocab

#   B = rows, V = vocabulary, T = tokens so far


@pytest.mark.parametrize(
    ("k", "logits", "ids"),
    [
        (1, [2.0, 5.0, 5.0, 5.0], [1]),  # ties go to the lowest id
        (2, [2.0, 5.0, 5.0, 5.0], [1, 2]),
        (3, [7.0, 5.0, 5.0, 5.0], [0, 1, 2]),
        (2, [0.0, 0.0, 0.0, 0.0], [0, 1]),
        (3, [-inf, 4.0, -inf, 1.0], [1, 3]),
        (9, [1.0, 2.0, 3.0], [0, 1, 2]),
    ],
)
def test_top_k_keeps_exactly_k(k: int, logits: list[float], ids: list[int]) -> None:
    assert kept(build("top_k", k), logits) == ids


@pytest.mark.parametrize(
    ("p", "logits", "ids"),
    [
        (0.3, [0.0, 0.0, 0.0, 0.0], [0, 1]),  # ties go to the lowest id
        (0.01, [1.0, 3.0, 3.0], [1]),  # at least one
        (1, [0.0, -50.0, 20.0, -inf], [0, 1, 2]),
        (0.999999, [0.0, -50.0, 20.0, -inf], [2]),
    ],
)
def test_top_p_keeps_the_smallest_nucleus(p: float, logits: list[float], ids: list[int]) -> None:
    assert kept(build("top_p", p), logits) == ids


def test_top_p_reaches_its_mass_with_nothing_to_spare() -> None:
    logits_BV = hostile_logits(60)
    out_BV = build("top_p", 0.8)(logits_BV, NO_HISTORY)
    for p_V, left_V in zip(logits_BV.softmax(-1), out_BV.isfinite(), strict=True):
        mass = p_V[left_V].sum()
        assert mass >= 0.8 - 1e-12
        assert mass - p_V[left_V].min() < 0.8
        assert p_V[left_V].min() >= p_V[~left_V].max()


def test_typical_prefers_the_expected_surprise() -> None:
    assert kept_of("typical", 0.5, [0.4, 0.2, 0.2, 0.2]) == [
        1,
        2,
        3,
    ]  # H = 1.33 nats, -ln 0.2 = 1.61, -ln 0.4 = 0.92
    assert kept_of("typical", 0.3, [0.4, 0.2, 0.2, 0.2]) == [1, 2]  # ties go to the lowest id


def test_epsilon_and_eta_cut_at_their_bar() -> None:
    p = [0.6, 0.3, 0.06, 0.04]  # H = 0.9648 nats
    assert kept_of("epsilon", 0.05, p) == [0, 1, 2]
    assert kept_of("epsilon", 0.9, p) == [0]
    assert kept_of("eta", 0.05, p) == [0, 1, 2]  # sqrt(0.05) e^-H = 0.0852 is above 0.05
    assert kept_of("eta", 0.5, p) == [0, 1]  # sqrt(0.5) e^-H = 0.2695
    assert kept_of("eta", 0.05, [0.04] * 25) == list(range(25))  # sqrt(0.05) / 25 = 0.0089
    assert kept_of("epsilon", 0.05, [0.04] * 25) == list(
        range(25)
    )  # none reaches it, all are the likeliest


def test_top_n_sigma_measures_the_logits_that_are_left() -> None:
    assert kept(build("top_n_sigma", 1), [3.0, 1.0, -1.0, -inf]) == [
        0
    ]  # sigma 1.63, -inf does not count
    assert kept(build("top_n_sigma", 1.3), [3.0, 1.0, -1.0, -inf]) == [0, 1]
    assert kept(build("top_n_sigma", 1), [2.0, 2.0, 2.0]) == [0, 1, 2]


def test_top_h_spends_a_share_of_the_entropy_of_the_hundred_likeliest() -> None:
    p = [0.5, 0.25, 0.125, 0.125]  # in bits: 0.5 + 0.5 + 0.375 + 0.375 = 1.75
    assert kept_of("top_h", 0.57, p) == [0]
    assert kept_of("top_h", 0.58, p) == [0, 1]
    assert kept_of("top_h", 0.1, p) == [0]
    assert kept_of("top_h", 1, p) == [0, 1, 2, 3]
    assert kept_of("top_h", 1, [1 / 150] * 150) == list(range(100))


def test_p_less_keeps_what_beats_a_coincidence() -> None:
    assert kept_of("p_less", True, [0.5, 0.38, 0.12]) == [0]  # 0.25 + 0.1444 + 0.0144 = 0.4088
    for size in range(1, 200):  # rounding must not tell equals apart
        assert kept_of("p_less", True, [1 / size] * size) == list(range(size))


def test_consistent_keeps_eos_beside_its_own_choice() -> None:
    assert kept(build("consistent_top_k", 2), [0.0, 5.0, 6.0, 7.0]) == [0, 2, 3]
    assert kept(build("consistent_top_k", 2), [-inf, 5.0, 6.0, 7.0]) == [2, 3]
    assert kept(build("consistent_top_p", 0.5), [0.0, 5.0, 6.0, 7.0]) == [0, 3]
    without = Setting(Vocab(("a", "b", "c", "d"), (), params.Tokens(unit="char")))
    assert kept(FILTERS["consistent_top_k"](2, without), [0.0, 5.0, 6.0, 7.0]) == [2, 3]


FOUR = [0.1, 0.2, 0.3, 0.4]


@pytest.mark.parametrize(
    ("name", "value", "p", "left"),
    [  # the vectors of llama.cpp's tests/test-sampling.cpp, and of its pull request for p-less
        ("temperature", 1, FOUR, [0.4, 0.3, 0.2, 0.1]),
        ("dynamic_temperature", 0, FOUR, [0.4, 0.3, 0.2, 0.1]),
        ("top_k", 1, FOUR, [1.0]),
        ("top_k", 3, FOUR, [0.44444, 0.33333, 0.22222]),
        ("top_k", 4, FOUR, [0.4, 0.3, 0.2, 0.1]),
        ("top_p", 0.01, FOUR, [1.0]),
        ("top_p", 0.7, FOUR, [0.571429, 0.428571]),
        ("top_p", 0.8, FOUR, [0.44444, 0.33333, 0.22222]),
        ("top_p", 1, FOUR, [0.4, 0.3, 0.2, 0.1]),
        ("min_p", 0, FOUR, [0.4, 0.3, 0.2, 0.1]),
        ("min_p", 0.24, FOUR, [0.4, 0.3, 0.2, 0.1]),
        ("min_p", 0.26, FOUR, [0.4 / 0.9, 0.3 / 0.9, 0.2 / 0.9]),
        ("min_p", 0.49, FOUR, [0.4 / 0.9, 0.3 / 0.9, 0.2 / 0.9]),
        ("min_p", 0.51, FOUR, [0.4 / 0.7, 0.3 / 0.7]),
        ("min_p", 0.74, FOUR, [0.4 / 0.7, 0.3 / 0.7]),
        ("min_p", 0.76, FOUR, [1.0]),
        ("min_p", 1, FOUR, [1.0]),
        (
            "typical",
            0.5,
            [0.97, 0.01, 0.01, 0.01],
            [1.0],
        ),  # theirs says 0.97, as it renormalises later
        ("typical", 0.5, [0.4, 0.2, 0.2, 0.2], [1 / 3, 1 / 3, 1 / 3]),
        ("top_n_sigma", 1, FOUR, [0.571429, 0.428571]),
        ("top_n_sigma", 0, FOUR, [0.4, 0.3, 0.2, 0.1]),
        ("top_n_sigma", 3, FOUR, [0.4, 0.3, 0.2, 0.1]),
        ("p_less", True, [0.1, 0.15, 0.2, 0.25, 0.3], [0.5455, 0.4545]),
    ],
)
def test_agrees_with_published_vectors(
    name: str, value: Any, p: list[float], left: list[float]
) -> None:
    assert probabilities(build(name, value), p) == pytest.approx(
        left, abs=5e-5 if name == "p_less" else 1e-5
    )


@pytest.fixture(scope="module")
def warpers() -> ModuleType:
    return pytest.importorskip("transformers.generation.logits_process")


HOSTILE = [hostile_logits(size, seed) for size in (2, 3, 5, 17, 60) for seed in range(4)]


class TestAgainstTransformers:
    """The same numbers as another library's warpers.

    Theirs keep every tie at the edge of top-k and of typical, and any one of them in top-p and
    top-h, where ours keep the lowest ids; so those are compared by what the tokens are worth, or by
    what they keep beyond ours.
    """

    @pytest.mark.parametrize("value", [0.1, 0.7, 1.0, 3.0])
    def test_temperature(self, warpers: ModuleType, value: float) -> None:
        for logits_BV in HOSTILE:
            theirs_BV = warpers.TemperatureLogitsWarper(value)(None, logits_BV.clone())
            ours_BV = build("temperature", value)(logits_BV, NO_HISTORY)
            assert torch.allclose(ours_BV.softmax(-1), theirs_BV.softmax(-1))

    @pytest.mark.parametrize("value", [1, 2, 5, 59, 60])
    def test_top_k(self, warpers: ModuleType, value: int) -> None:
        for logits_BV in HOSTILE:
            ours_BV = build("top_k", value)(logits_BV, NO_HISTORY)
            theirs_BV = warpers.TopKLogitsWarper(value)(None, logits_BV.clone())
            assert torch.equal(
                ours_BV.isfinite().sum(-1), logits_BV.isfinite().sum(-1).clamp(max=value)
            )
            edge_B1 = ours_BV.masked_fill(ours_BV == -inf, inf).amin(-1, keepdim=True)
            extra_BV = theirs_BV.isfinite() & ~ours_BV.isfinite()
            assert torch.equal(theirs_BV.masked_fill(extra_BV, -inf), ours_BV)
            assert (theirs_BV == edge_B1)[extra_BV].all()

    @pytest.mark.parametrize("value", [0.1037, 0.5171, 0.8943, 0.9907])
    def test_typical(self, warpers: ModuleType, value: float) -> None:
        for logits_BV in HOSTILE:
            ours_BV = build("typical", value)(logits_BV, NO_HISTORY)
            theirs_BV = warpers.TypicalLogitsWarper(value)(None, logits_BV.clone())
            ln_p_BV = logits_BV.log_softmax(-1)
            gap_BV = (-ln_p_BV + (ln_p_BV * ln_p_BV.exp()).nansum(-1, keepdim=True)).abs()
            edge_B1 = gap_BV.where(ours_BV.isfinite(), -inf).amax(-1, keepdim=True)
            extra_BV = theirs_BV.isfinite() & ~ours_BV.isfinite()
            assert torch.equal(theirs_BV.masked_fill(extra_BV, -inf), ours_BV)
            assert torch.allclose(gap_BV[extra_BV], edge_B1.expand_as(gap_BV)[extra_BV], rtol=1e-12)

    @pytest.mark.parametrize(
        ("name", "warper", "value"),
        [("top_p", "TopPLogitsWarper", value) for value in (0.1037, 0.5171, 0.8943, 0.9907)]
        + [("top_h", "TopHLogitsWarper", value) for value in (0.1037, 0.4171, 0.8943)],
    )
    def test_by_worth(self, warpers: ModuleType, name: str, warper: str, value: float) -> None:
        for logits_BV in [*HOSTILE, hostile_logits(150)]:
            theirs_BV = getattr(warpers, warper)(value)(None, logits_BV.clone()).softmax(-1)
            ours_BV = build(name, value)(logits_BV, NO_HISTORY).softmax(-1)
            assert torch.allclose(
                ours_BV.sort(-1).values, theirs_BV.sort(-1).values, rtol=1e-12, atol=0
            )

    @pytest.mark.parametrize(
        ("name", "warper", "value"),
        [("min_p", "MinPLogitsWarper", value) for value in (0.0, 0.0512, 0.3, 1.0)]
        + [("epsilon", "EpsilonLogitsWarper", value) for value in (3e-4, 0.0312, 0.4)]
        + [("eta", "EtaLogitsWarper", value) for value in (3e-4, 0.0312, 0.4)],
    )
    def test_exactly(self, warpers: ModuleType, name: str, warper: str, value: float) -> None:
        for logits_BV in HOSTILE:
            theirs_BV = getattr(warpers, warper)(value)(None, logits_BV.clone())
            ours_BV = build(name, value)(logits_BV, NO_HISTORY)
            assert torch.equal(ours_BV.softmax(-1), theirs_BV.softmax(-1))
