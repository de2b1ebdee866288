"""Runs with short periods, lag by lag: each token is compared with the one `lag` before it.

In: texts as one row of integers and where each begins. Out: start, period and end of runs, exactly.
"""

from collections.abc import Iterator

import numpy as np

from recurrence.loops.fingerprints import Flags, Ints, Places, Spans, slide

_STRIP = 1 << 17
"""Tokens compared at a time: what stays in the processor's cache."""
_AHEAD = 1 << 12
"""Tokens compared beyond a strip; what goes on longer is followed one by one."""


def strips(codes: Ints) -> Iterator[int]:
    """Where the strips begin that `runs_at` is to be asked for."""
    yield from range(0, len(codes), _STRIP)


def runs_at(lag: int, codes: Ints, bounds: Places, strip: int, least: int) -> Spans:
    """All stretches of one lag with matched >= least whose first repeated token is in a strip;
    period is the lag.

    Text i is codes[bounds[i] : bounds[i + 1]].
    """
    first, stop = max(strip - 1, 0), min(strip + _STRIP + _AHEAD, len(codes))
    same = _repeats(lag, codes, bounds, slice(first, stop))
    enough = slide(np.logical_and, same, min(least, _AHEAD))
    if not enough.any():
        return np.zeros((0, 3), np.int64)
    begin = np.flatnonzero(enough & ~np.concatenate([[strip > 0], same[: len(enough) - 1]]))
    begin = begin[begin + first < strip + _STRIP]
    breaks = np.append(np.flatnonzero(~same), len(same))
    end = breaks[np.searchsorted(breaks, begin)] + first
    begin += first
    for open_end in np.flatnonzero(end == stop):
        text_end = int(bounds[np.searchsorted(bounds, begin[open_end], "right")])
        end[open_end] = _follow(lag, codes, stop, text_end)
    spans = np.stack([begin - lag, np.full_like(begin, lag), end], 1)
    return spans[end - begin >= least]


def _repeats(lag: int, codes: Ints, bounds: Places, where: slice) -> Flags:
    """Which tokens of a slice equal the one `lag` before them in their text."""
    same = np.zeros(where.stop - where.start, np.bool_)
    since = max(where.start, lag)
    same[since - where.start :] = (
        codes[since : where.stop] == codes[since - lag : max(where.stop - lag, 0)]
    )
    starts = bounds[
        np.searchsorted(bounds, where.start - lag) : np.searchsorted(bounds, where.stop)
    ]
    without = (starts[:, None] + np.arange(lag)).ravel() - where.start
    same[without[(without >= 0) & (without < len(same))]] = False
    return same


def _follow(lag: int, codes: Ints, at: int, stop: int) -> int:
    """The first place from `at` on, before `stop`, whose token does not equal the one `lag`
    before.
    """
    size = _AHEAD
    while at < stop:
        ahead = min(at + size, stop)
        differs = codes[at:ahead] != codes[at - lag : ahead - lag]
        if differs.any():
            return at + int(differs.argmax())
        at, size = ahead, 2 * size
    return stop
