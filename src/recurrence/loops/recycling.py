"""Reuse without a period: a sample made of its own phrases, though never the same stretch over and
over.

In: token ids, text. Out: the two figures by which it is told, and the limits that people's own text
keeps below.

Both figures grow with length, so of a sample longer than `length` every stretch of that length is
looked at by itself.
"""

from collections.abc import Iterable
from math import ceil

import numpy as np
from numpy.typing import ArrayLike

from recurrence.repetition.metrics import rep_n, zlib_ratio


def reuse(ids: ArrayLike, n: int, length: int) -> float:
    """The largest rep-n (share of n-grams that are not new) of stretches of `length`; 0 where none
    has an n-gram.
    """
    ids = np.asarray(ids)
    starts = range(0, len(ids) - n + 1, max(length, n))
    return max((rep_n(ids[low : low + length], n) for low in starts), default=0.0)


def squeeze(text: str, tokens: int, length: int) -> float:
    """The largest zlib ratio of a text of so many tokens, cut evenly in stretches of at most
    `length`; 0 for none.
    """
    parts = max(ceil(tokens / length), 1)
    cuts = [len(text) * i // parts for i in range(parts + 1)]
    return max(
        (
            zlib_ratio(text[low:high])
            for low, high in zip(cuts, cuts[1:], strict=False)
            if high > low
        ),
        default=0,
    )


def reuse_limit(texts: Iterable[ArrayLike], n: int, default: float) -> float:
    """The rep-n that only recycling exceeds: `default`, or the largest of these texts of people."""
    return max([default, *(reuse(ids, n, len(np.asarray(ids))) for ids in texts)])


def squeeze_limit(texts: Iterable[str]) -> float | None:
    """The zlib ratio that only recycling exceeds: a tenth more than the largest of these texts of
    people; None without.

    A tenth, as a few hundred windows do not show what one in a thousand has.
    """
    return max((1.1 * zlib_ratio(text) for text in texts if text), default=None)
