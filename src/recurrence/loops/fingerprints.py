"""Fingerprints: a number per stretch of tokens, so that any two stretches are compared in constant
time.

In: token ids as integers in [0, PRIME). Out: fingerprints (Karp & Rabin, 1987, modulo 2^31 - 1) of
windows anywhere. Equal stretches have equal fingerprints, so nothing is missed; unequal ones may
have too (1 in 2^31), so who needs certainty compares the tokens of what was found.
"""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.integer[Any]]
Places = NDArray[np.int64]
Flags = NDArray[np.bool_]
Spans = NDArray[np.int64]
"""Rows of (start, period, end)."""

PRIME = 2**31 - 1
BLOCK = 1 << 14
"""Positions worked on at a time: what stays in the processor's cache."""


class Fingerprints:
    """Prefix fingerprints of a sequence: prefix[i + 1] = prefix[i] * base + codes[i], modulo the
    prime.
    """

    def __init__(self, codes: Ints, base: int) -> None:
        self.size, self.base = len(codes), base
        self.prefix = np.zeros(self.size + 1, np.int32)
        powers, inverses = _powers(base), _powers(pow(base, -1, PRIME))
        for low in range(0, self.size, BLOCK):
            block = codes[low : low + BLOCK].astype(np.int64)
            block = np.cumsum(_modulo(block * inverses[1 : len(block) + 1])) + int(self.prefix[low])
            self.prefix[low + 1 : low + 1 + len(block)] = _modulo(
                _modulo(block) * powers[1 : len(block) + 1]
            )

    def windows(self, at: slice | Places, width: int) -> Places:
        """Fingerprints of the windows of `width` tokens that begin at these places."""
        ends = slice(at.start + width, at.stop + width) if isinstance(at, slice) else at + width
        return _modulo(
            (PRIME - self.prefix[at].astype(np.int64)) * pow(self.base, width, PRIME)
            + self.prefix[ends]
        )

    def repeats(self, at: Places, lag: Places, length: int) -> Flags:
        """Whether the `length` tokens from `at` on equal those `lag` before them."""
        grown = self._gap(at, lag) * pow(self.base, length, PRIME)
        same: Flags = _modulo(grown - self._gap(at + length, lag)) == 0
        return same

    def reach(
        self, at: Places, lag: Places, low: Places, high: Places, enough: Places
    ) -> tuple[Places, Places]:
        """From where to where around `at` all tokens in [low, high) equal those `lag` before them.

        Where they are fewer than `enough`, that may be said to be nowhere: most such are given up
        early.
        """
        reached, rows, gap = np.stack([at, at]), np.arange(len(at)), self._gap(at, lag)
        level = 1 << int(np.maximum(at - low, high - at).max(initial=0)).bit_length()
        state = np.stack([lag, low, high, enough, at, at, gap, gap])
        while level := level // 2:
            lag, low, high, enough, begin, end, left, right = state
            power = pow(self.base, level, PRIME)
            edge = np.minimum(end + level, high)
            further = self._gap(edge, lag)
            same = (_modulo(right * power - further) == 0) & (edge - end == level)
            np.copyto(end, edge, where=same)
            np.copyto(right, further, where=same)
            edge = np.maximum(begin - level, low)
            further = self._gap(edge, lag)
            same = (_modulo(further * power - left) == 0) & (begin - edge == level)
            np.copyto(begin, edge, where=same)
            np.copyto(left, further, where=same)
            hopeful = end - begin > enough - 2 * level
            if 2 * np.count_nonzero(hopeful) < len(hopeful):
                state, rows = state[:, hopeful], rows[hopeful]
        reached[:, rows] = state[4:6]
        return reached[0], reached[1]

    def _gap(self, at: Places, lag: Places) -> Places:
        """prefix[at] - prefix[at - lag]: windows before two such places are equal iff it grows by
        the base's power.
        """
        gap: Places = (self.prefix[at] - self.prefix[at - lag]).astype(np.int64)
        return gap


def winnow(values: Places, width: int) -> Flags:
    """Which values are the smallest of some `width` in a row, all that tie included (Schleimer et
    al., 2003).

    So every `width` in a row have one; and whether a value is one depends on its `width` - 1
    neighbours on each side.
    """
    if len(values) < width:
        return np.zeros(len(values), np.bool_)
    around = np.full(width - 1, -1, values.dtype)
    smallest = slide(np.minimum, values, width)
    chosen: Flags = values == slide(np.maximum, np.concatenate([around, smallest, around]), width)
    return chosen


def slide(of: np.ufunc, values: NDArray[Any], width: int) -> NDArray[Any]:
    """`of` (minimum, maximum, logical_and) over each `width` values in a row, by doubling."""
    known = 1
    while known < width:
        step = min(known, width - known)
        values, known = of(values[:-step], values[step:]), known + step
    return values


@lru_cache(maxsize=4)
def _powers(base: int) -> Places:
    """base ** 0 .. base ** BLOCK modulo the prime."""
    powers = np.ones(1, np.int64)
    while len(powers) <= BLOCK:
        powers = np.concatenate([powers, powers * pow(base, len(powers), PRIME) % PRIME])
    return powers[: BLOCK + 1]


def _modulo(values: Places) -> Places:
    """The same array with its values modulo the prime: several times as fast as %, as dividing is
    vectorized.
    """
    whole = values // PRIME
    whole *= PRIME
    values -= whole
    return values
