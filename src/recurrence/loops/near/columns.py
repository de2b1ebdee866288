"""Columns: the copies of a loop put one below the other, by an alignment of each with the copy before it.

In: tokens, where the first copy begins and ends, and where the last one ends. Out: of each token the place in the unit
that it stands at, and in how many of those places copies differ. Edits are anywhere; what brings news is always in the
same places.
"""

import numpy as np

from recurrence.loops.fingerprints import Ints, Places
from recurrence.loops.near.alignment import reach

_AGREE = 0.5
"""A column in which fewer copies agree holds what differs from copy to copy."""
_LEAST, _MOST = 3, 8
"""So few copies show no such column; so many are put below each other at a time, as alignments drift."""
_COST = 2.5
"""Of an edit, in tokens that need none."""
_READ = 6000
"""So many tokens are read, the last ones."""


def varying(codes: Ints, period: int) -> float:
    """The share of the unit, a column and its neighbour at least, in which the copies of a loop do not agree."""
    codes = codes[-max(_READ, _MOST * period) :]
    parts = max(round(len(codes) / (_MOST * period)), 1)
    edges = [len(codes) * i // parts for i in range(parts + 1)]
    shares = [
        _varying(codes[low:high], columns(codes[low:high], period))
        for low, high in zip(edges, edges[1:], strict=False)
    ]
    return float(np.mean(shares))


def columns(codes: Ints, period: int) -> Places:
    """The column of each token, as far as the alignment goes; the first copy's are 0, 1, 2, ..."""
    of = list(range(min(period, len(codes))))
    if len(codes) > period > 1:
        for at, lag in enumerate(reach(codes, period, period, _COST, float("inf")).lags, period):
            of.append(of[at - lag])
    return np.array(of, np.int64)


def _varying(codes: Ints, of: Places) -> float:
    size = int(of.max(initial=0)) + 1
    total = np.bincount(of, minlength=size)
    pairs, counts = np.unique(of << 32 | codes[: len(of)].astype(np.int64), return_counts=True)
    most = np.zeros(size, np.int64)
    np.maximum.at(most, pairs >> 32, counts)
    apart = (total >= _LEAST) & (most < _AGREE * total)
    slot = np.zeros(size, np.bool_)
    slot[1:] = apart[1:] & apart[:-1]
    slot[:-1] |= slot[1:]
    return float(slot.mean())
