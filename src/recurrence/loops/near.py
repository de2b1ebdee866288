"""Loops whose copies differ a little: stretches that fit themselves one period before, give or take edits, anywhere.

In: a 1-D sequence of token ids. Out: a `Near`, or None. Knows nothing of text, floors of a corpus, verdicts.

Where tokens stand that stood before in the same order is a seed: a place and a lag. From the longest seeds the sequence
is aligned with itself both ways (alignment.py), a token for a token and an edit for 1 / delta tokens, so that a stretch
goes on as long as it gains, whose edits are fewer than delta per token. Edits may come in a row where they are few
beside the period: no more of them than `delta` of it, as where block after block is held against the block before.
Time grows linearly with length: some 3 ms per 1,000 characters that do not loop, 3 to 7 ms of those that do.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recurrence.loops.alignment import reach, slack
from recurrence.loops.fingerprints import Ints

SEEDS = {"char": 6, "word": 3, "token": 3}
"""Tokens in a row that make a seed, by unit."""

_SPAN = 8192
"""Seeds are looked for in windows of so many tokens, which overlap by half: no larger period is found."""
_TRIED = 32
"""Seeds tried per window, but those in what is known."""
_PROBE, _GROWN = 5.0, 10.0
"""Edits in a row after which an alignment gives up: at first, and where half of the floor already speaks for it."""
_WHOLE = 0.6
"""So much of a copy counts as one: the rest may be edited away, or cut."""


@dataclass(frozen=True)
class Near:
    """A stretch ids[start:end] whose tokens from `start + period` on fit those a period before, but for `edits`.

    `period` is the median of the lags at which they do. Positions and lengths count tokens.
    """

    start: int
    period: int
    end: int
    edits: int

    @property
    def copies(self) -> float:
        """How often the unit stands there, a little different each time."""
        return (self.end - self.start) / self.period

    @property
    def aligned(self) -> int:
        """Tokens that were held against the copy before."""
        return self.end - self.start - self.period

    @property
    def matched(self) -> int:
        """The evidence: aligned tokens less edits."""
        return self.aligned - self.edits

    @property
    def weight(self) -> int:
        """What a floor is held against: `matched`, of two copies half of it, of less nothing."""
        copies = self.copies + 1 - _WHOLE
        return self.matched if copies >= 3 else self.matched // 2 if copies >= 2 else 0

    @property
    def identity(self) -> float:
        """The share of aligned tokens that needed no edit."""
        return 1 - self.edits / self.aligned


def find_near(ids: ArrayLike, floor: int, delta: float = 0.4, seed: int = 3) -> Near | None:
    """The loop with the largest `matched` of those with weight >= floor; ties: smallest period, then earliest start.

    `delta` is how many edits per token are too many, `seed` how many tokens must come again for a place to be tried.
    ValueError where the ids are not a 1-D sequence.
    """
    if np.ndim(ids) != 1:
        raise ValueError(f"ids must be a 1-D sequence, got shape {np.shape(ids)}")
    codes = np.unique(np.asarray(ids), return_inverse=True)[1]
    found: list[Near] = []
    for low in range(0, max(len(codes) - _SPAN // 2, 1), _SPAN // 2):
        tried = 0
        for place, lag in _seeds(codes[low : low + _SPAN], seed):
            if any(_known(low + place, lag, near) for near in found):
                continue
            near = _grown(codes, low + place, lag, delta, _PROBE)
            if 2 * near.matched >= floor:
                near = _grown(codes, low + place, lag, delta, max(_GROWN, delta * lag))
            found.append(near)
            tried += 1
            if tried == _TRIED:
                break
    loops = [near for near in found if near.weight >= floor]
    return min(loops, key=lambda near: (-near.matched, near.period, near.start), default=None)


def _known(place: int, lag: int, near: Near) -> bool:
    """Whether a seed lies in what was found, at its period or above."""
    return near.start <= place - lag and place <= near.end and lag >= near.period - slack(near.period)


def _grown(codes: Ints, place: int, lag: int, delta: float, edits: float) -> Near:
    """The stretch around a seed, aligned both ways as far as it gains; over `edits` lost in a row it gives up."""
    cost = 1 / delta
    ahead = reach(codes, place, lag, cost, edits * (cost - 1))
    back = reach(codes[::-1], len(codes) - place + lag, lag, cost, edits * (cost - 1))
    lags = sorted([lag, *ahead.lags, *back.lags])
    start, end = place - lag - back.tokens, place + ahead.tokens
    return Near(start, min(lags[len(lags) // 2], end - start), end, ahead.edits + back.edits)


# ---------------------------------------------------------------- seeds


def _seeds(codes: Ints, size: int) -> Iterator[tuple[int, int]]:
    """Places and lags at which tokens come again, the longest stretches first."""
    places, lags, lengths = _repeats(codes, size)
    for i in np.argsort(-lengths, kind="stable").tolist():
        yield int(places[i]), int(lags[i])


def _repeats(codes: Ints, size: int) -> NDArray[np.int64]:
    """Place, lag and length of stretches that came before, at least `size` long, at their nearest lag: (3, stretches).

    As the nearest copy of a few tokens may stand nearer than that of many, they are looked for at 1, 2, 4 and 8 sizes.
    """
    found, names, known = [np.zeros((3, 0), np.int64)], np.asarray(codes, np.int64), 1
    for length in (size, 2 * size, 4 * size, 8 * size):
        while known < length and len(names) > 1:
            by = min(known, length - known, len(names) - 1)
            names = np.unique(names[:-by] * (names.max() + 1) + names[by:], return_inverse=True)[1]
            known += by
        order = np.argsort(names, kind="stable")
        again = np.flatnonzero(names[order[1:]] == names[order[:-1]])
        if known < length or not len(again):
            break
        lags = np.zeros(len(names), np.int64)
        lags[order[again + 1]] = order[again + 1] - order[again]
        starts = np.flatnonzero(np.diff(lags, prepend=0))
        ends = np.append(starts[1:], len(lags))
        stretches = np.stack([starts, lags[starts], ends - starts + length - 1])
        found.append(stretches[:, lags[starts] > 0])
    return np.concatenate(found, axis=1)
