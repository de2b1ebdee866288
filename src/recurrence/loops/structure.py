"""What loops in a text, near or counted up: stretches taken apart, put together to segments, their slots read.

In: code points of texts. Out: `Candidate`s, by evidence: loops, progressions and templates alike, before any limit.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from recurrence.loops.factors import Factors, factors
from recurrence.loops.fingerprints import Ints, Places
from recurrence.loops.folding import HEAVY, dense, fold_characters
from recurrence.loops.near.copies import Near, grown
from recurrence.loops.segments import Segment, segments, steadiness, steady_parts, usual
from recurrence.loops.slots import Slots, slots
from recurrence.loops.stretches import stretches

GRAM = 6
"""Characters in a row that make a repeat."""
_LEAST = 96
"""Evidence that is worth a closer look."""
_ALIGNED = 3
"""So many stretches of a text are aligned with themselves, to see edits anywhere."""
_LONGEST, _REACHED, _DELTA = 2048, 20_000, 0.4
"""At periods up to this, so far each way, with fewer edits per token than that."""
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
    aligned: bool
    """It was aligned with itself, edits and all."""
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
    low, high = _widened(spans, len(folded))
    made = factors(folded[low:high], GRAM)
    best: dict[tuple[int, int], Candidate] = {}
    weights = np.where(dense(codes), HEAVY, 1.0)
    weighed = np.append(0, np.cumsum(weights)) if (weights != 1).any() else None
    for near in _edited(folded[low:high], made, spans - low):
        each = _aligned(
            near, made, places[low:], weighed, "".join(map(chr, folded[low:high].tolist())), text
        )
        best[each.start, each.end] = each
    spelled = "".join(map(chr, folded[low:high].tolist()))
    for segment in segments(made, _LEAST // 2 if weighed is None else 16):
        each = _candidate(segment, made, places[low:], weighed, spelled, text)
        best[each.start, each.end] = each
    return sorted(best.values(), key=lambda each: -each.gain)


def _edited(folded: Ints, made: Factors, spans: Places) -> list[Near]:
    """Loops whose copies have edits anywhere: what keeps one lag for a while, aligned with itself at it."""
    found: list[Near] = []
    longest = spans[np.argsort(spans[:, 0] - spans[:, 1])][:_ALIGNED].tolist()
    for first, last in [*steady_parts(made)[:_ALIGNED], *longest]:
        if any(near.start <= first and last <= near.end for near in found):
            continue
        lags = made.nearest_twice[first:last]
        period = usual(lags)
        at = np.flatnonzero(np.abs(lags - period) <= max(period >> 5, 1))
        if not period or not len(at) or period > _LONGEST:
            continue
        place = first + int(at[len(at) // 2])
        lag = int(made.nearest_twice[place])
        low, high = max(place - _REACHED, 0), place + _REACHED
        near = grown(folded[low:high], place - low, lag, _DELTA)
        found.append(Near(near.start + low, near.period, near.end + low, near.edits))
    return found


def _aligned(
    near: Near, made: Factors, places: Places, weighed: Any, spelled: Any, text: str
) -> Candidate:
    start, again = int(places[near.start]), int(places[near.start + near.period])
    end = int(places[near.end])
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
        True,
    )
    steady = steadiness(made.nearest[near.start + near.period : near.end], near.period)
    return Candidate(start, again, end, period, matched, weight, 0.5, 0, steady, True, read)


def _widened(spans: Places, size: int) -> tuple[int, int]:
    """From the first stretch to the last, with what may be its first copy."""
    low, high = int(spans[:, 0].min()), int(spans[:, 1].max())
    return max(low - max(high - low, 4096), 0), min(high + 512, size)


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
        False,
        read,
    )
