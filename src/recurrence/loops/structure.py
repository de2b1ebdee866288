"""What loops in a text, near or counted up: stretches taken apart, put together to segments, their
slots read.

In: code points of texts. Out: `Candidate`s, by evidence: loops, progressions and templates alike,
before any limit.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from recurrence.loops.factors import Factors, factors
from recurrence.loops.fingerprints import Ints, Places
from recurrence.loops.folding import HEAVY, dense, fold_characters
from recurrence.loops.near.columns import Differences, columns, differences
from recurrence.loops.near.copies import Near, grown
from recurrence.loops.segments import Segment, fundamental, one_lagged, segments
from recurrence.loops.slots import Slots, slots
from recurrence.loops.stretches import stretches

GRAM = 6
"""Characters in a row that make a repeat."""
_LEAST = 96
"""Evidence that is worth a closer look."""
_ALIGNED = 5
"""So many places of a region are aligned with themselves, to see edits anywhere."""
_LONGEST, _REACHED, _DELTA, _EDITS = 2048, 20_000, 0.4, 24
"""At periods up to this, so far each way, with fewer edits per token than that, and in a row."""
_BEFORE, _AFTER = 4096, 512
"""So much before a stretch, and behind it, is looked at with it, at least."""
_TOGETHER = 1 << 18
"""Characters of texts that are looked through at a time."""


@dataclass(frozen=True)
class Candidate:
    """A stretch text[start:end] made of copies of its first `period` characters or so."""

    start: int
    again: int
    """Where the first copy ends."""
    end: int
    period: int
    matched: int
    """Characters after the first copy that stood before in it."""
    weight: float
    """The same, those of dense scripts counted as several."""
    level: float
    gain: int
    steady: float
    """The share of what stood before that did so at a whole number of periods."""
    differences: Differences | None
    """Of what was aligned with itself, edits and all: where its copies do not agree."""
    _read: Callable[[], Slots]

    @cached_property
    def slots(self) -> Slots:
        """What its copies differ in; read when it is first asked for."""
        return self._read()

    @property
    def copies(self) -> float:
        return (self.end - self.start) / self.period

    @property
    def identity(self) -> float:
        """The share of characters after the first copy that stood before."""
        return self.matched / (self.end - self.again)


@dataclass(frozen=True)
class Structure:
    """What a text is made of, as far as it repeats."""

    candidates: list[Candidate]
    """The most first."""
    reused: float
    """The share of it that stood before, not far back."""


def structures(texts: Sequence[Ints], spelled: Sequence[str]) -> list[Structure]:
    """Of each text what repeats with some evidence."""
    found: list[Structure] = []
    for low, high in _batches(texts):
        found += _of_batch(texts[low:high], spelled[low:high])
    return found


def _batches(texts: Sequence[Ints]) -> Iterator[tuple[int, int]]:
    low, size = 0, 0
    for i, text in enumerate(texts):
        size += len(text)
        if size >= _TOGETHER:
            yield low, i + 1
            low, size = i + 1, 0
    if low < len(texts):
        yield low, len(texts)


def _of_batch(texts: Sequence[Ints], spelled: Sequence[str]) -> list[Structure]:
    codes = np.concatenate(texts)
    bounds = np.cumsum([0, *map(len, texts)])
    folded, kept = fold_characters(codes)
    kept[bounds[:-1][bounds[:-1] < len(kept)]] = True
    before = np.append(0, np.cumsum(kept))
    edges = before[bounds]
    folded = folded[kept]
    found: list[Structure] = []
    wide = codes.dtype != np.uint8
    spans = stretches(folded, edges, 3 if wide else GRAM, not wide, 24 if wide else _LEAST)
    for i, looked in enumerate(spans):
        if not len(looked.spans):
            found.append(Structure([], looked.reused))
            continue
        part = folded[edges[i] : edges[i + 1]]
        places = np.append(np.flatnonzero(kept[bounds[i] : bounds[i + 1]]), len(texts[i]))
        made = _of_text(part, places, texts[i], spelled[i], looked.spans)
        found.append(Structure(made, looked.reused))
    return found


def _of_text(
    folded: Ints, places: Places, codes: Ints, text: str, spans: Places
) -> list[Candidate]:
    best: dict[tuple[int, int, bool], Candidate] = {}
    weights = np.where(dense(codes), HEAVY, 1.0)
    weighed = np.append(0, np.cumsum(weights)) if (weights != 1).any() else None
    for low, high in _regions(spans, len(folded)):
        part = folded[low:high]
        for each in _of_region(part, places[low:], weighed, text):
            best[each.start, each.end, each.differences is None] = each
    return sorted(best.values(), key=lambda each: -each.gain)


def _of_region(folded: Ints, places: Places, weighed: Any, text: str) -> Iterator[Candidate]:
    made = factors(folded, GRAM)
    spelled = "".join(map(chr, folded.tolist()))
    for near in _edited(folded, made):
        yield _aligned(near, folded, places, weighed, spelled, text)
    for segment in segments(made, _LEAST // 2 if weighed is None else 16):
        yield _candidate(segment, made, places, weighed, spelled, text)


def _edited(folded: Ints, made: Factors) -> list[Near]:
    """Loops whose copies have edits anywhere: where most stands at one lag, aligned with itself at
    it.
    """
    found: list[Near] = []
    tried = 0
    for first, last in one_lagged(made.nearest):
        if tried == _ALIGNED:
            break
        if any(near.start <= first and last <= near.end for near in found):
            continue
        place, lag = _seed(made, first, last)
        if not 0 < lag <= _LONGEST:
            continue
        tried += 1
        low, high = max(place - _REACHED, 0), place + _REACHED
        near = grown(folded[low:high], place - low, lag, _DELTA, _EDITS)
        found.append(Near(near.start + low, near.period, near.end + low, near.edits))
    return found


def _seed(made: Factors, first: int, last: int) -> tuple[int, int]:
    """A place between two, in the middle, and the lag at which most stands before there; of about
    as many the least.
    """
    lags = made.nearest[first:last]
    period = fundamental(lags)
    for known in (made.nearest_twice[first:last], lags):
        at = np.flatnonzero((known > 0) & (np.abs(known - period) <= max(period >> 5, 1)))
        if len(at):
            place = int(at[len(at) // 2])
            return first + place, int(known[place])
    return first, 0


def _aligned(
    near: Near, folded: Ints, places: Places, weighed: Any, spelled: str, text: str
) -> Candidate:
    start, again = int(places[near.start]), int(places[near.start + near.period])
    end = int(places[near.end])
    whole = folded[near.start : near.end]
    size = max(near.aligned, 1)
    matched = round((end - again) * near.matched / size)
    weight = (
        float(weighed[end] - weighed[again]) * near.identity if weighed is not None else matched
    )
    period = max(round(near.period * (end - start) / (near.end - near.start)), 1)
    read = partial(
        slots,
        spelled[near.start : near.end],
        places[near.start : near.end + 1],
        text,
        near.period,
        (end - start) / period,
        columns(whole, near.period),
    )
    differs = differences(whole, near.period)
    return Candidate(start, again, end, period, matched, weight, 0.5, 0, 1.0, differs, read)


def _regions(spans: Places, size: int) -> list[tuple[int, int]]:
    """Stretches with what may be their first copy, those that touch put together."""
    regions: list[tuple[int, int]] = []
    for start, end in sorted(spans.tolist()):
        low, high = max(start - max(end - start, _BEFORE), 0), min(end + _AFTER, size)
        while regions and low <= regions[-1][1]:
            first, last = regions.pop()
            low, high = min(low, first), max(high, last)
        regions.append((low, high))
    return regions


def _candidate(  # noqa: PLR0913
    segment: Segment, made: Factors, places: Places, weighed: Any, spelled: Any, text: str
) -> Candidate:
    start, again, end = (int(places[at]) for at in (segment.start, segment.again, segment.end))
    first, last = places[made.start[segment.old]], places[made.end[segment.old]]
    matched = int((last - first).sum())
    weight = float((weighed[last] - weighed[first]).sum()) if weighed is not None else matched
    period = max(round(segment.period * (end - start) / (segment.end - segment.start)), 1)
    within = slice(segment.start, segment.end)
    read = partial(
        slots,
        spelled[within],
        places[segment.start : segment.end + 1],
        text,
        segment.again - segment.start,
        (end - start) / period,
    )
    return Candidate(
        start,
        again,
        end,
        period,
        matched,
        weight,
        segment.level,
        segment.gain,
        segment.steady,
        None,
        read,
    )
