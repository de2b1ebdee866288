"""Columns: the copies of a loop put one below the other, by an alignment of each with the copy
before it.

In: tokens, where the first copy begins and ends, and where the last one ends. Out: of each token
the place in the unit that it stands at, and in how many of those places copies differ. Edits are
anywhere; what brings news is always in the same places.
"""

from dataclasses import dataclass

import numpy as np

from recurrence.loops.fingerprints import Ints, Places
from recurrence.loops.near.alignment import reach

_AGREE = 0.5
"""A column in which fewer copies agree holds what differs from copy to copy. What a neighbour
usually holds agrees as well: an edit moves the alignment for a while.
"""
_LEAST, _MOST = 3, 8
"""So few copies show no such column; so many are put below each other at a time, as alignments
drift.
"""
_COST = 2.5
"""Of an edit, in tokens that need none."""
_TOKEN = 2**32 - 1
"""The bits of a pair that hold the token; those above hold the column."""
_READ = 6000
"""So many tokens are read, the last ones."""


@dataclass(frozen=True)
class Differences:
    """Where the copies of a loop do not agree."""

    slots: float
    """The share of the unit, a column and its neighbour at least, in which they do not."""
    fixed: float
    """Of what differs from the usual copy, the share that stands in columns in which most copies
    differ.
    """


def differences(codes: Ints, period: int) -> Differences:
    """Where the copies of a loop do not agree with the usual one."""
    codes = codes[-max(_READ, _MOST * period) :]
    parts = max(round(len(codes) / (_MOST * period)), 1)
    edges = [len(codes) * i // parts for i in range(parts + 1)]
    told = [
        _differences(codes[low:high], columns(codes[low:high], period))
        for low, high in zip(edges, edges[1:], strict=False)
    ]
    slots, fixed, differs = np.mean(told, axis=0).tolist()
    return Differences(slots, fixed / max(differs, 1e-9))


def columns(codes: Ints, period: int) -> Places:
    """The column of each token, as far as the alignment goes; the first copy's are 0, 1, 2, ..."""
    of = list(range(min(period, len(codes))))
    if len(codes) > period > 1:
        for at, lag in enumerate(reach(codes, period, period, _COST, float("inf")).lags, period):
            of.append(of[at - lag])
    return np.array(of, np.int64)


def _differences(codes: Ints, of: Places) -> tuple[float, float, float]:
    """The share of columns in slots; the tokens that differ in columns where most do; all that
    differ.
    """
    size = int(of.max(initial=0)) + 1
    part = codes[: len(of)].astype(np.int64)
    pairs, counts = np.unique(of << 32 | part, return_counts=True)
    order = np.argsort(counts, kind="stable")
    usual = np.full(size + 2, -1, np.int64)
    usual[(pairs[order] >> 32) + 1] = pairs[order] & _TOKEN
    fits = (part == usual[of]) | (part == usual[of + 1]) | (part == usual[of + 2])
    total = np.bincount(of, minlength=size)
    agree = np.bincount(of, fits, minlength=size)
    apart = (total >= _LEAST) & (agree < _AGREE * total)
    slot = np.zeros(size, np.bool_)
    slot[1:] = apart[1:] & apart[:-1]
    slot[:-1] |= slot[1:]
    differs = total - agree
    return float(slot.mean()), float(differs[apart].sum()), float(differs.sum())
