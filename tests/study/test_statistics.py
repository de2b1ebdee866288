"""Intervals, tests and survival by hand, and against scipy where it is installed."""

from itertools import product
from math import comb, isnan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from recurrence.study import statistics
from recurrence.study.statistics import (
    holm,
    kaplan_meier,
    mean_interval,
    rate_interval,
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


def test_zero_loops_need_381_pairs_for_one_percent_and_125_for_three() -> None:
    """z^2 / (n + z^2) at most b where n is at least z^2 (1 - b) / b: 380.3 and 124.2."""
    for pairs, bound in ((381, 0.01), (125, 0.03)):
        assert rate_interval([0] * pairs, [0] * pairs, range(pairs))[1] <= bound
        assert rate_interval([0] * (pairs - 1), [0] * (pairs - 1), range(pairs - 1))[1] > bound


def test_where_all_agree_it_is_wilsons_of_the_pairs() -> None:
    """Two nets, three prompts, two samples of each: twelve samples, six pairs."""
    nets, prompts = [0] * 6 + [1] * 6, [0, 0, 1, 1, 2, 2] * 2
    assert rate_interval([False] * 12, nets, prompts) == wilson(0, 6)
    assert rate_interval([True] * 12, nets, prompts) == wilson(6, 6)
    assert rate_interval([], [], []) == (0, 1)


def test_of_one_net_with_a_sample_per_prompt_it_is_wilsons() -> None:
    assert rate_interval([1, 0, 0, 1], [0] * 4, range(4)) == wilson(2, 4)


def test_a_rate_over_two_nets_by_hand() -> None:
    """Nets of 4 prompts with 3 and 1 hits: rate 1/2. Between: 2 * (1^2 + 1^2) / 8^2 = 1/16. Within
    a net 4/3 * (3 * (1/4)^2 + (3/4)^2) = 1, so 2 / 64 = 1/32. Together 3/32; an effective number of
    (1/4) / (3/32) = 8/3. Degrees of freedom: (3/32)^2 / ((1/16)^2 / 1 + (1/32)^2 / 6) = 9 / (4 +
    1/6) = 2.16.
    """
    found = rate_interval([1, 1, 1, 0, 1, 0, 0, 0], [0] * 4 + [1] * 4, [0, 1, 2, 3] * 2)
    t = float(special.stdtrit(2.16, 0.975))
    assert found == pytest.approx(wilson(4 / 3, 8 / 3, t), abs=1e-12)
    mean = mean_interval([1, 1, 1, 0, 1, 0, 0, 0], [0] * 4 + [1] * 4, [0, 1, 2, 3] * 2)
    half = t * sqrt(3 / 32)
    assert mean == pytest.approx((0.5 - half, 0.5 + half), abs=1e-12)


def test_samples_of_a_prompt_count_together() -> None:
    """Ten prompts of 20 samples that agree are no more than ten samples."""
    hits, prompts = np.repeat([0, 1] * 5, 20), np.repeat(np.arange(10), 20).tolist()
    low, high = rate_interval(hits, [0] * 200, prompts)
    assert high - low > wilson(5, 10)[1] - wilson(5, 10)[0] - 0.02
    apart = rate_interval(hits, [0] * 200, range(200))
    assert apart == wilson(100, 200)


def test_a_mean_of_one_net_is_students_and_of_one_sample_unknown() -> None:
    """1, 2, 3: 2 +- t(2) * 1 / sqrt(3) = 2 +- 4.3027 * 0.57735."""
    assert mean_interval([1, 2, 3], [0] * 3, range(3)) == pytest.approx((-0.4841, 4.4841), abs=1e-4)
    assert all(isnan(end) for end in mean_interval([5.0], [0], [0]))
    assert all(isnan(end) for end in mean_interval([], [], []))
    assert mean_interval([2, 2], [0, 0], [0, 1]) == (2, 2)


def coverage(nets: int, prompts: int, mean: float, icc: float, trials: int = 400) -> float:
    """How often the interval holds the rate, over nets whose rates have a beta distribution."""
    rng = np.random.default_rng([nets, prompts, round(100 * mean), round(100 * icc)])
    net_of, prompt_of = np.divmod(np.arange(nets * prompts), prompts)
    held = 0
    for _ in range(trials):
        size = 1 / icc - 1
        own = rng.beta(mean * size, (1 - mean) * size, nets)
        hits = rng.random(nets * prompts) < own[net_of]
        low, high = rate_interval(hits, net_of.tolist(), prompt_of.tolist())
        held += low <= mean <= high
    return held / trials


@pytest.mark.parametrize("nets", [3, 5])
@pytest.mark.parametrize(("mean", "icc"), [(0.02, 0.05), (0.1, 0.05), (0.3, 0.2), (0.5, 0.1)])
def test_intervals_hold_the_rate_of_the_nets_there_might_be(
    nets: int, mean: float, icc: float
) -> None:
    """0.3 with 0.2: nets as far apart as 8 and 50 %. At least 93 %; 400 trials may fall short by 2
    points.
    """
    assert coverage(nets, 8, mean, icc) >= 0.91


def test_nets_that_are_far_apart_widen_the_interval() -> None:
    prompts = list(range(12)) * 3
    nets = [net for net in range(3) for _ in range(12)]
    alike = rate_interval(([1] * 4 + [0] * 8) * 3, nets, prompts)
    apart = rate_interval([1] * 11 + [0] * 25 + [], nets, prompts)
    assert apart[1] - apart[0] > 1.5 * (alike[1] - alike[0])


# ---------------------------------------------------------------- tests


def test_sign_flip_by_hand() -> None:
    """1, 1, 2: the eight sums are +-4 (2), +-2 (4), 0 (2). As far as 4: 2 of 8; as far as 2: 6 of
    8; 0: all.
    """
    assert sign_flip([1, 1, 2]) == 2 / 8
    assert sign_flip([-1, 1, 2]) == 6 / 8
    assert sign_flip([-1, -1, 2]) == 1
    assert sign_flip([0, 0]) == sign_flip([]) == 1
    assert sign_flip([0.5, 0, 0.5, -0.5]) == 1  # sums 1.5 (2 of 8) and 0.5 (6 of 8)


@pytest.mark.parametrize(("wins", "losses"), [(5, 0), (7, 2), (3, 3), (10, 1), (150, 110)])
def test_with_one_sample_per_prompt_it_is_mcnemars_exact_test(wins: int, losses: int) -> None:
    """Of n pairs that differ, as many as the fewer or less go one way by chance: twice the binomial
    tail at 1/2.
    """
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
    """Six at risk at 3: one event, 5/6. At 5 one is censored with an event: five at risk, 5/6 * 4/5
    = 4/6. At 8, three are left, two events: 4/6 * 1/3 = 2/9. The last is censored at 10.
    """
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
