"""How far a sequence keeps equal to itself some lag before, give or take edits: a banded alignment of it with itself.

In: token ids, a place, a lag. Out: a `Reach`. The lag may drift within a band of `slack` each way. A token that is
aligned counts 1 and an edit costs `cost`; the reach ends where that sum was largest, and the alignment gives up once
the sum fell `drop` below it (X-drop: Altschul et al., NAR 25, 1997).

A column of edit distances is held as the differences down the band, a bit each in two integers (Myers, J. ACM 46, 1999;
Hyyro, 2003), so that a token costs a microsecond or two however wide the band is. Bit b stands for lag + slack - b.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from recurrence.loops.fingerprints import Ints

_CHUNKS = 32, 512
"""Tokens compared with their band at a time: few at first, as most reaches are short."""


@dataclass(frozen=True)
class Reach:
    """What ids[place : place + tokens] has in common with what stands before it."""

    tokens: int
    edits: int
    """Edit distance to the stretch that starts at place - lag and ends lags[-1] before the end of this one."""
    lags: list[int]
    """Per token, the lag at which the alignment then was best."""


def slack(lag: int) -> int:
    """How far a lag may drift: a quarter of it, at least 2 and at most 64, as long as it stays a lag."""
    return min(max(2, lag // 4), 64, lag - 1)


def reach(ids: Ints, place: int, lag: int, cost: float, drop: float) -> Reach:
    """Align the tokens from `place` on with those from `place - lag` on."""
    drift = slack(lag)
    width = 2 * drift + 1
    full = (1 << width) - 1
    above, below = full & -(1 << drift), 0  # where the distance grows by one to the next bit, and where it falls
    bit, edits, path = drift, 0, []
    best, most, fewest = 0.0, 0, 0
    for tokens, equal in enumerate(_bands(ids, place, lag, drift), 1):
        same = ((((equal & above) + above) ^ above) | equal | below) & full
        across = below | (full & ~(same | above))
        back = same & above
        edits += not same >> bit & 1
        above, below = back | (full & ~(same >> 1 | across)), same >> 1 & across
        if bit + 1 < width and below >> bit & 1:
            bit, edits = bit + 1, edits - 1
        elif bit and above >> (bit - 1) & 1:
            bit, edits = bit - 1, edits - 1
        path.append(lag + drift - bit)
        gain = tokens - cost * edits
        if gain > best:
            best, most, fewest = gain, tokens, edits
        elif gain < best - drop:
            break
    return Reach(most, fewest, path[:most])


def _bands(ids: Ints, place: int, lag: int, drift: int) -> Iterator[int]:
    """Per token from `place` on, the bits of the lags at which it equals what was before, not before place - lag."""
    chunk, most = _CHUNKS
    first, lags = place - lag, np.arange(lag + drift, lag - drift - 1, -1)
    while place < len(ids):
        here = np.arange(place, min(place + chunk, len(ids)))
        there = here[:, None] - lags
        equal = (ids[np.maximum(there, 0)] == ids[here, None]) & (there >= first)
        for row in np.packbits(equal, axis=1, bitorder="little"):
            yield int.from_bytes(row.tobytes(), "little")
        place, chunk = place + chunk, min(2 * chunk, most)
