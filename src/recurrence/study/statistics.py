"""How sure a rate, a difference or a time of onset is. Numpy alone; the same numbers in, the same figures out.

What draws at random does so from a seed of its own.
"""

from collections.abc import Sequence
from math import sqrt

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Curve = list[tuple[float, float]]
"""Times and the share still without the event from then on: a step at each."""

RESAMPLES = 2_000
_SEED = 20
_GRID = 720_720
"""Differences are taken to the nearest multiple of 1 / this: exact for rates of up to 16 samples per prompt."""
_MOST_SUMS = 1 << 17
"""So many different sums are told apart before chance takes over."""
_DRAWS = 20_000
_Z95 = 1.959963984540054


def wilson(hits: int, total: int, z: float = _Z95) -> tuple[float, float]:
    """Wilson's interval for a rate, 95 % by default; of no trials: 0 to 1 (Wilson, JASA 22, 1927)."""
    if not total:
        return 0.0, 1.0
    rate, shrink = hits / total, 1 + z * z / total
    centre = (rate + z * z / (2 * total)) / shrink
    half = z * sqrt(rate * (1 - rate) / total + z * z / (4 * total * total)) / shrink
    return (max(centre - half, 0.0) if hits else 0.0), (
        min(centre + half, 1.0) if hits < total else 1.0
    )


def cluster_bootstrap(
    values: ArrayLike, clusters: Sequence[object], resamples: int = RESAMPLES, seed: int = _SEED
) -> tuple[float, float]:
    """The 2.5th and 97.5th percentile of the mean over resamples of whole clusters, as many as there are.

    For values that hang together within a cluster: the samples that continue one prompt. NaN of no values.
    """
    numbers = np.asarray(values, float)
    if not len(numbers):
        return float("nan"), float("nan")
    codes = {cluster: code for code, cluster in enumerate(dict.fromkeys(clusters))}
    of = np.array([codes[cluster] for cluster in clusters])
    sums, sizes = np.bincount(of, numbers), np.bincount(of)
    drawn = np.random.default_rng(seed).integers(0, len(sums), (resamples, len(sums)))
    low, high = np.percentile(sums[drawn].sum(1) / sizes[drawn].sum(1), (2.5, 97.5))
    return float(low), float(high)


def sign_flip(differences: ArrayLike, seed: int = _SEED) -> float:
    """Two-sided p that differences of rates lie around 0: how often flipped signs take their sum as far from it.

    Exact while the sums that 2^n flips give are few enough to be told apart, as those of rates are: each is counted
    with its weight. Else from 20,000 draws, the given signs counted as one more. With differences of -1, 0 and 1, one
    sample per prompt, it is McNemar's exact test. 1 where all are 0.
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
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, largest = [0.0] * len(order), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min((len(order) - rank) * p_values[i], 1.0))
        adjusted[i] = largest
    return adjusted


def kaplan_meier(times: ArrayLike, observed: ArrayLike) -> Curve:
    """The share without the event over time, from time 0 on, a step at each event (Kaplan & Meier, JASA 53, 1958).

    `times`: when the event came, or, where `observed` is false, until when it had not come (censored: at the end of
    the text). What is censored at the time of an event was still at risk.
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
