"""How repetitive a sample is, period or not: repeated n-grams, compressibility, what it has from
its training text.

In: a 1-D sequence of token ids, or text. Out: one number; NaN where a sample is too short, or
nothing is known, for it to be defined. What many samples come to together is in pooled.py, what a
model predicts on people's text in teacher_forced.py.
"""

import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from recurrence.repetition.declaration import Metric
from recurrence.repetition.published import holtzman_code, holtzman_paper
from recurrence.repetition.repeats import previous_factors
from recurrence.repetition.verbatim import longest_verbatim

Ints = NDArray[np.integer[Any]]

WELLECK_LENGTH = 100
"""Tokens continued in Welleck et al.'s protocol (after 50 of a prompt)."""
HOLTZMAN_LENGTH = 200
"""Tokens continued in Holtzman et al.'s protocol; whether they end in repetition is said of these
alone.
"""
_LARGEST = 2**62
_WORD = re.compile(r"[^\W\d_]+")


@dataclass(frozen=True)
class Training:
    """What a model learned from, as far as it shows what a sample has from there."""

    ids: Ints
    words: frozenset[str] | None = None
    """`words_of` its text where tokens are characters; None where they are words: no other can come
    out.
    """


@dataclass(frozen=True)
class Sample:
    """A sample, and what several metrics need of it."""

    ids: Ints
    text: str
    words: frozenset[str] | None = None
    """Those of the training text; None where there are none to know."""
    verbatim: float = float("nan")
    """Length of its longest stretch that stands in the training text; NaN where that is not
    known.
    """

    @cached_property
    def factors(self) -> NDArray[np.int64]:
        """At each token, how many from there on stand earlier in the sample, too."""
        return previous_factors(self.ids)


@dataclass(frozen=True, kw_only=True)
class SampleMetric(Metric):
    """A figure of one sample."""

    measure: Callable[[Sample], float]
    """NaN where it is not defined."""


def measure_all(
    samples: Sequence[ArrayLike], texts: Sequence[str], training: Training | None = None
) -> list[dict[str, float]]:
    """All METRICS of many samples; without the training text, those that need it are NaN."""
    arrays = [np.asarray(ids) for ids in samples]
    words, verbatim = None, [float("nan")] * len(arrays)
    if training is not None:
        words = training.words
        verbatim = longest_verbatim(arrays, training.ids).astype(float).tolist()
    each = zip(arrays, texts, verbatim, strict=True)
    return [_measure(Sample(ids, text, words, length)) for ids, text, length in each]


def measure(ids: ArrayLike, text: str) -> dict[str, float]:
    """METRICS of one sample alone, with no training text: a millisecond per 1,000 tokens."""
    return _measure(Sample(np.asarray(ids), text))


def _measure(sample: Sample) -> dict[str, float]:
    return {name: metric.measure(sample) for name, metric in METRICS.items()}


def _new(factors: NDArray[np.int64], n: int) -> float:
    """The share of n-grams that are there for the first time: no earlier one agrees as far."""
    return (
        float(np.mean(factors[: len(factors) - n + 1] < n)) if len(factors) >= n else float("nan")
    )


# ---------------------------------------------------------------- n-grams


def rep_n(ids: ArrayLike, n: int) -> float:
    """seq-rep-n: the share of n-grams that are not new, 1 - unique / all (Welleck et al., arXiv
    1908.04319).

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
    """The share of tokens that stand among the `window` before them too (Fu et al., arXiv
    2012.14660).
    """
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
    """Bytes of the UTF-8 text / bytes of it compressed by zlib at its default level. Grows with the
    text's length.
    """
    plain = text.encode("utf-8", "surrogatepass")
    return len(plain) / len(zlib.compress(plain)) if plain else float("nan")


def longest_repeat(ids: ArrayLike) -> int:
    """Length of the longest stretch that stands at two places, which may overlap; 0 where no token
    comes twice.
    """
    return int(previous_factors(ids).max(initial=0))


def lz_factors(ids: ArrayLike) -> float:
    """Factors of the LZ76 parsing per 1,000 tokens: few where much repeats.

    From left to right, each factor is the longest stretch that also begins earlier (the two may
    overlap) and the token after it (Lempel & Ziv, IEEE Trans. Inf. Theory 22, 1976; LZ77 has the
    same factors where its window is all before).
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
    """The share of words that are not among the known; one that begins or ends the text may be cut
    and is left out.
    """
    whole = [
        found[0] for found in _WORD.finditer(text) if found.start() and found.end() < len(text)
    ]
    return sum(word not in known for word in whole) / len(whole) if whole else float("nan")


# ---------------------------------------------------------------- all of them


def _rep(n: int, sample: Sample) -> float:
    return 1 - _new(sample.factors, n)


def _distinct(n: int, sample: Sample) -> float:
    return _new(sample.factors, n)


def _holtzman(rule: Callable[[ArrayLike], bool], sample: Sample) -> float:
    """Of as many tokens as the paper continues, to be held beside its figure; NaN of fewer."""
    head = sample.ids[:HOLTZMAN_LENGTH]
    return float(rule(head)) if len(head) == HOLTZMAN_LENGTH else float("nan")


def _welleck(sample: Sample) -> float:
    """The same of that paper."""
    head = sample.factors[:WELLECK_LENGTH]
    return 1 - _new(head, 4) if len(head) == WELLECK_LENGTH else float("nan")


def _non_word(sample: Sample) -> float:
    return float("nan") if sample.words is None else non_word(sample.text, sample.words)


_share = partial(SampleMetric, unit="share", shown_as="short")
_TEXT = "the text"

METRICS: dict[str, SampleMetric] = {
    "rep_1": _share(label="rep-1", measure=partial(_rep, 1)),
    "rep_2": _share(label="rep-2", measure=partial(_rep, 2)),
    "rep_3": _share(label="rep-3", measure=partial(_rep, 3)),
    "rep_4": _share(label="rep-4", measure=partial(_rep, 4), group=_TEXT, mlflow=("text/rep_4",)),
    "rep_8": _share(label="rep-8", measure=partial(_rep, 8), group=_TEXT, mlflow=("text/rep_8",)),
    "distinct_1": _share(label="distinct-1", measure=partial(_distinct, 1)),
    "distinct_2": _share(label="distinct-2", measure=partial(_distinct, 2)),
    "distinct_3": _share(label="distinct-3", measure=partial(_distinct, 3)),
    "distinct_4": _share(label="distinct-4", measure=partial(_distinct, 4)),
    "zlib_ratio": SampleMetric(
        label="zlib ratio",
        unit="",
        shown_as="short",
        group=_TEXT,
        mlflow=("text/zlib_ratio",),
        measure=lambda sample: zlib_ratio(sample.text),
    ),
    "longest_repeat": SampleMetric(
        label="longest repeat",
        unit="tokens",
        shown_as="number",
        group=_TEXT,
        measure=lambda sample: float(sample.factors.max(initial=0)),
    ),
    "lz_factors": SampleMetric(
        label="LZ factors",
        unit="per 1,000 tokens",
        shown_as="number",
        measure=lambda sample: _per_thousand(sample.factors),
    ),
    "rep_w": _share(label="rep-w", measure=lambda sample: rep_w(sample.ids)),
    "rep_r": _share(label="rep-r", measure=lambda sample: rep_r(sample.ids)),
    "welleck_rep_4": _share(label="Welleck rep-4", measure=_welleck),
    "holtzman_paper_200": _share(
        label="Holtzman, paper", measure=partial(_holtzman, holtzman_paper)
    ),
    "holtzman_code_200": _share(label="Holtzman, code", measure=partial(_holtzman, holtzman_code)),
    "longest_verbatim": SampleMetric(
        label="longest verbatim",
        unit="tokens",
        shown_as="number",
        group=_TEXT,
        measure=lambda sample: sample.verbatim,
    ),
    "non_word": SampleMetric(
        label="non-words",
        unit="share",
        better="less",
        shown_as="percent",
        group=_TEXT,
        mlflow=("text/non_word",),
        measure=_non_word,
    ),
}
"""Every figure of a sample: a new one is an entry here and stands in all tables of `study`, reports
and MLflow.
"""
