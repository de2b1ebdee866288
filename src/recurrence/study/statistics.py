"""How sure a rate, a difference or a time of onset is. The same numbers in, the same figures out.

Rates and means are statements over nets: each comes with the samples' nets and prompts. Wilson's
interval, Holm's correction and Student's t are those of statsmodels and scipy; neither library has
a sign-flip test that is exact for rates, or a curve of survival as light as the one here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan, sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, stdtrit
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

Floats = NDArray[np.float64]
Interval = tuple[float, float]
Curve = list[tuple[float, float]]
"""Times and the share still without the event from then on: a step at each."""

_SEED = 20
_GRID = 720_720
"""Differences are taken to the nearest multiple of 1 / this: exact for rates of up to 16 samples
per prompt.
"""
_MOST_SUMS = 1 << 17
"""So many different sums are told apart before chance takes over."""
_DRAWS = 20_000
_Z95 = 1.959963984540054


# ---------------------------------------------------------------- intervals


def wilson(hits: float, total: float, z: float = _Z95) -> Interval:
    """Wilson's interval for a rate, 95 % by default; of no trials: 0 to 1 (Wilson, JASA 22, 1927).

    Both numbers may be fractions: those of an effective sample size.
    """
    if not total:
        return 0.0, 1.0
    low, high = proportion_confint(hits, total, alpha=2 * ndtr(-z), method="wilson")
    return (float(low) if hits else 0.0), (float(high) if hits < total else 1.0)


def rate_interval(hits: ArrayLike, nets: Sequence[object], prompts: Sequence[object]) -> Interval:
    """95 % interval of a rate of samples, as a statement over nets and prompts.

    The variance is what a bootstrap over nets, then over the prompts of each, comes to, in closed
    form and with the small-sample factors m / (m - 1) that resampling lacks (Davison & Hinkley,
    Bootstrap Methods, 1997, section 3.8): of net totals around the rate, plus of prompts within
    nets. It gives an effective number of samples, and Wilson's interval of that with Student's t
    for z (Korn & Graubard, Survey Methodology 24, 1998; Dean & Pagano, JSSAM 3, 2015), its degrees
    of freedom by Satterthwaite. All samples of a prompt under a net count together. Where all hits
    are equal: Wilson's of the number of (net, prompt) pairs; where one net has one sample of each
    prompt: Wilson's.

    Simulated with 3 and 5 nets of 8 and 12 prompts, rates of 2, 10 and 50 % and nets that differ
    as much as between 8 and 50 %, it covers 95 to 98 % (a plain percentile bootstrap: 84 %). Where
    most nets never loop and a few nearly always do, no interval from so few nets can: of 3 nets at
    a rate of 10 % it came down to 75 %.
    """
    values = np.asarray(hits, float)
    spread = _spread(values, nets, prompts)
    if spread is None:
        return 0.0, 1.0
    rate, pairs = spread.mean, spread.pairs
    alone = spread.nets == 1 and pairs == len(values)
    if rate in (0.0, 1.0) or alone:
        return wilson(rate * pairs, pairs)
    variance = max(spread.variance, rate * (1 - rate) / pairs)
    effective = rate * (1 - rate) / variance
    return wilson(rate * effective, effective, float(stdtrit(spread.freedom, 0.975)))


def mean_interval(values: ArrayLike, nets: Sequence[object], prompts: Sequence[object]) -> Interval:
    """The same of a mean: Student's t with that variance. NaN where one pair tells of no spread."""
    spread = _spread(np.asarray(values, float), nets, prompts)
    if spread is None or spread.pairs < 2:
        return nan, nan
    half = float(stdtrit(spread.freedom, 0.975)) * sqrt(spread.variance)
    return spread.mean - half, spread.mean + half


@dataclass(frozen=True)
class _Spread:
    """A mean, the variance of it, and how many degrees of freedom that variance has."""

    mean: float
    variance: float
    freedom: float
    nets: int
    pairs: int


def _spread(values: Floats, nets: Sequence[object], prompts: Sequence[object]) -> _Spread | None:
    """None of no values."""
    if not len(values):
        return None
    pair_of, net_of_pair = _pairs(nets, prompts)
    mean, pairs = float(values.mean()), len(net_of_pair)
    sizes, sums = np.bincount(pair_of), np.bincount(pair_of, values)
    of_net = np.bincount(net_of_pair)  # pairs of each net
    net_sums, net_sizes = np.bincount(net_of_pair, sums), np.bincount(net_of_pair, sizes)
    within = sums - (net_sums / net_sizes)[net_of_pair] * sizes
    scale = of_net / np.maximum(of_net - 1, 1)
    inside = float((scale * np.bincount(net_of_pair, within**2)).sum()) / len(values) ** 2
    many = len(of_net)
    if many == 1:
        return _Spread(mean, inside, max(pairs - 1, 1), 1, pairs)
    off = net_sums - mean * net_sizes
    between = many / (many - 1) * float((off**2).sum()) / len(values) ** 2
    parts = between**2 / (many - 1) + (inside**2 / (pairs - many) if pairs > many else 0.0)
    freedom = (between + inside) ** 2 / parts if parts else pairs - 1.0
    return _Spread(mean, between + inside, freedom, many, pairs)


def _pairs(
    nets: Sequence[object], prompts: Sequence[object]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The number of each sample's (net, prompt) pair, and the number of each pair's net."""
    found: dict[tuple[object, object], int] = {}
    pair_of = [found.setdefault(pair, len(found)) for pair in zip(nets, prompts, strict=True)]
    number: dict[object, int] = {}
    net_of_pair = [number.setdefault(net, len(number)) for net, _ in found]
    return np.array(pair_of), np.array(net_of_pair)


# ---------------------------------------------------------------- tests


def sign_flip(differences: ArrayLike, seed: int = _SEED) -> float:
    """Two-sided p that differences of rates lie around 0: how often flipped signs take their sum as
    far from it.

    Exact while the sums that 2^n flips give are few enough to be told apart, as those of rates are:
    each is counted with its weight. Else from 20,000 draws, the given signs counted as one more.
    With differences of -1, 0 and 1, one sample per prompt, it is McNemar's exact test. 1 where all
    are 0.
    """
    steps = np.rint(np.asarray(differences, float) * _GRID).astype(np.int64)
    goal, steps = abs(int(steps.sum())), np.abs(steps[steps != 0])
    sums, weights = np.zeros(1, np.int64), np.ones(1)
    for step in steps.tolist():
        sums, place = np.unique(np.concatenate([sums - step, sums + step]), return_inverse=True)
        weights = np.bincount(place, np.concatenate([weights, weights]) / 2).astype(float)
        if len(sums) > _MOST_SUMS:
            return _drawn(steps, goal, seed)
    return min(float(weights[np.abs(sums) >= goal].sum()), 1.0)


def _drawn(steps: NDArray[np.int64], goal: int, seed: int) -> float:
    signs = np.random.default_rng(seed).integers(0, 2, (_DRAWS, len(steps)), np.int8) * 2 - 1
    return float((np.sum(np.abs(signs @ steps) >= goal) + 1) / (_DRAWS + 1))


def holm(p_values: Sequence[float]) -> list[float]:
    """p adjusted for as many tests, in their order (Holm, Scand. J. Statist. 6, 1979)."""
    if not p_values:
        return []
    adjusted: list[float] = multipletests(p_values, method="holm")[1].tolist()
    return adjusted


# ---------------------------------------------------------------- survival


def kaplan_meier(times: ArrayLike, observed: ArrayLike) -> Curve:
    """The share without the event over time, from time 0 on, a step at each event (Kaplan & Meier,
    JASA 53, 1958).

    `times`: when the event came, or, where `observed` is false, until when it had not come
    (censored: at the end of the text). What is censored at the time of an event was still at risk.
    """
    when, seen = np.asarray(times, float), np.asarray(observed, bool)
    share, curve = 1.0, [(0.0, 1.0)]
    for time in np.unique(when[seen]).tolist():
        share *= 1 - np.count_nonzero(seen & (when == time)) / np.count_nonzero(when >= time)
        curve.append((time, float(share)))
    return curve[1:] if len(curve) > 1 and curve[1][0] == 0 else curve


def restricted_mean(curve: Curve, until: float) -> float:
    """The mean time without the event when looked at until then: the area under the curve."""
    times = [time for time, _ in curve if time < until] + [until]
    return float(
        sum((b - a) * share for a, b, (_, share) in zip(times, times[1:], curve, strict=False))
    )
