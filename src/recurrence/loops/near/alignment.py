"""How far a sequence keeps equal to itself some lag before, give or take edits: a banded alignment
of it with itself.

In: token ids, a place, a lag. Out: a `Reach`. The lag may drift within a band of `slack` each way.
A token that is aligned counts 1 and an edit costs `cost`; the reach ends where that sum was
largest, and the alignment gives up once the sum fell `drop` below it (X-drop: Altschul et al., NAR
25, 1997). `matches` only counts, for many places at once.

A column of edit distances is held as the differences down the band, a bit each in two integers
(Myers, J. ACM 46, 1999; Hyyro, 2003), so that a token costs a microsecond or two however wide the
band is. Bit b stands for lag + slack - b.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recurrence.loops.fingerprints import Flags, Ints, Places

_CHUNKS = 32, 512
"""Tokens compared with their band at a time: few at first, as most reaches are short."""
_WORD, _SIDE = 64, 31
"""Bits of a band in `matches`, and the bit that stands for the lag: it drifts no further than
that.
"""
_LANES = 8192
"""Places aligned in step: what stays in the processor's cache."""
_ONE = np.uint64(1)
_LAG = _ONE << np.uint64(_SIDE)


@dataclass(frozen=True)
class Reach:
    """What ids[place : place + tokens] has in common with what stands before it."""

    tokens: int
    edits: int
    """Edit distance to the stretch that starts at place - lag and ends lags[-1] before the end of
    this one.
    """
    lags: list[int]
    """Per token, the lag at which the alignment then was best."""


def slack(lag: int) -> int:
    """How far a lag may drift: a quarter of it, at least 2 and at most 64, as long as it stays a
    lag.
    """
    return min(max(2, lag // 4), 64, lag - 1)


def reach(ids: Ints, place: int, lag: int, cost: float, drop: float) -> Reach:
    """Align the tokens from `place` on with those from `place - lag` on."""
    drift = slack(lag)
    width = 2 * drift + 1
    full = (1 << width) - 1
    above, below = (
        full & -(1 << drift),
        0,
    )  # where the distance grows by one to the next bit, and where it falls
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
    """Per token from `place` on, the bits of the lags at which it equals what was before, not
    before place - lag.
    """
    chunk, most = _CHUNKS
    first, lags = place - lag, np.arange(lag + drift, lag - drift - 1, -1)
    while place < len(ids):
        here = np.arange(place, min(place + chunk, len(ids)))
        there = here[:, None] - lags
        equal = (ids[np.maximum(there, 0)] == ids[here, None]) & (there >= first)
        for row in np.packbits(equal, axis=1, bitorder="little"):
            yield int.from_bytes(row.tobytes(), "little")
        place, chunk = place + chunk, min(2 * chunk, most)


# ---------------------------------------------------------------- many at once


def matches(ids: Ints, asked: Places, cost: float, drop: float, enough: int) -> Places:
    """tokens - edits of the reach of each (place, lag, room), rows of `asked`: as `reach` says of
    ids[: place + room].

    No further than to `enough`. While that is less than 32 and an edit costs 2 tokens or more, the
    band, narrower than that of `reach`, sees the same: who strays further has lost more than
    `drop`.
    """
    around = np.concatenate([np.zeros(_SIDE, ids.dtype), ids, np.zeros(_WORD - _SIDE, ids.dtype)])
    bands, matched = (
        np.lib.stride_tricks.sliding_window_view(around, _WORD),
        np.zeros(len(asked), np.int64),
    )
    for low in range(0, len(asked), _LANES):
        place, lag, room = asked[low : low + _LANES].T
        lanes, here, best, tokens = (
            _Lanes.at(lag),
            np.arange(low, low + len(lag)),
            np.zeros(len(lag)),
            0,
        )
        on = room > 0
        while on.any():
            if 4 * on.sum() < 3 * len(on):  # else those that ended are not much in the way
                here, place, lag, room, best = (each[on] for each in (here, place, lag, room, best))
                lanes, on = lanes.only(on), on[on]
            token = np.minimum(place + tokens, len(ids) - 1)
            lanes.step(bands[token - lag] == ids[token, None], tokens)
            tokens += 1
            gain = tokens - cost * lanes.edits
            better = on & (gain > best)
            matched[here[better]], best[better] = tokens - lanes.edits[better], gain[better]
            on &= (gain >= best - drop) & (tokens < room) & (matched[here] < enough)
    return matched


@dataclass
class _Lanes:
    """What `reach` holds of an alignment, of many: bit _SIDE stands for the lag itself."""

    full: NDArray[np.uint64]
    above: NDArray[np.uint64]
    below: NDArray[np.uint64]
    best: NDArray[np.uint64]
    """The one bit at which the alignment is best."""
    edits: Places

    @classmethod
    def at(cls, lags: Places) -> "_Lanes":
        drift = np.minimum(np.clip(lags // 4, 2, _SIDE), lags - 1).astype(np.uint64)
        full = (_LAG << drift << _ONE) - (_LAG >> drift)
        none, best = np.zeros_like(full), np.full_like(full, _LAG)
        return cls(full, full & ~(_LAG - _ONE), none, best, np.zeros(len(lags), np.int64))

    def only(self, on: Flags) -> "_Lanes":
        """Those lanes alone."""
        return _Lanes(*(each[on] for each in vars(self).values()))

    def step(self, equal: Flags, tokens: int) -> None:
        """One token more, the one after so many; `equal`: to what it is at each bit, (lanes,
        64).
        """
        bits = np.packbits(equal.ravel(), bitorder="little").view("<u8")
        bits &= self.full & ~(
            (_LAG >> np.uint64(min(tokens, _SIDE))) - _ONE
        )  # not before place - lag
        same = ((((bits & self.above) + self.above) ^ self.above) | bits | self.below) & self.full
        across = self.below | (self.full & ~(same | self.above))
        back = same & self.above
        self.edits += (same & self.best) == 0
        same >>= _ONE
        self.above, self.below = back | (self.full & ~(same | across)), same & across
        up, down = self.below & self.best, self.above & (self.best >> _ONE)
        self.edits -= (up | down) > 0
        self.best = np.where(up, self.best << _ONE, np.where(down, down, self.best))
