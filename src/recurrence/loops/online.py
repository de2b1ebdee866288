"""The exact rule while the text is being made: which lanes loop by now, known at the very token
that makes them loop.

In: a token per lane per call. Out: a flag per lane, and of those that loop where the loop began and
its period.

A lane fires at the first token at which `find_run(what it was told, floor)` is not None: when some
run first has matched >= max(period, floor). Periods are looked for in levels that double. For those
in [w, 2w) windows of w / 2 tokens are kept, one for each w / 4 tokens, and each token's window is
looked up among them: a run that is to have w matched tokens covers a kept one and repeats it before
it has them. Then it is known when the run will have its evidence, if nothing breaks it, and at that
token, and not before, tokens are compared. Before a lane fires no window comes again within its own
length (that would be a run), so a window is found at most a few times at each level: the cost of a
token grows as the logarithm of the text, whatever the text.
"""

from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recurrence.loops.verdict import DEFAULT_FLOORS

_PRIME = 2**61 - 1
_BASE = 1_103_515_245
_NOWHERE = 2**62
"""Minus this and a count stands for each token that repeats nothing."""


class OnlineDetector:
    """Exact loops in `lanes` texts that grow by a token each at a time.

    `floor` is the least evidence in tokens; default: DEFAULT_FLOORS of the unit (char, word,
    token). `unknown` is an id that repeats nothing, not even itself (<unk>, padding). A lane that
    fired stays so, at no further cost, until it is reset. `window` is the largest period that is
    looked for, and memory grows no further than four times that; by default it is any, and memory
    grows with the tokens told, by about 150 bytes each.
    """

    def __init__(
        self,
        lanes: int,
        unit: str = "char",
        floor: int | None = None,
        unknown: int | None = None,
        window: int | None = None,
    ) -> None:
        self.window = window
        self.floor = DEFAULT_FLOORS[unit] if floor is None else max(floor, 1)
        self.unknown = unknown
        self._told = 0
        self.fired: NDArray[np.bool_] = np.zeros(lanes, np.bool_)
        self.start: NDArray[np.int64] = np.full(lanes, -1)
        """Per lane that fired the first token of the loop's first unit, else -1; and likewise
        `period`.
        """
        self.period: NDArray[np.int64] = np.full(lanes, -1)
        self._lanes = [_Lane(self.floor, window) for _ in range(lanes)]

    def update(self, tokens: ArrayLike) -> NDArray[np.bool_]:
        """Tell one more token per lane; returns which lanes have fired by now. What fired lanes are
        told is ignored.
        """
        told = np.asarray(tokens)
        if told.shape != self.fired.shape or told.dtype.kind not in "iu":
            raise ValueError(
                f"tokens must be {len(self.fired)} integers, one per lane; got {told.dtype} of "
                f"shape {told.shape}"
            )
        if self.unknown is not None:
            self._told += 1
            told = np.where(told == self.unknown, -_NOWHERE - self._told, told.astype(np.int64))
        for i, token in enumerate(told.tolist()):
            lane = self._lanes[i]
            if lane.over:
                continue
            period = lane.add(token)
            if period:
                self.fired[i], self.period[i] = True, period
                self.start[i] = lane.told - max(period, self.floor) - period
                self._lanes[i] = _Lane(
                    self.floor, self.window, over=True
                )  # the rest is not needed any more
        return self.fired.copy()

    def reset(self, lane: int) -> None:
        """Start a lane anew, as if it had been told nothing."""
        self.fired[lane], self.start[lane], self.period[lane] = False, -1, -1
        self._lanes[lane] = _Lane(self.floor, self.window)


@dataclass(slots=True)
class _Level:
    """Windows that are kept to find periods in [shortest, beyond)."""

    shortest: int
    beyond: int
    size: int
    """Tokens of a window."""
    step: int
    """Tokens from one window that is kept to the next."""
    power: int
    """The base of the fingerprints to the power of `size`."""
    kept: dict[int, list[int]] = field(default_factory=dict)
    """Per fingerprint where such windows ended."""
    order: deque[tuple[int, int]] = field(default_factory=deque)
    """The same in order: (end, fingerprint)."""


class _Lane:
    """One text, and what is to be remembered of it."""

    def __init__(self, floor: int, window: int | None, over: bool = False) -> None:
        self.floor, self.window, self.over = floor, window, over
        self.told = 0
        self.gone = 0
        """Tokens that were told and are forgotten."""
        self.tokens: list[int] = []
        self.prefix = [0]
        """Fingerprints of all tokens up to each, one more than there are tokens."""
        self.levels: list[_Level] = []
        self.due: dict[int, list[int]] = {}
        """Per length of the text the periods that have as much evidence then as they need, if they
        still go on.
        """
        self.awaited: dict[int, int] = {}
        """Per period that is due the length at which it is."""

    def add(self, token: int) -> int | None:
        """Add a token; returns the period if the text loops from now on."""
        self.tokens.append(token)
        self.prefix.append((self.prefix[-1] * _BASE + token) % _PRIME)
        self.told += 1
        if self._next_level() < self.told:
            self._open()
        for level in self.levels:
            self._look(level)
        found = self._settle(self.due.pop(self.told)) if self.told in self.due else None
        if self.window and len(self.tokens) > 4 * self.window + 4 * self.floor:
            self._forget()
        return found

    def _next_level(self) -> int:
        """The shortest period of the next level."""
        return self.floor << len(self.levels) if self.levels else 0

    def _open(self) -> None:
        """Begin to look for periods twice as long. What was told before is too short to have
        them.
        """
        first = not self.levels
        width = self.floor if first else self.floor << len(self.levels)
        if self.window and width > self.window and not first:
            return
        size, step = max(width // 2, 1), max(width // 4, 1)
        shortest = 1 if first else width
        level = _Level(shortest, 2 * width, size, step, pow(_BASE, size, _PRIME))
        self.levels.append(level)
        for end in range(-(-size // step) * step, self.told, step):
            self._keep(level, end)

    def _key(self, level: _Level, end: int) -> int:
        """The fingerprint of the window of a level that ends there."""
        at = end - self.gone
        return (self.prefix[at] - self.prefix[at - level.size] * level.power) % _PRIME

    def _look(self, level: _Level) -> None:
        """Look the last window up, and keep it where it is its turn."""
        end = self.told
        if end < level.size:
            return
        at = end - self.gone
        key = (self.prefix[at] - self.prefix[at - level.size] * level.power) % _PRIME
        for old in level.kept.get(key, ()):
            if level.shortest <= end - old < level.beyond:
                self._await(end - old)
        if end % level.step == 0:
            self._keep(level, end)

    def _keep(self, level: _Level, end: int) -> None:
        """Keep a window, and no longer those that are too far back."""
        key = self._key(level, end)
        level.kept.setdefault(key, []).append(end)
        level.order.append((end, key))
        while level.order[0][0] <= end - level.beyond:
            _, old = level.order.popleft()
            ends = level.kept[old]
            del ends[0]
            if not ends:
                del level.kept[old]

    def _await(self, period: int) -> None:
        """Take note of when a run that is under way has its evidence."""
        if self.awaited.get(period, 0) >= self.told or self.tokens[-1] != self.tokens[-1 - period]:
            return
        left = max(period, self.floor) - self._matched(period)
        when = self.told + max(left, 0)
        self.awaited[period] = when
        self.due.setdefault(when, []).append(period)

    def _matched(self, period: int) -> int:
        """How many of the last tokens repeat those a period before, by their fingerprints: no fewer
        than do.
        """
        low, high = 1, min(max(period, self.floor), len(self.tokens) - period)
        while low < high:
            middle = (low + high + 1) // 2
            if self._same(period, middle):
                low = middle
            else:
                high = middle - 1
        return low

    def _same(self, period: int, size: int) -> bool:
        """Whether the last `size` tokens have the fingerprint of those a period before."""
        power = pow(_BASE, size, _PRIME)
        end = len(self.tokens)
        last = self.prefix[end] - self.prefix[end - size] * power
        before = self.prefix[end - period] - self.prefix[end - period - size] * power
        return (last - before) % _PRIME == 0

    def _settle(self, periods: list[int]) -> int | None:
        """Of some periods the one with the most evidence (if equal, the smallest) whose evidence is
        there.
        """
        end = len(self.tokens)
        for period in sorted(periods, key=lambda p: (-max(p, self.floor), p)):
            self.awaited.pop(period, None)
            matched = max(period, self.floor)
            first = end - matched
            if first < period or self.tokens[-1] != self.tokens[-1 - period]:
                continue
            if self._same(period, matched) and (
                self.tokens[first:] == self.tokens[first - period : end - period]
            ):
                return period
            when = self.told + max(matched - self._matched(period), 1)
            self.awaited[period] = when
            self.due.setdefault(when, []).append(period)
        return None

    def _forget(self) -> None:
        """Forget what is too far back for any period that is looked for."""
        assert self.window is not None
        cut = len(self.tokens) - 2 * self.window - 2 * self.floor
        del self.tokens[:cut]
        del self.prefix[:cut]
        self.gone += cut
