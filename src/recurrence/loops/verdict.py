"""One label per sample: does it loop, since when, with what unit; and rates over many samples.

A loop (kind "exact") is a run anywhere in the sample with copies >= 2 and matched >= floor. The floor is above what the
corpus's own training text has in windows of the same length, so that repetition people wrote is not counted as a loop.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan, sqrt
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from recurrence.loops.runs import Ints, Run, find_run

DEFAULT_FLOORS = {"char": 40, "word": 20, "token": 20}
"""Floors where there is no text to measure one on: above all that English prose showed in windows of 200 to 1,000."""

_Z95 = 1.959963984540054
_MEANS = ("rep_4", "rep_8", "distinct_2", "distinct_4", "zlib_ratio", "longest_repeat")


@dataclass(frozen=True)
class Verdict:
    """What is to be said about one sample; all but `kind` and `length` are None where there is no loop.

    Lengths and positions count tokens. `start` is the onset: how many tokens come before the unit's first copy.
    """

    kind: Literal["exact", "none"]
    length: int
    start: int | None = None
    period: int | None = None
    copies: float | None = None
    matched: int | None = None
    """Tokens that repeat the one a period before."""
    coverage: float | None = None
    """matched / length."""
    terminal: bool | None = None
    """The loop goes on to the end, give or take one period; else the sample escaped from it."""
    unit: tuple[int, ...] | None = None
    """The ids of one period, as it first stands there."""
    attractor: tuple[int, ...] | None = None
    """The unit's smallest rotation, the same wherever the loop was entered."""


def judge(ids: ArrayLike, floor: int, unknown: int | None = None) -> Verdict:
    """The verdict on one sample: its run with the most evidence, if that has at least `floor` matched tokens.

    `unknown` is an id that stands for different words (<unk>): it repeats nothing, not even itself.
    """
    ids = np.asarray(ids)
    run = find_run(_told_apart(ids, unknown), floor)
    return _loop(ids, run) if run else Verdict("none", len(ids))


def _loop(ids: Ints, run: Run) -> Verdict:
    unit = tuple(int(i) for i in ids[run.start : run.first_repeat])
    return Verdict(
        kind="exact",
        length=len(ids),
        start=run.start,
        period=run.period,
        copies=run.copies,
        matched=run.matched,
        coverage=run.matched / len(ids),
        terminal=len(ids) - run.end <= run.period,
        unit=unit,
        attractor=smallest_rotation(unit),
    )


def _told_apart(ids: Ints, unknown: int | None) -> Ints:
    """The ids with a new one for each occurrence of `unknown`."""
    places = np.flatnonzero(ids == unknown) if unknown is not None else ()
    if not len(places):
        return ids
    told = ids.astype(np.int64)
    told[places] = told.max() + 1 + np.arange(len(places))
    return told


def smallest_rotation(unit: Sequence[int]) -> tuple[int, ...]:
    """The rotation that comes first in lexicographic order, in linear time: two candidates race, the loser jumps."""
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
    """Windows of `length` that do not overlap, evenly spaced: as many as there is room for, or `at_most`."""
    room = len(ids) // length
    number = room if at_most is None else min(room, at_most)
    return [ids[start : start + length] for start in (i * len(ids) // number for i in range(number))]


def measured_floor(texts: Iterable[ArrayLike], default: int, unknown: int | None = None) -> int:
    """The least evidence that counts: `default`, or one more than the largest `matched` in these texts of people."""
    runs = (find_run(_told_apart(np.asarray(ids), unknown), default) for ids in texts)
    return max((run.matched + 1 for run in runs if run), default=default)


def wilson(hits: int, total: int, z: float = _Z95) -> tuple[float, float]:
    """Wilson's interval for a rate, 95 % by default; of no trials: 0 to 1 (Wilson, JASA 22, 1927)."""
    if not total:
        return 0.0, 1.0
    rate, shrink = hits / total, 1 + z * z / total
    centre = (rate + z * z / (2 * total)) / shrink
    half = z * sqrt(rate * (1 - rate) / total + z * z / (4 * total * total)) / shrink
    return (max(centre - half, 0.0) if hits else 0.0), (min(centre + half, 1.0) if hits < total else 1.0)


def rates(verdicts: Sequence[Verdict], figures: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    """What many samples come to, ready for JSON: None where undefined.

    `length` is that of the longest sample; `terminal_rate` is a share of all samples; onset, period, copies and
    coverage are over those that loop; `figures` (of `measure`, one per sample) are averaged over the samples that are
    long enough to have them.
    """
    loops = [v for v in verdicts if v.kind == "exact"]
    total, found = len(verdicts), len(loops)
    low, high = wilson(found, total)
    return {
        "samples": total,
        "length": max((v.length for v in verdicts), default=None),
        "exact": found,
        "exact_rate": found / total if total else None,
        "exact_lo": low if total else None,
        "exact_hi": high if total else None,
        "terminal_rate": sum(v.terminal is True for v in loops) / total if total else None,
        "onset_median": _median([v.start for v in loops]),
        "period_median": _median([v.period for v in loops]),
        "copies_median": _median([v.copies for v in loops]),
        "coverage_mean": _mean([v.coverage for v in loops]),
        "attractors": len({v.attractor for v in loops}),
        **{name: _mean([f[name] for f in figures if not isnan(f[name])]) for name in _MEANS},
    }


def _median(values: Sequence[float | None]) -> float | None:
    return float(np.median(np.array(values, float))) if values else None


def _mean(values: Sequence[float | None]) -> float | None:
    return float(np.mean(np.array(values, float))) if values else None
