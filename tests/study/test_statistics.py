"""Intervals, tests and survival by hand, and against scipy where it is installed."""

from itertools import product
from math import comb, isnan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurrence.study import statistics
from recurrence.study.statistics import (
    cluster_bootstrap,
    holm,
    kaplan_meier,
    restricted_mean,
    sign_flip,
    wilson,
)

# ---------------------------------------------------------------- intervals


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    [
        (5, 10, 0.2366, 0.7634),
        (0, 10, 0, 0.2775),
        (10, 10, 0.7225, 1),
        (32, 32, 0.8928, 1),
        (0, 0, 0, 1),
    ],
)
def test_wilson_interval(hits: int, total: int, low: float, high: float) -> None:
    """0 of n: z^2 / (n + z^2), with z^2 = 3.8415."""
    assert wilson(hits, total) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("hits", "total"), [(0, 7), (3, 7), (7, 7), (41, 200)])
def test_wilson_as_scipy_has_it(hits: int, total: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    interval = stats.binomtest(hits, total).proportion_ci(method="wilson")
    assert wilson(hits, total) == pytest.approx((interval.low, interval.high), abs=1e-12)


def test_the_bootstrap_takes_whole_clusters() -> None:
    """Ten clusters of 20 alike: ten values, however many samples; a mean of 0.5 +- 1.96 * 0.5 / sqrt(10) = 0.31."""
    values, clusters = np.repeat([0, 1] * 5, 20), np.repeat(np.arange(10), 20)
    low, high = cluster_bootstrap(values, clusters.tolist())
    assert (low, high) == pytest.approx((0.2, 0.8), abs=1e-12), (
        "tenths: the percentiles of a binomial of ten"
    )
    alone = cluster_bootstrap(values, range(200))
    assert alone == pytest.approx(
        (0.5 - 1.96 * 0.5 / sqrt(200), 0.5 + 1.96 * 0.5 / sqrt(200)), abs=0.011
    )


def test_the_bootstrap_of_one_cluster_of_equals_and_of_nothing() -> None:
    assert cluster_bootstrap([1, 2, 3], ["a"] * 3) == (2, 2)
    assert cluster_bootstrap([4, 4, 4], ["a", "b", "c"]) == (4, 4)
    assert all(isnan(end) for end in cluster_bootstrap([], []))
    assert cluster_bootstrap([0, 1, 1, 5], "abca") == cluster_bootstrap([0, 1, 1, 5], "abca"), (
        "the same every time"
    )


def test_large_clusters_weigh_more() -> None:
    """One cluster of three zeros, one of a single one: means of the four equally likely resamples 0, 1/4, 1/4, 1."""
    low, high = cluster_bootstrap([0, 0, 0, 1], "aaab", resamples=4000)
    assert (low, high) == (0, 1)
    assert cluster_bootstrap([0, 0, 0, 1], "aaab", resamples=1)[0] in (0, 0.25, 1)


# ---------------------------------------------------------------- tests


def test_sign_flip_by_hand() -> None:
    """1, 1, 2: the eight sums are +-4 (2), +-2 (4), 0 (2). As far as 4: 2 of 8; as far as 2: 6 of 8; 0: all."""
    assert sign_flip([1, 1, 2]) == 2 / 8
    assert sign_flip([-1, 1, 2]) == 6 / 8
    assert sign_flip([-1, -1, 2]) == 1
    assert sign_flip([0, 0]) == sign_flip([]) == 1
    assert sign_flip([0.5, 0, 0.5, -0.5]) == 1  # sums 1.5 (2 of 8) and 0.5 (6 of 8)


@pytest.mark.parametrize(("wins", "losses"), [(5, 0), (7, 2), (3, 3), (10, 1), (150, 110)])
def test_with_one_sample_per_prompt_it_is_mcnemars_exact_test(wins: int, losses: int) -> None:
    """Of n pairs that differ, as many as the fewer or less go one way by chance: twice the binomial tail at 1/2."""
    pairs = wins + losses
    tail = sum(comb(pairs, k) for k in range(min(wins, losses) + 1)) / 2**pairs
    assert sign_flip([1] * wins + [0] * 9 + [-1] * losses) == pytest.approx(min(2 * tail, 1))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.fractions(-1, 1, max_denominator=15).map(float), max_size=8))
def test_sign_flip_counts_all_signs(differences: list[float]) -> None:
    goal = abs(sum(differences)) - 1e-9
    sums = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in product((-1, 1), repeat=len(differences))
    ]
    assert sign_flip(differences) == pytest.approx(np.mean([total >= goal for total in sums]))


def test_sign_flip_as_scipy_has_it() -> None:
    stats = pytest.importorskip("scipy.stats")
    differences = np.array([0.3, -0.1, 0.25, 0.8, -0.4, 0.35, 0.05, 0.6, -0.2])
    told = stats.permutation_test(
        (differences,), np.sum, permutation_type="samples", n_resamples=10_000
    )
    assert sign_flip(differences) == pytest.approx(told.pvalue)


def test_where_sums_are_too_many_chance_comes_near_the_truth(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    differences = np.random.default_rng(0).normal(0.3, 1, 14)
    exact = sign_flip(differences)
    monkeypatch.setattr(statistics, "_MOST_SUMS", 10)
    assert sign_flip(differences) == pytest.approx(exact, abs=0.01)
    assert sign_flip(differences) == sign_flip(differences)
    assert sign_flip(np.full(40, 0.1) + np.arange(40) / 1000) == 1 / 20_001, "never 0"


def test_holm_by_hand() -> None:
    """.01 * 4, .02 * 3, .03 * 2 = .06, .04 * 1 -> not below the one before: .06."""
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.5]) == [1.0, 1.0]
    assert holm([]) == []


# ---------------------------------------------------------------- survival


def test_kaplan_meier_by_hand() -> None:
    """Six at risk at 3: one event, 5/6. At 5 one is censored with an event: five at risk, 5/6 * 4/5 = 4/6. At 8, three
    are left, two events: 4/6 * 1/3 = 2/9. The last is censored at 10."""
    curve = kaplan_meier([3, 5, 5, 8, 8, 10], [True, True, False, True, True, False])
    assert [time for time, _ in curve] == [0, 3, 5, 8]
    assert [share for _, share in curve] == pytest.approx([1, 5 / 6, 4 / 6, 2 / 9])
    # area: 3 * 1 + 2 * 5/6 + 3 * 4/6 + 2 * 2/9
    assert restricted_mean(curve, 10) == pytest.approx(3 + 10 / 6 + 2 + 4 / 9)
    assert restricted_mean(curve, 4) == pytest.approx(3 + 5 / 6)


def test_without_censoring_it_is_the_share_left_and_the_mean() -> None:
    curve = kaplan_meier([2, 4, 4, 6], [True] * 4)
    assert curve == [(0, 1), (2, 0.75), (4, 0.25), (6, 0)]
    assert restricted_mean(curve, 100) == 4


def test_what_has_the_event_from_the_start() -> None:
    assert kaplan_meier([0, 0, 9, 9], [True, True, False, False]) == [(0, 0.5)]
    assert restricted_mean([(0, 0.5)], 9) == 4.5


def test_nothing_happened_or_nobody_was_there() -> None:
    assert kaplan_meier([7, 7], [False, False]) == kaplan_meier([], []) == [(0, 1)]
    assert restricted_mean([(0, 1)], 7) == 7


def test_survival_as_scipy_has_it() -> None:
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    times, seen = rng.integers(1, 30, 60), rng.random(60) < 0.7
    told = stats.ecdf(stats.CensoredData(times[seen], right=times[~seen])).sf
    curve = kaplan_meier(times, seen)
    assert [share for _, share in curve] == pytest.approx(
        told.evaluate([time for time, _ in curve])
    )
