"""Runs with at least so much evidence, in time that grows with the text: content-chosen places,
paired by what follows.

In: texts as one row of integers and where each begins, and the least evidence, at least 2. Out:
start, period and end of runs, as far as fingerprints can tell: none is missed (Collision where one
might be), but their tokens are to be compared.

In a run with `matched` >= T the last `matched` tokens, its zone, equal those one period before.
*Anchors* are places chosen by their content alone (those whose window has the smallest fingerprint
of some in a row): well inside the zone they stand where they stand one period before, about one in
ten tokens. So some anchor of the zone begins a window of T // 2 tokens that stands at an anchor one
period before, too. Sorting fingerprints brings such windows together, and for each pair `reach`
says how far it goes on. That is done at levels of T that double, and every eighth-fold anchors are
thinned out among themselves by the same rule, so the work per level falls while T grows. Anchors
whose window stands nowhere else in their text are dropped at once: where nothing loops, few are
left. Only within stretches of a period shorter than their windows may anchors stand closer, and
their windows pair with all others of such stretches; there few of the lags are of use, and
`_within` and `_across` say which.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np

from recurrence.loops.fingerprints import BLOCK, Fingerprints, Flags, Ints, Places, Spans, winnow

Pairs = tuple[Places, Places]
"""Places, and for each a lag."""

_FARTHEST = 32
"""Most places from one anchor to the next: fewer anchors would save nothing any more."""
_THIN = 8
"""Anchors in a row of which the next tier keeps at least one."""
_TIERS = 5, 3
"""Levels that the first tier of anchors is for, and each further one."""
_PAIRS = 1 << 13
"""Pairs of equal windows looked at a time."""
_PLACE = 2**32 - 1
"""The bits of a key that hold the place; those above hold the fingerprint."""


class Collision(Exception):
    """Fingerprints said of unequal tokens that they were equal, and something may have been missed
    by it.
    """


@dataclass(frozen=True)
class _Tier:
    """Anchors in increasing order. In a zone each `gap` places in a row have one, and whether a
    place is one depends on `context` places on each side (and on the window that begins there).
    """

    places: Places
    context: int
    gap: int


class Anchors:
    """The search through texts that lie end to end: text i is codes[bounds[i] : bounds[i + 1]]."""

    def __init__(self, codes: Ints, bounds: Places, least: int, base: int) -> None:
        self.prints = Fingerprints(codes, base)
        self.codes, self.bounds, self.least = codes, bounds, least
        longest = int(np.diff(bounds).max(initial=0))
        self.levels = max((longest - 1) // least, 0).bit_length()
        """Level k is for runs whose evidence, or period, is at least least * 2^k, and less than
        twice that.
        """
        self._gap = min((least + 1) // 2, _FARTHEST)
        self._width = least - self._gap + 1
        self._keys = (
            self._chosen(None, self._width, self._gap) if self.levels else np.zeros(0, np.int64)
        )
        self._keys.sort()
        self._tiers: list[_Tier] = []

    def best(self, level: int, wanted: Flags) -> Spans:
        """Runs with the evidence of this level, the best of each text among them.

        Only of the wanted texts, which must have none with more, and have been wanted on the levels
        above.
        """
        size = self.least << level
        found = [self._spans(at, lag, size, 2 * size) for at, lag in self._pairs(level, 1, wanted)]
        return np.concatenate([np.zeros((0, 3), np.int64), *found])

    def all(self, level: int) -> Spans:
        """All runs with the periods of this level (on the lowest: and all shorter ones)."""
        size, everyone = self.least << level, np.ones(len(self.bounds) - 1, np.bool_)
        pairs = self._pairs(level, size if level else 1, everyone)
        found = [self._spans(at, lag, size, self.prints.size) for at, lag in pairs]
        return np.concatenate([np.zeros((0, 3), np.int64), *found])

    def _owners(self, places: Places) -> Places:
        """Which text each place is in; of a single text one 0, for them all."""
        if len(self.bounds) == 2:
            return np.zeros(1, np.int64)
        owners: Places = np.searchsorted(self.bounds[1:], places, "right")
        return owners

    # ------------------------------------------------------------ choosing anchors

    def _chosen(self, places: Places | None, width: int, gap: int = 1) -> Places:
        """Keys, fingerprint and place in one number, of those places (None: all there are) whose
        window is the smallest of some `gap` in a row; a block at a time, for the processor's cache.
        """
        last, keys = self.prints.size - width + 1, [np.zeros(0, np.int64)]
        last = last if places is None else int(np.searchsorted(places, last))
        for low in range(0, last, BLOCK):
            first, stop = max(low - gap + 1, 0), min(low + BLOCK + gap - 1, last)
            values = self.prints.windows(
                slice(first, stop) if places is None else places[first:stop], width
            )
            here = (
                np.flatnonzero(winnow(values, gap)[low - first : low - first + BLOCK]) + low - first
            )
            keys.append(
                values[here] << 32 | (here + first if places is None else places[here + first])
            )
        return np.concatenate(keys)

    def _tier(self, level: int, wanted: Flags) -> _Tier:
        """The anchors for a level; once chosen they stay."""
        if not self._tiers:
            self._tiers.append(_Tier(self._repeated(self._keys, wanted), self._gap - 1, self._gap))
            self._keys = self._keys[:0]
        place = max(level - _TIERS[0] + _TIERS[1], 0) // _TIERS[1]
        while len(self._tiers) <= place:
            tier, lowest = self._tiers[-1], _TIERS[0] + _TIERS[1] * (len(self._tiers) - 1)
            keys = self._chosen(tier.places, (self.least << lowest) // 4, _THIN)
            keys.sort()
            kept = self._repeated(keys, wanted)
            self._tiers.append(_Tier(kept, tier.context + _THIN * tier.gap, _THIN * tier.gap))
        return self._tiers[place]

    def _steps(self, keys: Places) -> Places:
        """How far before each window, of sorted keys, the nearest equal one of its text is: far
        more than any place where there is none.
        """
        step = np.diff(keys, prepend=-1 << 32)
        if len(self.bounds) > 2:
            owners = self._owners(keys & _PLACE)
            step[1:][owners[1:] != owners[:-1]] = _PLACE
        return step

    def _repeated(self, keys: Places, wanted: Flags) -> Places:
        """The places whose fingerprint stands twice in their text, of sorted keys."""
        same = self._steps(keys) < self.prints.size
        if not wanted.all():
            same &= wanted[self._owners(keys & _PLACE)]
        twice = same.copy()
        twice[:-1] |= same[1:]
        return np.sort(keys[twice] & _PLACE)

    # ------------------------------------------------------------ pairing them

    def _pairs(self, level: int, shortest: int, wanted: Flags) -> Iterator[Pairs]:
        """Places and lags; every run of the level with period >= shortest has one that it repeats
        at.
        """
        size, tier = self.least << level, self._tier(level, wanted)
        width = size // 2 if level else self._width
        places = tier.places if wanted.all() else tier.places[wanted[self._owners(tier.places)]]
        places = places[places + width <= self.bounds[self._owners(places) + 1]]
        if not len(places):
            return
        keys = self._chosen(places, width)
        cell = max(size - width - tier.context - tier.gap + 2, 1)
        spot = np.sort(
            keys[np.diff(places // cell, prepend=-1) > 0]
        )  # the first anchor of each cell is enough
        keys.sort()
        step, spot = self._steps(keys), np.searchsorted(keys, spot)
        spot = spot[step[spot] < 2 * size]
        asked = keys[spot]
        place = asked & _PLACE
        low = self.bounds[self._owners(place)]
        oldest = np.searchsorted(keys, asked - place + np.maximum(place - 2 * size + 1, low))
        newest = spot if shortest == 1 else np.searchsorted(keys, asked - shortest, "right")
        some = newest > oldest
        near = np.where(step <= width // 2, step, 0)
        second = np.flatnonzero(
            near
        )  # half the window is compared besides: so many windows have some that collide
        near[second] *= self.prints.repeats(keys[second] & _PLACE, near[second], width // 2)
        windows = _Windows(keys, near, width, spot[some], oldest[some], newest[some])
        for at, lag in chain([self._within(windows, size)], self._across(windows, size)):
            fits = (lag >= shortest) & (lag < 2 * size) & (at < self.prints.size)
            at, lag = at[fits], lag[fits]
            fits = at - lag >= self.bounds[self._owners(at)]
            yield at[fits], lag[fits]

    def _within(self, windows: "_Windows", size: int) -> Pairs:
        """Within a stretch only its period is of use: at multiples of it no run is primitive."""
        step, place = windows.step, windows.keys & _PLACE
        inside = np.flatnonzero(step[windows.spot])
        spot, head = (
            windows.spot[inside],
            np.maximum(windows.heads[windows.mine], windows.oldest)[inside],
        )
        alike = np.stack([windows.mine[inside], step[spot], place[spot] // (2 * size)], 1)
        one, group = _grouped(alike)
        last = np.zeros(len(one), np.int64)
        np.maximum.at(last, group, place[spot])
        at, lag = place[spot[one]], step[spot[one]]
        start, end = self._stretch(at, lag, windows.width, 4 * size)
        if (start > place[head[one]]).any() or (end < last + windows.width).any():
            raise Collision
        return _each_once(start + lag, lag)

    def _across(self, windows: "_Windows", size: int) -> Iterator[Pairs]:
        """From one stretch to one before it a lag is of use if a run goes beyond the ends or the
        beginnings of both, which then are that far apart; or else, where they touch, any lag.
        Between windows alone there is but one.

        Where the stretches end is looked at once for all windows of both that stand near each
        other.
        """
        heads, place = windows.heads, windows.keys & _PLACE
        first = windows.stretch[windows.oldest]
        last = np.minimum(windows.mine, windows.stretch[windows.newest - 1] + 1)
        for row, other in _ranges(first, last):
            at, period = (
                place[windows.spot[row]],
                np.maximum(windows.period[other], windows.period[windows.mine[row]]),
            )
            farthest = np.maximum(heads[other], windows.oldest[row])
            nearest = np.minimum(heads[other + 1], windows.newest[row]) - 1
            alone = period == 0
            yield at[alone], at[alone] - place[farthest[alone]]
            at, period, farthest, nearest = (
                each[~alone] for each in (at, period, farthest, nearest)
            )
            both = np.stack([windows.mine[row[~alone]], other[~alone], at // (2 * size)], 1)
            one, group = _grouped(both)
            last = np.zeros(len(one), np.int64)
            np.maximum.at(last, group, nearest)
            start, end = self._stretch(at[one], period[one], windows.width, 4 * size)
            start_before, end_before = self._stretch(
                place[farthest[one]], period[one], windows.width, 4 * size
            )
            equal = end >= at[one] + windows.width
            equal &= end_before >= place[farthest[one]] + windows.width
            if (end_before < place[last] + windows.width)[equal].any():
                raise Collision
            yield _each_once(
                np.append(end[equal], start[equal] - 1),
                np.append((end - end_before)[equal], (start - start_before)[equal]),
            )
            touch = (equal & (end_before >= start))[group]
            for pair, partner in _ranges(farthest[touch], nearest[touch] + 1):
                yield at[touch][pair], at[touch][pair] - place[partner]

    def _stretch(self, at: Places, period: Places, width: int, most: int) -> tuple[Places, Places]:
        """From where to where a period of the windows at some places goes on, looked at no further
        than `most`.

        Where it ends before the window does, the window has another one after all.
        """
        start, end = self._reach(at + period, period, most, np.zeros_like(at))
        start -= period
        found = np.stack([start, end, period], 1)[end >= at + width]
        for begin, stop, lag in _rows_once(found).tolist():
            if not np.array_equal(self.codes[begin : stop - lag], self.codes[begin + lag : stop]):
                raise Collision
        return start, end

    # ------------------------------------------------------------ measuring

    def _spans(self, at: Places, lag: Places, size: int, most: int) -> Spans:
        """The runs at these places, of those with matched >= max(period, size); `most` is the most
        there may be.
        """
        enough = begin = end = np.maximum(lag, size)
        for limit in sorted(
            {2 * size, most}
        ):  # few have enough, and only they are worth following to their ends
            begin, end = self._reach(at, lag, limit, enough)
            found = end - begin >= enough
            at, lag, enough, begin, end = (each[found] for each in (at, lag, enough, begin, end))
        return np.stack([begin - lag, lag, end], 1)

    def _reach(self, at: Places, lag: Places, most: int, enough: Places) -> tuple[Places, Places]:
        """From where to where around a place tokens are repeats, in its text, no further than
        `most`; see `reach`.
        """
        owners = self._owners(at)
        low, high = self.bounds[owners] + lag, self.bounds[owners + 1]
        return self.prints.reach(
            at, lag, np.maximum(low, at - most), np.minimum(high, at + most), enough
        )


class _Windows:
    """Windows keys[spot] of some width, and keys[oldest:newest], which hold the equal windows
    before them.

    Equal windows that follow each other by at most half their width (`step`; 0: by more) have that
    step for a period, and so has all of the stretch that they cover. Windows heads[i] to heads[i +
    1] - 1 make stretch i; period[i] is 0 if that is one window.
    """

    def __init__(self, keys: Places, step: Places, width: int, *asked: Places) -> None:
        self.keys, self.step, self.width = keys, np.append(step, 0), width
        self.spot, self.oldest, self.newest = asked
        self.heads = np.flatnonzero(self.step == 0)
        self.stretch = np.cumsum(step == 0)
        self.stretch -= 1
        self.mine = self.stretch[self.spot]
        self.period = self.step[self.heads[:-1] + 1]


def _each_once(at: Places, lag: Places) -> Pairs:
    """The same pairs, each once."""
    pairs = _rows_once(np.stack([at, lag], 1))
    return pairs[:, 0], pairs[:, 1]


def _grouped(rows: Places) -> Pairs:
    """The first of each group of equal rows, and of each row its group."""
    order = np.lexsort(rows.T)
    new = np.ones(len(rows), np.bool_)
    np.any(rows[order[1:]] != rows[order[:-1]], axis=1, out=new[1:])
    group = np.empty(len(rows), np.int64)
    group[order] = np.cumsum(new) - 1
    return order[new], group


def _rows_once(rows: Places) -> Places:
    """The same rows, each once; several times as fast as np.unique along an axis."""
    rows = rows[np.lexsort(rows.T)]
    new = np.ones(len(rows), np.bool_)
    np.any(rows[1:] != rows[:-1], axis=1, out=new[1:])
    once: Places = rows[new]
    return once


def _ranges(first: Places, last: Places) -> Iterator[Pairs]:
    """All (row, i) with first[row] <= i < last[row], a block at a time."""
    sums = np.cumsum(np.maximum(last - first, 0))
    total = int(sums[-1]) if len(sums) else 0
    for low in range(0, total, _PAIRS):
        flat = np.arange(low, min(low + _PAIRS, total))
        row = np.searchsorted(sums, flat, "right")
        yield row, last[row] - sums[row] + flat
