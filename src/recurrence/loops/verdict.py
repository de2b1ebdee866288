"""One label per sample: does it loop, since when, with what unit.

exact: a run anywhere with copies >= 2 and matched >= floor. near: such a run whose copies differ a
little (near.py). recycling: phrases used again, without a period (recycling.py). The first of these
that holds is the verdict, else none. All limits are above what the corpus's own training text has
in windows of the same length, so that repetition people wrote is not counted against a model.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from recurrence.loops.exact.runs import Run, find_runs, nested_runs
from recurrence.loops.fingerprints import Ints
from recurrence.loops.near.copies import SEEDS, Near, find_nears
from recurrence.loops.recycling import reuse, squeeze

Kind = Literal["exact", "near", "progression", "template", "recycling", "none"]
LOOPS: tuple[Kind, ...] = ("exact", "near", "progression")
"""The kinds that count as loops, in rates and where a command fails."""


@dataclass(frozen=True)
class Verdict:
    """What is to be said about one sample; all but `kind` and `length` are None where there is no
    exact or near loop.

    Lengths and positions count tokens. `start` is the onset: how many tokens come before the unit's
    first copy.
    """

    kind: Kind
    length: int
    start: int | None = None
    period: int | None = None
    """Of a near loop the median of its lags."""
    copies: float | None = None
    matched: int | None = None
    """Tokens that repeat the one a period before; in a near loop, less the edits."""
    coverage: float | None = None
    """matched / length."""
    terminal: bool | None = None
    """The loop goes on to the end, give or take one period; else the sample escaped from it."""
    identity: float | None = None
    """The share of tokens after the first copy that needed no edit; 1 for an exact loop."""
    novelty: float | None = None
    """Of a near loop in a text, a progression or a template: the share of the later copies that
    none before had.
    """
    nested_start: int | None = None
    """Of an exact loop whose unit holds another one, above the same floor."""
    nested_period: int | None = None
    nested_matched: int | None = None
    unit: tuple[int, ...] | None = None
    """The ids of one period, as it first stands there."""
    attractor: tuple[int, ...] | None = None
    """The unit's smallest rotation: of an exact loop the same wherever it was entered."""


@dataclass(frozen=True)
class Detector:
    """The rules and their limits."""

    unit: str
    """char, word or token."""
    floor: int
    """Least `matched` of an exact loop."""
    near_floor: int
    """Least `matched` of a near loop of three copies or more; twice that of two."""
    near_delta: float = 0.4
    """Edits per token that are too many for a near loop."""
    rep_n: int = 4
    rep_limit: float = 0.35
    """Recycling is a rep-n above this, or a zlib ratio above zlib_limit (None: not asked)."""
    zlib_limit: float | None = None
    unknown: int | None = None
    """An id that stands for different words (<unk>): it repeats nothing, not even itself."""
    length: int = 500
    """The tokens for which the limits of recycling hold; longer samples are looked at in stretches
    of that length.
    """

    def judge(self, ids: ArrayLike, text: str | None = None) -> Verdict:
        """The verdict on one sample; without its text, recycling is told by rep-n alone."""
        return self.judge_all([ids], None if text is None else [text])[0]

    def judge_all(
        self, samples: Sequence[ArrayLike], texts: Sequence[str] | None = None
    ) -> list[Verdict]:
        """The verdict on each sample. ValueError unless each is a 1-D sequence of integers."""
        told = [told_apart(np.asarray(ids), self.unknown) for ids in samples]
        verdicts = _exact(samples, told, self.floor)
        left = [i for i, verdict in enumerate(verdicts) if not verdict]
        nears = find_nears(
            [told[i] for i in left], self.near_floor, self.near_delta, SEEDS[self.unit]
        )
        for i, near in zip(left, nears, strict=True):
            verdicts[i] = _near(np.asarray(samples[i]), near) if near else None
        spelled = [None] * len(told) if texts is None else texts
        return [
            verdict or Verdict("recycling" if self._recycles(codes, text) else "none", len(codes))
            for verdict, codes, text in zip(verdicts, told, spelled, strict=True)
        ]

    def _recycles(self, codes: Ints, text: str | None) -> bool:
        if reuse(codes, self.rep_n, self.length) > self.rep_limit:
            return True
        limit = self.zlib_limit
        return (
            limit is not None
            and text is not None
            and squeeze(text, len(codes), self.length) > limit
        )


_WORDS = Detector("word", floor=20, near_floor=25, rep_n=4, rep_limit=0.35, length=500)
DETECTORS = {
    "char": Detector("char", floor=40, near_floor=70, rep_n=8, rep_limit=0.20, length=1000),
    "word": _WORDS,
    "token": replace(_WORDS, unit="token"),
}
"""Where there is no text to measure limits on: above all that Nietzsche's prose shows in windows of
1,000 characters or 500 words, however they are laid. What people repeat on purpose is found as well
(benchmarks/false_alarms.py): of 1,000 windows of reviews of films 1.4 and 1.2 (characters, words)
are exact loops and 0.3 and 0.4 near ones, refrains and paragraphs pasted twice; of WikiText-2, with
lists and tables, 5.6 and 9.0 are near. Measure, where there is text.
"""

DEFAULT_FLOORS = {unit: detector.floor for unit, detector in DETECTORS.items()}


def judge(ids: ArrayLike, floor: int, unknown: int | None = None) -> Verdict:
    """The verdict by the exact rule alone: the run with the most evidence, if it has at least
    `floor` matched tokens.

    `unknown` is an id that stands for different words (<unk>): it repeats nothing, not even itself.
    """
    ids = np.asarray(ids)
    return _exact([ids], [told_apart(ids, unknown)], floor)[0] or Verdict("none", len(ids))


def _exact(samples: Sequence[ArrayLike], told: Sequence[Ints], floor: int) -> list[Verdict | None]:
    """The verdicts on those of the samples that loop exactly; `told`: the same with unknown ids
    told apart.
    """
    verdicts: list[Verdict | None] = [None] * len(told)
    found = [(i, run) for i, run in enumerate(find_runs(told, floor)) if run]
    nested = nested_runs([told[i] for i, _ in found], [run for _, run in found], floor)
    for (i, run), inner in zip(found, nested, strict=True):
        verdicts[i] = _loop(np.asarray(samples[i]), run, inner)
    return verdicts


def _loop(ids: Ints, run: Run, inner: Run | None) -> Verdict:
    unit = _unit(ids, run)
    return Verdict(
        kind="exact",
        length=len(ids),
        start=run.start,
        period=run.period,
        copies=run.copies,
        matched=run.matched,
        coverage=run.matched / len(ids),
        terminal=len(ids) - run.end <= run.period,
        identity=1.0,
        nested_start=inner.start if inner else None,
        nested_period=inner.period if inner else None,
        nested_matched=inner.matched if inner else None,
        unit=unit,
        attractor=smallest_rotation(unit),
    )


def _near(ids: Ints, near: Near) -> Verdict:
    unit = _unit(ids, near)
    return Verdict(
        kind="near",
        length=len(ids),
        start=near.start,
        period=near.period,
        copies=near.copies,
        matched=near.matched,
        coverage=near.matched / len(ids),
        terminal=len(ids) - near.end <= near.period,
        identity=near.identity,
        unit=unit,
        attractor=smallest_rotation(unit),
    )


def _unit(ids: Ints, loop: Run | Near) -> tuple[int, ...]:
    return tuple(int(i) for i in ids[loop.start : loop.start + loop.period])


def told_apart(ids: Ints, unknown: int | None) -> Ints:
    """The ids with a new one for each occurrence of `unknown`."""
    places = np.flatnonzero(ids == unknown) if unknown is not None else ()
    if not len(places):
        return ids
    told = ids.astype(np.int64)
    told[places] = told.max() + 1 + np.arange(len(places))
    return told


def smallest_rotation(unit: Sequence[int]) -> tuple[int, ...]:
    """The rotation that comes first in lexicographic order, in linear time: two candidates race,
    the loser jumps.
    """
    size, one, other, equal = len(unit), 0, 1, 0
    while one < size and other < size and equal < size:
        a, b = unit[(one + equal) % size], unit[(other + equal) % size]
        if a == b:
            equal += 1
            continue
        if a > b:
            one += equal + 1
        else:
            other += equal + 1
        other += one == other
        equal = 0
    first = min(one, other)
    return (*unit[first:], *unit[:first])


def windows(ids: Ints, length: int, at_most: int | None = None) -> list[Ints]:
    """Windows of `length` that do not overlap, evenly spaced: as many as there is room for, or
    `at_most`.
    """
    room = len(ids) // length
    number = room if at_most is None else min(room, at_most)
    return [
        ids[start : start + length] for start in (i * len(ids) // number for i in range(number))
    ]


def measured_floor(texts: Iterable[ArrayLike], default: int, unknown: int | None = None) -> int:
    """The least evidence that counts: `default`, or one more than the largest `matched` in these
    texts of people.
    """
    runs = find_runs([told_apart(np.asarray(ids), unknown) for ids in texts], default)
    return max((run.matched + 1 for run in runs if run), default=default)
