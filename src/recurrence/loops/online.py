"""The exact rule while the text is being made: which lanes loop by now, known at the very token that makes them loop.

In: a token per lane per call. Out: a flag per lane, and of those that loop where the loop began and its period.

A lane fires at the first token at which `find_run(what it was told, floor)` is not None: when some run first has
matched >= max(period, floor). That is exact, whatever the period, and costs about the same for each token. Each window
of `floor` tokens is looked up, by a rolling fingerprint, among those before it. Where an equal one stands `period`
before, and the tokens to the left of the two differ, a run with that period has just got `floor` matched tokens, and if
nothing breaks it it will have `period` of them at a known token: then, and not before, tokens are compared.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recurrence.loops.verdict import DEFAULT_FLOORS

_PRIME = 2**31 - 1
_BASE = 1_103_515_245
_MANY = 8
"""From so many lanes on their fingerprints are rolled together."""
_NOWHERE = 2**62
"""Minus this and a count stands for each token that repeats nothing."""


class OnlineDetector:
    """Exact loops in `lanes` texts that grow by a token each at a time.

    `floor` is the least evidence in tokens; default: DEFAULT_FLOORS of the unit (char, word, token). `unknown` is an id
    that repeats nothing, not even itself (<unk>, padding). A lane that fired stays so, at no further cost, until it is
    reset. Memory grows with the tokens told, by about 150 bytes each.
    """

    def __init__(
        self, lanes: int, unit: str = "char", floor: int | None = None, unknown: int | None = None
    ) -> None:
        self.floor = DEFAULT_FLOORS[unit] if floor is None else max(floor, 1)
        self.unknown = unknown
        self._told = 0
        self.fired: NDArray[np.bool_] = np.zeros(lanes, np.bool_)
        self.start: NDArray[np.int64] = np.full(lanes, -1)
        """Per lane that fired the first token of the loop's first unit, else -1; and likewise `period`."""
        self.period: NDArray[np.int64] = np.full(lanes, -1)
        self._power = pow(_BASE, self.floor, _PRIME)
        self._lanes = [_Lane(self.floor, self._power) for _ in range(lanes)]
        self._rolling = _Rolling(lanes, self.floor, self._power) if lanes >= _MANY else None

    def update(self, tokens: ArrayLike) -> NDArray[np.bool_]:
        """Tell one more token per lane; returns which lanes have fired by now. What fired lanes are told is ignored."""
        told = np.asarray(tokens)
        if told.shape != self.fired.shape or told.dtype.kind not in "iu":
            raise ValueError(
                f"tokens must be {len(self.fired)} integers, one per lane; got {told.dtype} of shape {told.shape}"
            )
        if self.unknown is not None:
            self._told += 1
            told = np.where(told == self.unknown, -_NOWHERE - self._told, told.astype(np.int64))
        keys = self._rolling.roll(told) if self._rolling else None
        for i, token in enumerate(told.tolist()):
            lane = self._lanes[i]
            if lane.over:
                continue
            period = lane.add(token, keys[i] if keys else lane.roll(token))
            if period:
                self.fired[i], self.period[i] = True, period
                self.start[i] = len(lane.tokens) - max(period, self.floor) - period
                self._lanes[i] = _Lane(
                    self.floor, self._power, over=True
                )  # what it remembered is not needed any more
        return self.fired.copy()

    def reset(self, lane: int) -> None:
        """Start a lane anew, as if it had been told nothing."""
        self.fired[lane], self.start[lane], self.period[lane] = False, -1, -1
        self._lanes[lane] = _Lane(self.floor, self._power)
        if self._rolling:
            self._rolling.reset(lane)


@dataclass(slots=True)
class _Lane:
    """One text, and what is to be remembered of it."""

    floor: int
    power: int
    """The base of the fingerprints to the power of `floor`."""
    over: bool = False
    tokens: list[int] = field(default_factory=list)
    key: int = 0
    """Fingerprint of the last `floor` tokens."""
    seen: dict[int, Any] = field(default_factory=dict)
    """Per fingerprint where such windows ended: a number, or if several, lists by the token to the left of them."""
    due: dict[int, list[int]] = field(default_factory=dict)
    """Per length of the text the periods that have as much evidence then as they need, if they still go on."""

    def roll(self, token: int) -> int:
        """The fingerprint of the last `floor` tokens once this one is added."""
        gone = self.tokens[-self.floor] if len(self.tokens) >= self.floor else 0
        self.key = (self.key * _BASE + token - gone * self.power) % _PRIME
        return self.key

    def add(self, token: int, key: int) -> int | None:
        """Add a token, told the fingerprint with it; returns the period if the text loops from now on."""
        self.tokens.append(token)
        end = len(self.tokens)
        if end < self.floor:
            return None
        before = self.seen.get(key)
        if before is None:
            self.seen[key] = end
        else:
            self._await(before, key, end)
        return self._settle(self.due.pop(end), end) if end in self.due else None

    def _await(self, before: Any, key: int, end: int) -> None:
        """Take note of the runs that reach `floor` matched tokens here, if the windows are truly equal."""
        if not isinstance(before, dict):
            self.seen[key] = before = {self._left(before): [before]}
        left = self._left(end)
        for other, ends in before.items():
            if other != left:
                for old in ends:
                    period = end - old
                    self.due.setdefault(end + max(period - self.floor, 0), []).append(period)
        before.setdefault(left, []).append(end)

    def _left(self, end: int) -> int | None:
        """The token to the left of the window that ends there."""
        return self.tokens[end - self.floor - 1] if end > self.floor else None

    def _settle(self, periods: list[int], end: int) -> int | None:
        """Of some periods the one with the most evidence (if equal, the smallest) whose evidence is there."""
        for period in sorted(periods, key=lambda p: (-max(p, self.floor), p)):
            matched = max(period, self.floor)
            first = end - matched
            if self.tokens[first] == self.tokens[first - period] and (
                self.tokens[first:] == self.tokens[first - period : end - period]
            ):
                return period
        return None


class _Rolling:
    """Fingerprints of the last `floor` tokens of many lanes, rolled at once."""

    def __init__(self, lanes: int, floor: int, power: int) -> None:
        self.key = np.zeros(lanes, np.int64)
        self.last = np.zeros((floor, lanes), np.int64)
        self.told, self.power = 0, power

    def roll(self, tokens: NDArray[np.integer[Any]]) -> list[int]:
        row = self.last[self.told % len(self.last)]
        gone = row * self.power % _PRIME
        row[:] = tokens % _PRIME
        self.key = (self.key * _BASE + row - gone) % _PRIME
        self.told += 1
        keys: list[int] = self.key.tolist()
        return keys

    def reset(self, lane: int) -> None:
        self.key[lane], self.last[:, lane] = 0, 0
