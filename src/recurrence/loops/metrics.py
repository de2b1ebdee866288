"""How repetitive a sequence is, period or not: shares of repeated n-grams, compressibility, the longest repeat.

In: a 1-D sequence of token ids, or text. Out: one number; NaN where a sequence is too short for it to be defined.
"""

import zlib
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.integer[Any]]

METRICS = ("rep_1", "rep_2", "rep_3", "rep_4", "rep_8", "distinct_2", "distinct_4", "zlib_ratio", "longest_repeat")
"""What `measure` gives, in this order."""


def measure(ids: ArrayLike, text: str) -> dict[str, float]:
    """All METRICS of one sample: of its ids, and the zlib ratio of its text."""
    figures = {f"rep_{n}": rep_n(ids, n) for n in (1, 2, 3, 4, 8)}
    figures |= {f"distinct_{n}": distinct_n(ids, n) for n in (2, 4)}
    return figures | {"zlib_ratio": zlib_ratio(text), "longest_repeat": longest_repeat(ids)}


def rep_n(ids: ArrayLike, n: int) -> float:
    """seq-rep-n: the share of n-grams that are not new, 1 - unique / all (Welleck et al., arXiv 1908.04319)."""
    return 1 - distinct_n(ids, n)


def distinct_n(ids: ArrayLike, n: int) -> float:
    """Unique n-grams / all n-grams of one sequence (Li et al., arXiv 1510.03055)."""
    names = _codes(ids)
    if len(names) < n:
        return float("nan")
    known = 1
    while known < n:
        names, known = _longer(names, min(known, n - known)), min(2 * known, n)
    return len(np.unique(names)) / len(names)


def zlib_ratio(text: str) -> float:
    """Bytes of the UTF-8 text / bytes of it compressed by zlib at its default level. Grows with the text's length."""
    plain = text.encode("utf-8", "surrogatepass")
    return len(plain) / len(zlib.compress(plain)) if plain else float("nan")


def longest_repeat(ids: ArrayLike) -> int:
    """Length of the longest stretch that stands at two places, which may overlap; 0 where no token comes twice."""
    names, known = _codes(ids), 1
    if not _repeats(names):
        return 0
    while known < len(names) and _repeats(longer := _longer(names, known)):
        names, known = longer, 2 * known
    low, high = known, min(2 * known, len(names) + known - 1)  # the answer is in [low, high)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _repeats(_longer(names, middle - known)) else (low, middle)
    return low


def _codes(ids: ArrayLike) -> Ints:
    """The ids renumbered from 0 without gaps."""
    return np.unique(np.asarray(ids), return_inverse=True)[1]


def _longer(names: Ints, by: int) -> Ints:
    """From numbers that name the n-grams of a sequence to numbers that name its (n + by)-grams, by <= n.

    Two (n + by)-grams are equal if and only if the n-grams at both their ends are (Karp, Miller & Rosenberg, 1972).
    """
    pairs: Ints = names[: len(names) - by] * np.int64(len(names)) + names[by:]
    return np.unique(pairs, return_inverse=True)[1]


def _repeats(names: Ints) -> bool:
    return len(np.unique(names)) < len(names)
