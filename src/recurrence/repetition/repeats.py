"""Where a sequence repeats what came before: for each position, the longest stretch that also
begins earlier.

In: a 1-D sequence of token ids. Out: lengths. By a suffix array: time near linear in the length.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.integer[Any]]


def previous_factors(ids: ArrayLike) -> NDArray[np.int64]:
    """Per position, the length of the longest stretch from there that begins at an earlier one too;
    both may overlap.

    Known as LPF. From the suffixes in order: going from the last position back, the earlier suffix
    that agrees with a position's longest is one of its two neighbours among those that are left
    (Crochemore & Ilie, IPL 106, 2008).
    """
    levels = _levels(np.asarray(ids))
    size = len(levels[0]) - 1
    if not size:
        return np.zeros(0, np.int64)
    order = np.argsort(levels[-1][:size])
    common = [
        0,
        *_agreement(levels, order[:-1], order[1:]).tolist(),
        0,
    ]  # common[r]: of the suffixes r - 1 and r
    rank = np.argsort(order).tolist()
    before, after = list(range(-1, size)), list(range(1, size + 2))
    factors = np.zeros(size, np.int64)
    for position in range(size - 1, -1, -1):
        r = rank[position]
        left, right = common[r], common[after[r]]
        factors[position] = left if left > right else right
        common[after[r]] = left if left < right else right
        after[before[r]], before[after[r]] = after[r], before[r]
    return factors


def _levels(ids: Ints) -> list[Ints]:
    """For widths 1, 2, 4, ...: a number for the stretch of that width from each position, equal
    where they are equal and in their order; until all differ (Karp, Miller & Rosenberg, 1972). What
    passes the end equals nothing; a last entry, -1, is the empty stretch at the end.
    """
    numbers, width = np.unique(ids, return_inverse=True)[1].astype(np.int64), 1
    levels = [np.append(numbers, -1)]
    while len(numbers) and numbers.max() < len(numbers) - 1:
        second = np.zeros_like(numbers)
        second[: max(len(numbers) - width, 0)] = numbers[width:] + 1
        numbers = np.unique(numbers * (len(numbers) + 1) + second, return_inverse=True)[1]
        levels.append(np.append(numbers, -1))
        width *= 2
    return levels


def _agreement(levels: list[Ints], one: Ints, other: Ints) -> NDArray[np.int64]:
    """How many tokens from each position `one` equal those from `other`."""
    size = len(levels[0]) - 1
    common = np.zeros(len(one), np.int64)
    for k in range(len(levels) - 1, -1, -1):
        a, b = (
            levels[k][np.minimum(one + common, size)],
            levels[k][np.minimum(other + common, size)],
        )
        common += ((a == b) & (a >= 0)).astype(np.int64) << k
    return common
