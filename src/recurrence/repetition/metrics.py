"""How repetitive a sample is, period or not: repeated n-grams, compressibility, what it has from its training text.

In: a 1-D sequence of token ids, or text. Out: one number; NaN where a sample is too short, or nothing is known, for it
to be defined. What many samples come to together is in pooled.py, what a model predicts on people's text in
teacher_forced.py.
"""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recurrence.repetition.published import holtzman_code, holtzman_paper
from recurrence.repetition.repeats import previous_factors
from recurrence.repetition.verbatim import longest_verbatim

Ints = NDArray[np.integer[Any]]

METRICS = (
    *(
        "rep_1",
        "rep_2",
        "rep_3",
        "rep_4",
        "rep_8",
        "distinct_1",
        "distinct_2",
        "distinct_3",
        "distinct_4",
    ),
    *(
        "zlib_ratio",
        "longest_repeat",
        "lz_factors",
        "rep_w",
        "rep_r",
        "welleck_rep_4",
        "holtzman_paper_200",
    ),
    *("holtzman_code_200", "longest_verbatim", "non_word"),
)
"""What `measure_all` gives of each sample, in this order."""

WELLECK_LENGTH = 100
"""Tokens continued in Welleck et al.'s protocol (after 50 of a prompt)."""
HOLTZMAN_LENGTH = 200
"""Tokens continued in Holtzman et al.'s protocol; whether they end in repetition is said of these alone."""
_LARGEST = 2**62
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Training:
    """What a model learned from, as far as it shows what a sample has from there."""

    ids: Ints
    words: frozenset[str] | None = None
    """`words_of` its text where tokens are characters; None where they are words: no other can come out."""


def measure_all(
    samples: Sequence[ArrayLike], texts: Sequence[str], training: Training | None = None
) -> list[dict[str, float]]:
    """All METRICS of many samples; without the training text, those that need it are NaN."""
    rows = [measure(ids, text) for ids, text in zip(samples, texts, strict=True)]
    if training is None:
        return rows
    for row, length in zip(rows, longest_verbatim(samples, training.ids).tolist(), strict=True):
        row["longest_verbatim"] = float(length)
    for row, text in zip(rows, texts, strict=True):
        row["non_word"] = float("nan") if training.words is None else non_word(text, training.words)
    return rows


def measure(ids: ArrayLike, text: str) -> dict[str, float]:
    """METRICS of one sample by itself, so longest_verbatim and non_word are NaN; a millisecond per 1,000 tokens."""
    ids = np.asarray(ids)
    factors = previous_factors(ids)
    distinct = {n: _new(factors, n) for n in (1, 2, 3, 4, 8)}
    figures = {f"rep_{n}": 1 - share for n, share in distinct.items()}
    figures |= {f"distinct_{n}": distinct[n] for n in (1, 2, 3, 4)}
    figures |= {"zlib_ratio": zlib_ratio(text), "longest_repeat": float(factors.max(initial=0))}
    figures |= {"lz_factors": _per_thousand(factors), "rep_w": rep_w(ids), "rep_r": rep_r(ids)}
    return (
        figures
        | _as_published(ids, factors)
        | {"longest_verbatim": float("nan"), "non_word": float("nan")}
    )


def _as_published(ids: Ints, factors: NDArray[np.int64]) -> dict[str, float]:
    """What papers tell of as many tokens as they continue, for figures to be held beside theirs; NaN of fewer."""
    new = _new(factors[:WELLECK_LENGTH], 4) if len(ids) >= WELLECK_LENGTH else float("nan")
    figures = {
        "welleck_rep_4": 1 - new,
        "holtzman_paper_200": float("nan"),
        "holtzman_code_200": float("nan"),
    }
    if len(ids) >= HOLTZMAN_LENGTH:
        head = ids[:HOLTZMAN_LENGTH]
        figures |= {
            "holtzman_paper_200": float(holtzman_paper(head)),
            "holtzman_code_200": float(holtzman_code(head)),
        }
    return figures


def _new(factors: NDArray[np.int64], n: int) -> float:
    """The share of n-grams that are there for the first time: no earlier one agrees as far."""
    return (
        float(np.mean(factors[: len(factors) - n + 1] < n)) if len(factors) >= n else float("nan")
    )


# ---------------------------------------------------------------- n-grams


def rep_n(ids: ArrayLike, n: int) -> float:
    """seq-rep-n: the share of n-grams that are not new, 1 - unique / all (Welleck et al., arXiv 1908.04319).

    Of many sequences theirs is the mean; pooled.py has the other way.
    """
    return 1 - distinct_n(ids, n)


def distinct_n(ids: ArrayLike, n: int) -> float:
    """Unique n-grams / all n-grams of one sequence (Li et al., arXiv 1510.03055)."""
    names = np.sort(_grams(np.asarray(ids), n))
    return (
        (1 + np.count_nonzero(names[1:] != names[:-1])) / len(names) if len(names) else float("nan")
    )


def rep_w(ids: ArrayLike, window: int = 16) -> float:
    """The share of tokens that stand among the `window` before them too (Fu et al., arXiv 2012.14660)."""
    ids = np.asarray(ids)
    order = np.argsort(ids, kind="stable")
    again = (ids[order][1:] == ids[order][:-1]) & (np.diff(order) <= window)
    return float(again.sum() / len(ids)) if len(ids) else float("nan")


def rep_r(ids: ArrayLike) -> float:
    """The share of tokens in a bigram that occurs more than once (Fu et al., arXiv 2012.14660)."""
    pairs = _grams(np.asarray(ids), 2)
    if not len(pairs):
        return float("nan")
    _, place, counts = np.unique(pairs, return_inverse=True, return_counts=True)
    often = counts[place] > 1
    return float((np.append(often, False) | np.append(False, often)).mean())


def _grams(ids: Ints, n: int) -> Ints:
    """A number for each n-gram: the ids as digits, renumbered where the next would not fit."""
    names = codes = np.unique(ids, return_inverse=True)[1].astype(np.int64)
    base = largest = int(codes.max(initial=0)) + 1
    for k in range(1, n):
        if largest > _LARGEST // base:
            names = np.unique(names, return_inverse=True)[1]
            largest = int(names.max(initial=0)) + 1
        names, largest = names[:-1] * base + codes[k:], largest * base
    return names


# ---------------------------------------------------------------- compression and long repeats


def zlib_ratio(text: str) -> float:
    """Bytes of the UTF-8 text / bytes of it compressed by zlib at its default level. Grows with the text's length."""
    plain = text.encode("utf-8", "surrogatepass")
    return len(plain) / len(zlib.compress(plain)) if plain else float("nan")


def longest_repeat(ids: ArrayLike) -> int:
    """Length of the longest stretch that stands at two places, which may overlap; 0 where no token comes twice."""
    return int(previous_factors(ids).max(initial=0))


def lz_factors(ids: ArrayLike) -> float:
    """Factors of the LZ76 parsing per 1,000 tokens: few where much repeats.

    From left to right, each factor is the longest stretch that also begins earlier (the two may overlap) and the token
    after it (Lempel & Ziv, IEEE Trans. Inf. Theory 22, 1976; LZ77 has the same factors where its window is all before).
    """
    return _per_thousand(previous_factors(ids))


def _per_thousand(factors: NDArray[np.int64]) -> float:
    lengths, at, number = factors.tolist(), 0, 0
    while at < len(lengths):
        at, number = at + lengths[at] + 1, number + 1
    return 1000 * number / len(lengths) if lengths else float("nan")


# ---------------------------------------------------------------- words


def words_of(text: str) -> frozenset[str]:
    """The words of a text: unbroken runs of letters."""
    return frozenset(_WORD.findall(text))


def non_word(text: str, known: frozenset[str]) -> float:
    """The share of words that are not among the known; one that begins or ends the text may be cut and is left out."""
    whole = [
        found[0] for found in _WORD.finditer(text) if found.start() and found.end() < len(text)
    ]
    return sum(word not in known for word in whole) / len(whole) if whole else float("nan")
