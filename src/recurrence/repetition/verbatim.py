"""How long a stretch of each sample stands word for word in a text: in the one a model was trained
on, mostly.

In: many 1-D sequences of token ids (not negative), and the text's ids. Out: one length per sample,
exact.

Windows of one length are compared by fingerprints (Karp & Rabin, 1987, modulo 2^64), those of all
samples with those of the text at once, and the length is searched for by doubling and halving. A
place whose window of 8 is not found is never looked at again, on either side, so that what is
compared shrinks fast. Equal windows have equal fingerprints, so nothing is missed; the stretches
found are compared token by token, and if one is wrong, all is done again with others.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.integer[Any]]
Mask = NDArray[np.bool_]

_BASE = 0x9E3779B97F4A7C15
_FIRST = 8
"""The length tried first."""
_AT_ONCE = 1 << 22
"""Tokens of samples that are looked for at a time; each pass over the text costs some tenths of a
second a million.
"""


def longest_verbatim(samples: Sequence[ArrayLike], text: ArrayLike) -> NDArray[np.int64]:
    """Per sample, the length of its longest stretch that stands in the text too."""
    read = np.asarray(text)
    found = [_longest(batch, read) for batch in _batches([np.asarray(ids) for ids in samples])]
    return np.concatenate([np.zeros(0, np.int64), *found])


def _batches(samples: list[Ints]) -> Iterator[list[Ints]]:
    """The samples in order, so many at a time that the memory stays bounded."""
    held, tokens = list[Ints](), 0
    for sample in samples:
        held.append(sample)
        tokens += len(sample)
        if tokens >= _AT_ONCE:
            yield held
            held, tokens = [], 0
    if held:
        yield held


def _longest(samples: list[Ints], text: Ints) -> NDArray[np.int64]:
    sizes = [len(ids) for ids in samples]
    if not sum(sizes):
        return np.zeros(len(samples), np.int64)
    joined = np.concatenate([ids for ids in samples if len(ids)])
    for seed in count():
        codes = np.random.default_rng(seed).integers(
            0, 1 << 64, _largest(joined, text) + 1, np.uint64
        )
        lengths = _Search(sizes, _Prints(joined, codes), _Prints(text, codes)).run()
        if lengths is not None:
            return lengths
    raise AssertionError("unreachable: count() does not end")


def _largest(*ids: Ints) -> int:
    return max(int(part.max()) for part in ids if len(part))


class _Prints:
    """Fingerprints of all windows of a sequence, given a random number for each id."""

    def __init__(self, ids: Ints, codes: NDArray[np.uint64]) -> None:
        self.ids = ids
        self._sums = np.zeros(len(ids) + 1, np.uint64)
        np.cumsum(codes[ids] * _powers(_BASE, len(ids)), out=self._sums[1:])
        self._shifts = _powers(pow(_BASE, -1, 1 << 64), len(ids))

    def __len__(self) -> int:
        return len(self.ids)

    def of(self, starts: Ints, length: int) -> NDArray[np.uint64]:
        """Those of the windows of `length` at `starts`, all inside the sequence."""
        return (self._sums[starts + length] - self._sums[starts]) * self._shifts[starts]


def _powers(base: int, number: int) -> NDArray[np.uint64]:
    """base ** 0, 1, 2, ... modulo 2^64."""
    powers = np.full(number, base, np.uint64)
    powers[:1] = 1
    return np.cumprod(powers)


@dataclass
class _Search:
    sizes: list[int]
    own: _Prints
    text: _Prints

    def run(self) -> NDArray[np.int64] | None:
        """The lengths; None where a fingerprint misled."""
        sample = np.repeat(np.arange(len(self.sizes)), self.sizes)
        ends = np.cumsum(self.sizes)[sample]
        lengths = np.zeros(len(self.sizes), np.int64)
        # places whose windows of `low` all match, and samples whose answer is in [low, high)
        todo: list[tuple[Ints, Ints, int, int]] = [
            (np.arange(len(self.own)), np.arange(len(self.text)), 0, max(self.sizes) + 1)
        ]
        while todo:
            here, there, low, high = todo.pop()
            if high - low == 1:
                if low and not self._equal(here, there, low):
                    return None
                lengths[sample[here]] = low
                continue
            length = min(max(_FIRST, 2 * low), (low + high) // 2)
            inside = here[here + length <= ends[here]]
            matched, theirs = self._matching(inside, there, length)
            has = np.zeros(len(self.sizes), bool)
            has[sample[matched]] = True
            if len(rest := here[~has[sample[here]]]):
                todo.append((rest, there, low, length))
            if len(matched):
                todo.append((matched, theirs, length, high))
        return lengths

    def _matching(self, here: Ints, there: Ints, length: int) -> tuple[Ints, Ints]:
        """The places on each side whose windows of `length` stand at a place of the other."""
        there = there[: np.searchsorted(there, len(self.text) - length, "right")]
        ours, theirs = self.own.of(here, length), self.text.of(there, length)
        known = _among(theirs, ours)
        return here[_among(ours, theirs[known])], there[known]

    def _equal(self, here: Ints, there: Ints, length: int) -> bool:
        """The windows at `here` stand at `there` token by token, as far as one place of each
        fingerprint goes.
        """
        marks, ours = self.text.of(there, length), self.own.of(here, length)
        order = np.argsort(marks)
        partner = there[order[np.searchsorted(marks[order], ours)]]
        return all(
            bool(np.all(self.own.ids[here + k] == self.text.ids[partner + k]))
            for k in range(length)
        )


def _among(values: NDArray[np.uint64], others: NDArray[np.uint64]) -> Mask:
    """Which values are among the others."""
    known = np.unique(others)
    if not len(known):
        return np.zeros(len(values), bool)
    found: Mask = known[np.minimum(np.searchsorted(known, values), len(known) - 1)] == values
    return found
