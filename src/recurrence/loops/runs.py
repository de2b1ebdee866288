"""Exact repetition: the maximal run with the most evidence, anywhere in a sequence, whatever its period.

In: a 1-D sequence of integers (token ids, code points). Out: a `Run`, or None. Knows nothing of text, floors, verdicts.

The search goes down levels T = ..., 8, 4, 2, 1 and ends at the first that holds a run with matched >= T. There the
levels above have shown matched < 2T, so its period is below 2T; and matched >= T makes some window of `width` tokens
that starts on a grid of step T - width + 1 equal to the window one period before it. Comparing each grid window with
the 2T windows before it costs at most 4n comparisons whatever T is, so n log n in all.

Windows are compared by fingerprints (Karp & Rabin, 1987, modulo 2^31 - 1). Equal windows have equal fingerprints, so
nothing is missed; and as unequal ones may have too, the winner is checked token by token, and in the rare case that it
fails the search is made again with another base. The result is exact either way.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.integer[Any]]
Pairs = tuple[NDArray[np.int64], NDArray[np.int64]]

_PRIME = 2**31 - 1
_FIRST_BASE = 1_103_515_245
_BLOCK = 1 << 16
"""Positions fingerprinted, and windows compared, at a time: what stays in the processor's cache."""
_WIDEST = 4096
"""Longer windows cost more than they save: up to here they keep long runs of few tokens from giving many candidates."""


@dataclass(frozen=True)
class Run:
    """A maximal stretch ids[start:end] in which every token from `start + period` on equals the one a period before.

    `period` is the smallest there is (primitive). Positions and lengths count tokens.
    """

    start: int
    period: int
    end: int

    @property
    def copies(self) -> float:
        """How often the unit stands there; a last copy may be cut."""
        return (self.end - self.start) / self.period

    @property
    def matched(self) -> int:
        """The evidence: how many tokens repeat the one a period before."""
        return self.end - self.start - self.period

    @property
    def first_repeat(self) -> int:
        """Position of the first token that repeats."""
        return self.start + self.period


def find_run(ids: ArrayLike, least: int = 1) -> Run | None:
    """The run with the largest `matched` among all with copies >= 2; ties: smallest period, then earliest start.

    `least` leaves runs with less evidence out, which saves time. The largest is primitive by itself: at a multiple of
    its period a stretch has less evidence.
    """
    codes = _codes(ids)
    if len(codes) < 2:
        return None
    for base in count(_FIRST_BASE):
        run = _search(_Fingerprints(codes, base), max(least, 1))
        if run is None or np.array_equal(codes[run.start : run.end - run.period], codes[run.first_repeat : run.end]):
            return run
    raise AssertionError("unreachable: count() does not end")


def nested_run(ids: ArrayLike, run: Run, least: int = 1) -> Run | None:
    """The run with the largest `matched` inside one period of `run`, wherever that period is cut.

    Looked for in 2 * period - 1 tokens from the run's start: every rotation of the unit, and never the run itself.
    """
    stop = min(run.end, run.start + 2 * run.period - 1)
    inner = find_run(np.asarray(ids)[run.start : stop], least)
    return inner and Run(run.start + inner.start, inner.period, run.start + inner.end)


def _codes(ids: ArrayLike) -> Ints:
    """The ids as integers that fit the fingerprints; raises ValueError unless 1-D and whole numbers."""
    codes = np.asarray(ids)
    if codes.ndim != 1 or (codes.size and not np.issubdtype(codes.dtype, np.integer)):
        raise ValueError(f"ids must be a 1-D sequence of integers, got {codes.dtype} of shape {codes.shape}")
    if codes.size and (codes.min() < 0 or codes.max() >= _PRIME):
        codes = np.unique(codes, return_inverse=True)[1]
    return codes


@lru_cache(maxsize=4)
def _powers(base: int) -> NDArray[np.int64]:
    """base ** 0 .. base ** _BLOCK modulo the prime."""
    powers = np.ones(1, np.int64)
    while len(powers) <= _BLOCK:
        powers = np.concatenate([powers, powers * pow(base, len(powers), _PRIME) % _PRIME])
    return powers[: _BLOCK + 1]


class _Fingerprints:
    """Prefix fingerprints of a sequence: prefix[i + 1] = prefix[i] * base + codes[i], modulo the prime."""

    def __init__(self, codes: Ints, base: int) -> None:
        self.size, self.base = len(codes), base
        self.prefix = np.zeros(self.size + 1, np.int32)
        self._width, self._marks = 0, self.prefix
        powers, inverses = _powers(base), _powers(pow(base, -1, _PRIME))
        for low in range(0, self.size, _BLOCK):
            block = codes[low : low + _BLOCK].astype(np.int64)
            block = np.cumsum(block * inverses[1 : len(block) + 1] % _PRIME) + int(self.prefix[low])
            self.prefix[low + 1 : low + 1 + len(block)] = block % _PRIME * powers[1 : len(block) + 1] % _PRIME

    @property
    def pad(self) -> int:
        """Entries before the first window in `windows`: as many as the longest period."""
        return self.size // 2

    def windows(self, width: int) -> NDArray[np.int32]:
        """Fingerprints of all windows of `width` tokens, after `pad` entries that equal none."""
        if width != self._width:
            windows = self.size - width + 1
            self._width, self._marks = width, np.full(self.pad + windows, -1, np.int32)
            power = pow(self.base, width, _PRIME)
            for low in range(0, windows, _BLOCK):
                high = min(low + _BLOCK, windows)
                shifted = self.prefix[low:high].astype(np.int64) * power
                self._marks[self.pad + low : self.pad + high] = (
                    self.prefix[low + width : high + width] - shifted
                ) % _PRIME
        return self._marks

    def reach(self, at: NDArray[np.int64], lag: NDArray[np.int64], level: int) -> Pairs:
        """How many tokens before `at`, and from `at` on, equal those `lag` before them; both below 2 * level."""
        back, ahead = np.zeros_like(at), np.zeros_like(at)
        left = right = self._gap(at, lag)
        while level:
            power = pow(self.base, level, _PRIME)
            further = self._gap(np.minimum(at + ahead + level, self.size), lag)
            same = ((right * power - further) % _PRIME == 0) & (at + ahead + level <= self.size)
            ahead, right = ahead + level * same, np.where(same, further, right)
            further = self._gap(np.maximum(at - back - level, lag), lag)
            same = ((further * power - left) % _PRIME == 0) & (at - back - level >= lag)
            back, left = back + level * same, np.where(same, further, left)
            level //= 2
        return back, ahead

    def _gap(self, at: NDArray[np.int64], lag: NDArray[np.int64]) -> NDArray[np.int64]:
        """prefix[at] - prefix[at - lag]: windows before two such places are equal iff it grows by the base's power."""
        gap: NDArray[np.int64] = (self.prefix[at] - self.prefix[at - lag]).astype(np.int64)
        return gap


def _search(prints: _Fingerprints, least: int) -> Run | None:
    """The best run with matched >= least, as far as fingerprints can tell."""
    level = 1 << ((prints.size - 1).bit_length() - 1)
    while 2 * level > least:
        if run := _best(prints, level, max(level, least)):
            return run
        level //= 2
    return None


def _best(prints: _Fingerprints, level: int, least: int) -> Run | None:
    """The best run with matched >= least >= level, if none has 2 * level or more."""
    best: Run | None = None
    for at, lag in _batches(_pairs(prints, level)):
        if best:  # a stretch at this lag has at most size - lag tokens that match
            hopeful = prints.size - lag >= best.matched
            at, lag = at[hopeful], lag[hopeful]
        back, ahead = prints.reach(at, lag, level)
        matched, start = back + ahead, at - back - lag
        chosen = np.flatnonzero(matched >= np.maximum(lag, least))
        if len(chosen):
            top = chosen[np.lexsort((start[chosen], lag[chosen], -matched[chosen]))[0]]
            run = Run(int(start[top]), int(lag[top]), int(at[top] + ahead[top]))
            best = run if best is None else min(best, run, key=_rank)
    return best


def _rank(run: Run) -> tuple[int, int, int]:
    return -run.matched, run.period, run.start


def _pairs(prints: _Fingerprints, level: int) -> Iterator[Pairs]:
    """Places and lags of equal windows that every run with level <= matched < 2 * level has; small lags first."""
    width = min(max(level // 2, 1), _WIDEST)
    step, lags = level - width + 1, min(2 * level - 1, prints.size // 2)
    marks = prints.windows(width)
    before = sliding_window_view(marks, lags)[prints.pad - lags :]  # row t: the windows that start 'lags' .. 1 before t
    here = marks[prints.pad :]
    for high in range(lags, 0, -_BLOCK):
        low = max(high - _BLOCK, 0)
        stride = step * max(_BLOCK // (high - low), 1)
        for first in range(step, len(here), stride):
            rows = slice(first, min(first + stride, len(here)), step)
            equal = before[rows, low:high] == here[rows, None]
            if equal.any():
                row, column = np.divmod(np.flatnonzero(equal), high - low)
                yield first + row * step, lags - low - column


def _batches(pairs: Iterator[Pairs]) -> Iterator[Pairs]:
    """The same pairs, joined to batches that are worth a call."""
    held: list[Pairs] = []
    total = 0
    for pair in pairs:
        held.append(pair)
        total += len(pair[0])
        if total >= _BLOCK:
            yield _joined(held)
            held, total = [], 0
    if held:
        yield _joined(held)


def _joined(pairs: list[Pairs]) -> Pairs:
    return np.concatenate([at for at, _ in pairs]), np.concatenate([lag for _, lag in pairs])
