"""Exact repetition: maximal runs anywhere in a sequence, whatever their period; the one with the
most evidence, or all.

In: 1-D sequences of integers (token ids, code points). Out: `Run`s. Knows nothing of text, floors,
verdicts.

Short periods are looked for lag by lag (`lags`), longer ones, from the most evidence down, by
`anchors`, in time that grows with the text. Both search many texts at once, end to end. Anchors
compare by fingerprints, which may collide: so what is returned is compared token by token, and
texts where that fails are searched again with another base. The result is exact either way.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from recurrence.loops.exact.anchors import Anchors, Collision
from recurrence.loops.exact.lags import runs_at, strips
from recurrence.loops.fingerprints import PRIME, Ints, Places, Spans

_FIRST_BASE = 1_103_515_245
_TOGETHER = 1 << 20
"""Tokens of many texts that are searched at a time."""
_PART, _SHARED = 1 << 19, 1 << 16
"""Tokens of one long text that are searched at a time, and what a part has in common with the
next.
"""
_BRIEF = 16
"""Periods up to here are looked for lag by lag whatever the evidence: where they are long, anchors
stand close.
"""
_ANCHORED = 15, 31
"""Least evidence to find by anchors; and where less is asked for, what is left to them: the more,
the fewer anchors.
"""


@dataclass(frozen=True)
class Run:
    """A maximal stretch ids[start:end] in which every token from `start + period` on equals the one
    a period before.

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
    """The run with the largest `matched` among all with copies >= 2; ties: smallest period, then
    earliest start.

    `least` leaves runs with less evidence out, which saves time. The largest is primitive by
    itself: at a multiple of its period a stretch has less evidence.
    """
    return find_runs([ids], least)[0]


def find_runs(samples: Sequence[ArrayLike], least: int = 1) -> list[Run | None]:
    """`find_run` of each sample, many at a time: for short ones far faster than one by one."""
    found: list[Run | None] = []
    for texts in _batches(samples):
        runs: dict[int, Run | None] = {}
        for base in _bases():
            left = [i for i in range(len(texts)) if i not in runs]
            if not left:
                break
            with suppress(Collision):
                best = _best([texts[i] for i in left], max(least, 1), base)
                runs |= {
                    i: run
                    for i, run in zip(left, best, strict=True)
                    if run is None or _holds(texts[i], run)
                }
        found += [runs[i] for i in range(len(texts))]
    return found


def all_runs(ids: ArrayLike, least: int) -> list[Run]:
    """Every maximal run with copies >= 2 and matched >= least, by start, then end."""
    codes = _integers(ids)
    for base in _bases():
        with suppress(Collision):
            runs = [Run(*span) for span in _all(codes, max(least, 1), base).tolist()]
            if all(_holds(codes, run) for run in runs):
                return runs
    raise AssertionError("unreachable: the bases do not end")


def nested_run(ids: ArrayLike, run: Run, least: int = 1) -> Run | None:
    """The run with the largest `matched` inside one period of `run`, wherever that period is cut.

    Looked for in 2 * period - 1 tokens from the run's start: every rotation of the unit, and never
    the run itself.
    """
    return nested_runs([ids], [run], least)[0]


def nested_runs(
    samples: Sequence[ArrayLike], runs: Sequence[Run], least: int = 1
) -> list[Run | None]:
    """`nested_run` of each sample and its run, many at a time."""
    parts = [
        np.asarray(ids)[run.start : min(run.end, run.start + 2 * run.period - 1)]
        for ids, run in zip(samples, runs, strict=True)
    ]
    return [
        inner and Run(run.start + inner.start, inner.period, run.start + inner.end)
        for run, inner in zip(runs, find_runs(parts, least), strict=True)
    ]


# ---------------------------------------------------------------- texts


def _integers(ids: ArrayLike) -> Ints:
    """The ids as an array; raises ValueError unless 1-D and whole numbers."""
    codes = np.asarray(ids)
    if codes.ndim != 1 or (codes.size and not np.issubdtype(codes.dtype, np.integer)):
        raise ValueError(
            f"ids must be a 1-D sequence of integers, got {codes.dtype} of shape {codes.shape}"
        )
    return codes if codes.size else codes.astype(np.uint8)


def _batches(samples: Sequence[ArrayLike]) -> Iterator[list[Ints]]:
    """The samples in turn, as many together as are worth a call."""
    texts: list[Ints] = []
    tokens = 0
    for sample in samples:
        texts.append(_integers(sample))
        tokens += len(texts[-1])
        if tokens >= _TOGETHER:
            yield texts
            texts, tokens = [], 0
    yield texts


def _bases() -> Iterator[int]:
    """Bases of fingerprints, to be tried until nothing collides that matters."""
    yield from range(_FIRST_BASE, _FIRST_BASE + 100)
    raise AssertionError("fingerprints of a hundred bases collided, which chance does not do")


def _joined(texts: Sequence[Ints]) -> tuple[Ints, Places]:
    """The texts end to end, as integers that fit the fingerprints, and where each begins and the
    last ends.
    """
    codes = np.concatenate(texts) if len(texts) > 1 else texts[0]
    if codes.size and (codes.min() < 0 or codes.max() >= PRIME):
        codes = np.unique(codes, return_inverse=True)[1]
    return codes, np.cumsum([0, *map(len, texts)])


def _holds(codes: Ints, run: Run) -> bool:
    """Whether all of a run is one, token by token."""
    return np.array_equal(
        codes[run.start : run.end - run.period], codes[run.first_repeat : run.end]
    )


# ---------------------------------------------------------------- searching


def _best(texts: Sequence[Ints], least: int, base: int) -> list[Run | None]:
    """The best run of each text, as far as fingerprints can tell."""
    codes, bounds = _joined(texts)
    brief, evidence = _division(least)
    best = np.zeros((len(texts), 3), np.int64)  # no run: all zero, so no evidence
    for strip in strips(codes):
        for lag in range(1, brief + 1):
            enough = max(lag, least, _evidence(best).min())
            _improve(best, runs_at(lag, codes, bounds, strip, enough), bounds)
    most = np.diff(bounds) - brief  # a run with a longer period has less evidence
    if len(texts) == 1 and len(codes) > _PART:
        _search_in_parts(best, codes, evidence, most, base)
    else:
        _search(best, codes, bounds, evidence, most, base)
    best[:, ::2] -= bounds[:-1, None]
    return [Run(*span) if span[1] else None for span in best.tolist()]


def _search(
    best: Spans, codes: Ints, bounds: Places, evidence: int, most: Places, base: int
) -> None:
    """Improve the best runs by those with at least so much evidence."""
    if not (np.maximum(_evidence(best), evidence) < most).any():
        return
    anchors = Anchors(codes, bounds, evidence, base)
    for level in reversed(range(anchors.levels)):
        if (wanted := _evidence(best) < np.minimum(most, evidence << level + 1)).any():
            _improve(best, anchors.best(level, wanted), bounds)


def _search_in_parts(best: Spans, codes: Ints, evidence: int, most: Places, base: int) -> None:
    """The same of one long text: what has much evidence in all of it, the rest part by part, as
    memory is bounded so.

    In the whole text anchors are few then, whatever it is; and in a part they are no more than it
    has tokens. A run with less than `much` evidence is shorter than twice that, so it is whole in
    one of two parts.
    """
    bounds = np.array([0, len(codes)])
    levels = max(_SHARED // (2 * evidence), 1).bit_length() - 1
    _search(best, codes, bounds, evidence << levels, most, base)
    for low in range(0, len(codes), _PART - _SHARED):
        if _evidence(best)[0] >= evidence << levels:
            return
        part = codes[low : low + _PART]
        anchors = Anchors(part, np.array([0, len(part)]), evidence, base)
        for level in reversed(range(min(levels, anchors.levels))):
            if _evidence(best)[0] < evidence << level + 1:
                spans = anchors.best(level, np.ones(1, np.bool_))
                spans[:, ::2] += low
                _improve(best, spans, bounds)


def _all(codes: Ints, least: int, base: int) -> Spans:
    """All runs of one text, as far as fingerprints can tell."""
    codes, bounds = _joined([codes])
    brief, evidence = _division(least)
    anchors = Anchors(codes, bounds, evidence, base)
    found = [anchors.all(level) for level in range(anchors.levels)] + [np.zeros((0, 3), np.int64)]
    for strip in strips(codes):
        found += [
            runs_at(lag, codes, bounds, strip, max(lag, least)) for lag in range(1, brief + 1)
        ]
    spans: Spans = np.concatenate(found)
    spans = spans[np.lexsort((spans[:, 1], spans[:, 2], spans[:, 0]))]
    new = (np.diff(spans[:, 0], prepend=-1) > 0) | (np.diff(spans[:, 2], prepend=-1) != 0)
    primitive: Spans = spans[new]  # of one stretch the smallest period
    return primitive


def _division(least: int) -> tuple[int, int]:
    """The longest period to be looked for lag by lag, and the least evidence of the longer ones,
    for anchors.
    """
    return (
        (min(least // 4, _BRIEF), least)
        if least >= _ANCHORED[0]
        else (_ANCHORED[1] - 1, _ANCHORED[1])
    )


def _evidence(spans: Spans) -> Places:
    start, period, end = spans.T
    matched: Places = end - start - period
    return matched


def _improve(best: Spans, spans: Spans, bounds: Places) -> None:
    """Put into `best` (a span per text) what is better; of equal evidence the smallest period, then
    the earliest.
    """
    if not len(spans):
        return
    spans = np.concatenate([best[best[:, 1] > 0], spans])
    owner = np.searchsorted(bounds[1:], spans[:, 0], "right")
    order = np.lexsort((spans[:, 0], spans[:, 1], -_evidence(spans), owner))
    order = order[np.diff(owner[order], prepend=-1) > 0]
    best[owner[order]] = spans[order]
