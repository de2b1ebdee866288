"""Slots: what differs from copy to copy, by what stands before it; counted up, drawn from a few, or
news each time.

In: a segment, folded and as it is written. Out: `Slots`, the figures that decide between a loop, a
progression and a template. A slot is a place that comes again and again with the same few
characters before it. Novelty is the share of the later copies that no copy before had in its slots.
"""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from os.path import commonprefix

import numpy as np

from recurrence.loops.fingerprints import Places

_LEXEMES = re.compile(
    r"(?P<date>0-0-0)|(?P<time>0(?::0)+(?:[.,]0)?)|(?P<number>0(?:\.0)?)|[^\W\d_]+"
)
_CONTEXT = 8
"""Folded characters before a slot by which it is known."""
_OFTEN, _SHARE = 3, 0.3
"""A slot comes so often at least, and in this share of the copies."""
_CONSTANT = 0.7
"""So often a place holds one and the same: it is no slot, and what differs is an edit."""
_PERIODIC = 0.9
"""The same where so often it holds what it held one copy before."""
_RATHER = 0.3
"""The same of words in copies that were aligned, edits and all."""
_HALF = 0.45
"""The same of numbers there."""
_COMMON, _ALIKE, _MOSTLY = 0.2, 0.6, 0.5
"""The same where it holds one this often, and others have so much in common with that, so many of
them.
"""
_READ = 50_000, 3
"""So many characters of a segment are read, at its end, and so many copies at least."""
_STEPS = 0.85
"""The share of steps that are of the one or two usual sizes, where a slot is counted up."""
_ONWARD = 0.95
"""The share of steps that go up, where times or other numbers only grow."""


@dataclass(frozen=True)
class Slots:
    """What the copies of a segment differ in."""

    novelty: float
    """The share of characters in the second half of the copies that are new in their slots."""
    news: float
    """New values per copy in that half, in the slot that has the most."""
    varied: float
    """Words per copy that come again in no order, in the slot that has the most."""
    numbers: float
    """The same of numbers."""
    news_numbers: float
    """`news` in slots of numbers alone."""
    counted: int
    """Slots that are counted up."""
    letters: float
    """The share of characters that are of words which came before."""


@dataclass
class _Slot:
    kind: str
    values: list[str] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    new: list[str] = field(default_factory=list)

    def constant(self, copies: float, edited: bool) -> bool:
        """Whether it holds one and the same, give or take edits, or in each copy what the copy
        before has.
        """
        around = max(round(len(self.values) / max(copies, 1)), 1)
        again = sum(
            one == other for one, other in zip(self.values, self.values[around:], strict=False)
        )
        if again >= _PERIODIC * max(len(self.values) - around, 1):
            return True
        (usual, often), *others = Counter(self.values).most_common()
        usually = _CONSTANT
        if edited:
            usually = _HALF if self.kind else _RATHER
        if often >= usually * len(self.values):
            return True
        if (self.kind and not edited) or often < _COMMON * len(self.values):
            return False
        alike = sum(count for value, count in others if _alike(value, usual))
        return alike >= _MOSTLY * (len(self.values) - often)


def slots(
    folded: str,
    places: Places,
    text: str,
    again: int,
    copies: float,
    columns: Places | None = None,
) -> Slots:
    """The slots of a segment whose first copy ends at `again`; folded[i] stands at text[places[i]].

    `columns`: its copies were aligned, so there may be edits in any word, and numbers stand at a
    place of the unit.
    """
    characters, least = _READ
    size = max(min(max(characters, round(least * len(folded) / copies)), len(folded)), 1)
    first = len(folded) - size
    found: dict[tuple[str | int, str], _Slot] = {}
    words: set[str] = set()
    letters = 0
    late = max(again, first + size // 2)
    at = places[first:].tolist()
    for match in _LEXEMES.finditer(folded, first):
        start, kind, value = match.start(), match.lastgroup or "", match[0]
        if kind:
            value = text[at[start - first] : at[match.end() - first]].strip()
        before: str | int = folded[max(start - _CONTEXT, 0) : start]
        if kind and columns is not None and start < len(columns):
            before = int(columns[start])
        slot = found.get((before, kind))
        if slot is None:
            slot = found[before, kind] = _Slot(kind)
        if start >= late and value not in (slot.known if kind else words):
            slot.new.append(value)
        slot.values.append(value)
        slot.known.add(value)
        if not kind:
            letters += len(value) if value in words and len(value) > 1 else 0
            words.add(value)
    copies *= size / max(len(folded), 1)
    often = max(_OFTEN, _SHARE * copies)
    edited = columns is not None
    real = [s for s in found.values() if len(s.values) >= often and not s.constant(copies, edited)]
    return _summed(real, copies, max(len(folded) - late, 1), letters, size)


def _summed(found: Iterable[_Slot], copies: float, later: int, letters: int, size: int) -> Slots:
    fresh, counted = 0, 0
    news = {True: 0.0, False: 0.0}
    varied = {True: 0.0, False: 0.0}
    for slot in found:
        if slot.kind and _counts(slot):
            counted += 1
            continue
        fresh += sum(map(len, slot.new))
        number = bool(slot.kind)
        if len(slot.new) > 1:
            news[number] = max(news[number], 2 * len(slot.new) / copies)
        varied[number] = max(varied[number], len(slot.values) / copies)
    return Slots(
        fresh / later,
        max(news.values()),
        varied[False],
        varied[True],
        news[True],
        counted,
        letters / size,
    )


def _alike(one: str, other: str) -> bool:
    """Whether two words begin and end alike."""
    longest, shortest = max(len(one), len(other)), min(len(one), len(other))
    same = len(commonprefix([one, other])) + len(commonprefix([one[::-1], other[::-1]]))
    return min(same, shortest) >= _ALIKE * longest


def _counts(slot: _Slot) -> bool:
    """Whether the values are counted up: by steps of one or two sizes; or times and numbers that
    only grow.
    """
    values = np.array([_value(each, slot.kind) for each in slot.values])
    steps = np.round(np.diff(values), 6)
    if len(steps) < 2:
        return False
    if (slot.kind == "time" or len(steps) >= 5) and (steps > 0).mean() >= _ONWARD:
        return True
    sizes, counts = np.unique(steps, return_counts=True)
    usual = np.argsort(-counts)[:2]
    return bool(sizes[usual].any() and counts[usual].sum() >= _STEPS * len(steps))


def _value(text: str, kind: str) -> float:
    try:
        if kind == "date":
            return float(date.fromisoformat(text).toordinal())
        total = 0.0
        for part in text.replace(",", ".").split(":"):
            total = total * 60 + float(part[:300])
        return total
    except ValueError:
        return 0.0
