"""Where a text may loop: stretches most of which stood before, a little way back or always at about
the same lag.

In: folded texts end to end. Out: for each text the stretches worth a closer look, few where nothing
loops. One place in four is looked at, chosen by what stands there: so the same places are chosen
where the same words come again.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recurrence.loops.fingerprints import Flags, Ints, Places

_BLOCK = 1 << 16
_FACTORS = np.array(
    [0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F, 0x165667B1, 0x2545F491], np.uint32
)
_NEAR = 4096
"""So far back any repeat counts; farther ones only if their neighbours have the same lag."""
_APART, _AMONG = (24, 96), 9
"""Two repeats at one lag say something where they are so far apart: more than a phrase that comes
again. So many of the next repeats are looked at.
"""
_DENSE, _SPARSE = (10, -10), (20, -2)
"""What a repeated place counts and what another one costs: of repeats at any lag, and of those at
one and the same.
"""


def grams(codes: Ints, size: int) -> NDArray[np.uint32]:
    """A number for each `size` tokens in a row: equal where they are; in 1 of 2^32 also where they
    are not.
    """
    x = codes.astype(np.uint32)
    last = len(x) - size + 1
    found: NDArray[np.uint32] = x[:last] * _FACTORS[0]
    for step in range(1, size):
        found += x[step : step + last]
        found *= _FACTORS[step % 6]
    found ^= found >> np.uint32(15)
    found *= _FACTORS[1]
    return found


@dataclass(frozen=True)
class Looked:
    """What a first look at a text gives."""

    spans: Places
    """Rows of (start, end), stretches worth a closer look."""
    reused: float
    """The share of places that stood before, not far back."""


def stretches(codes: Ints, bounds: Places, size: int, sampled: bool, least: int) -> list[Looked]:
    """Of each text the first look; `size`: tokens of a gram; `least`: evidence worth a closer
    one.
    """
    texts = len(bounds) - 1
    none = np.zeros((0, 2), np.int64)
    place, value = _chosen(codes, size, sampled)
    if len(place) < 2:
        return [Looked(none, 0.0)] * texts
    lag = _lags(place, value, bounds)
    spacing = 4 if sampled else 1
    steady = _steady(place, lag)
    recent = (lag > 0) & (lag <= _NEAR)
    reused = _shares(recent, place, bounds)
    rows = [
        _excursions(place, recent | steady, bounds, _DENSE, 2 * least // (3 * spacing)),
        _excursions(place, steady, bounds, _SPARSE, least // (3 * spacing)),
    ]
    spans = np.concatenate(rows)
    spans[:, 1] += size
    owner = np.searchsorted(bounds[1:], spans[:, 0], "right")
    own = {text: spans[owner == text] - bounds[text] for text in np.unique(owner).tolist()}
    return [Looked(own.get(i, none), share) for i, share in enumerate(reused)]


def _shares(flags: Flags, place: Places, bounds: Places) -> list[float]:
    """The share of flags that are set, text by text."""
    edges = np.searchsorted(place, bounds)
    total = np.append(0, np.cumsum(flags))
    shares: list[float] = (np.diff(total[edges]) / np.maximum(np.diff(edges), 1)).tolist()
    return shares


def _chosen(codes: Ints, size: int, sampled: bool) -> tuple[Places, NDArray[np.uint32]]:
    places, values = [np.zeros(0, np.int64)], [np.zeros(0, np.uint32)]
    for low in range(0, len(codes) - size + 1, _BLOCK):
        value = grams(codes[low : low + _BLOCK + size - 1], size)
        if sampled:
            here = np.flatnonzero(value < np.uint32(1 << 30))
            values.append(value[here])
            places.append(here + low)
        else:
            values.append(value)
            places.append(np.arange(low, low + len(value)))
    return np.concatenate(places), np.concatenate(values)


def _lags(place: Places, value: NDArray[np.uint32], bounds: Places) -> Places:
    """How far back each gram stood last in its text; 0 where it did not."""
    keys = value.astype(np.uint64) << np.uint64(32)
    keys |= np.arange(len(place), dtype=np.uint64)
    keys.sort()
    index = (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)
    keys >>= np.uint64(32)
    same = np.flatnonzero(keys[1:] == keys[:-1])
    later, earlier = index[same + 1], index[same]
    lag = np.zeros(len(place), np.int64)
    lag[later] = place[later] - place[earlier]
    if len(bounds) > 2:
        first = bounds[np.searchsorted(bounds, place, "right") - 1]
        lag[place - lag < first] = 0
    return lag


def _steady(place: Places, lag: Places) -> NDArray[np.bool_]:
    """Which repeats have another at about the same lag, _APART tokens from them: edits, and copies
    that are older, may lie between the two.
    """
    old = np.flatnonzero(lag)
    steady = np.zeros(len(place), np.bool_)
    mine, where = lag[old], place[old]
    fits = np.zeros(len(old), np.bool_)
    least, most = _APART
    slack = np.maximum(mine >> 5, 2)
    for step in range(2, min(_AMONG, len(old) - 1) + 1):
        apart = where[step:] - where[:-step]
        alike = np.abs(mine[step:] - mine[:-step]) <= slack[step:]
        alike &= (apart >= least) & (apart <= most)
        fits[:-step] |= alike
        fits[step:] |= alike
    steady[old] = fits
    return steady


def _excursions(
    place: Places, counts: NDArray[np.bool_], bounds: Places, weights: tuple[int, int], wanted: int
) -> Places:
    """Where the sum of what counts and what costs rises far enough above its last low: (first
    place, best place).
    """
    gain, cost = weights
    step = np.where(counts, gain, cost)
    if len(bounds) > 2:
        first = np.searchsorted(place, bounds[1:-1])
        step[first[first < len(step)]] -= gain * len(step)
    total = np.cumsum(step)
    above = total - np.minimum.accumulate(np.minimum(total, 0))
    if above.max() < gain * wanted:
        return np.zeros((0, 2), np.int64)
    up = above > 0
    begin = np.flatnonzero(up & ~np.append(False, up[:-1]))
    best = np.maximum.reduceat(above, begin) >= gain * wanted
    ends = np.append(begin[1:], len(above))
    spans = [
        (place[one], place[one + int(above[one:end].argmax())])
        for one, end in zip(begin[best].tolist(), ends[best].tolist(), strict=True)
    ]
    return np.array(spans, np.int64).reshape(-1, 2)
