"""Factors: a stretch taken apart into pieces that stood before in it (Lempel & Ziv, 1976), and what
did not.

In: folded tokens. Out: pieces in order, each with the lag at which it stood before: of the longest
repeats the nearest. Time n log n whatever the text: grams of sizes that double are sorted, and the
pieces follow from where they stand.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recurrence.loops.fingerprints import Ints, Places
from recurrence.loops.stretches import grams

_SIZES = 5
"""Sizes of grams: the smallest, twice that, and so on."""


@dataclass(frozen=True)
class Factors:
    """Pieces tokens[start:end], in order; each equals what stands `lag` before it. What lies
    between is new.
    """

    start: Places
    end: Places
    lag: Places
    nearest: NDArray[np.int32]
    """Of each token how far back the gram that begins there stood last; 0 where it did not."""
    nearest_twice: NDArray[np.int32]
    """The same for what is two grams long."""


def factors(codes: Ints, size: int) -> Factors:
    """The pieces of one stretch; each has at least `size` tokens."""
    reach, lag, nearest, twice = _reaches(codes, size)
    start, end = _parse(reach)
    at = np.array(start, np.int64)
    return Factors(at, np.array(end, np.int64), lag[at].astype(np.int64), nearest, twice)


def _reaches(codes: Ints, size: int) -> tuple[NDArray[np.int32], ...]:
    """For each place where the longest repeat from it ends (the place itself: there is none), its
    lag, the nearest.
    """
    reach = np.arange(len(codes), dtype=np.int32)
    lags = np.zeros(len(codes), np.int32)
    near = [np.zeros(len(codes), np.int32)] * 2
    places = np.arange(len(codes) - size + 1)
    value = grams(codes, size)
    whole = np.zeros(len(codes), np.uint32)
    for step in range(_SIZES):
        width = size << step
        if step:
            half = width // 2
            places = places[places + width <= len(codes)]
            value = _paired(whole, places, half)
        whole[:] = 0
        whole[places] = value
        places, lag = _again(places, value)
        if not len(places):
            break
        nearest = np.zeros(len(codes) + 1, np.int32)
        nearest[places] = lag
        if step < 2:
            near[step] = nearest[:-1]
        edges = np.flatnonzero(np.diff(nearest, prepend=0))
        stop = edges[np.searchsorted(edges, places, "right")] + width - 1
        better = stop > reach[places]
        reach[places[better]] = stop[better]
        lags[places[better]] = lag[better]
        twice = nearest[:-1] > 0
        twice[places - lag] = True
        places = np.flatnonzero(twice)
    return reach, lags, *near


def _paired(whole: NDArray[np.uint32], places: Places, half: int) -> NDArray[np.uint32]:
    """The grams of twice the size, of two of half of it."""
    value = whole[places] * np.uint32(0x9E3779B1) + whole[places + half]
    value ^= value >> np.uint32(15)
    value *= np.uint32(0x85EBCA77)
    return value


def _again(places: Places, value: NDArray[np.uint32]) -> tuple[Places, Places]:
    """Those places whose gram stood before, and how far."""
    keys = value.astype(np.uint64) << np.uint64(32)
    keys |= places.astype(np.uint64)
    keys.sort()
    place = (keys & np.uint64(0xFFFFFFFF)).astype(np.int64)
    keys >>= np.uint64(32)
    same = np.flatnonzero(keys[1:] == keys[:-1])
    later = place[same + 1]
    return later, later - place[same]


def _parse(reach: NDArray[np.int32]) -> tuple[list[int], list[int]]:
    """From left to right, at each place the longest piece."""
    places = np.arange(len(reach))
    old = np.flatnonzero(reach > places)
    if not len(old):
        return [], []
    following = np.searchsorted(old, reach[old])
    nexts, ends = following.tolist(), reach[old].tolist()
    starts = old.tolist()
    start, end, i = [], [], 0
    while i < len(starts):
        start.append(starts[i])
        end.append(ends[i])
        i = nexts[i]
    return start, end
