"""Slots: what differs from copy to copy, by what stands before it; counted up, drawn from a few, or news each time.

In: a segment, folded and as it is written. Out: `Slots`, the figures that decide between a loop, a progression and a
template. A slot is a place that comes again and again with the same few characters before it. Novelty is the share of
the later copies that no copy before had in its slots.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
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
_COMMON, _ALIKE = 0.2, 0.6
"""The same where it holds one this often, and most others have so much of their letters in common with that."""
_READ = 100_000
"""No more characters of a segment are read: half of them at its beginning, half at its end."""
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
    counted: int
    """Slots that are counted up."""
    letters: float
    """The share of characters that are of words which came before."""


@dataclass
class _Slot:
    kind: str
    values: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)

    def constant(self, copies: float) -> bool:
        """Whether it holds one and the same, give or take edits, or in each copy what the copy before has."""
        around = max(round(len(self.values) / max(copies, 1)), 1)
        again = sum(
            one == other for one, other in zip(self.values, self.values[around:], strict=False)
        )
        if again >= _PERIODIC * max(len(self.values) - around, 1):
            return True
        (usual, often), *others = Counter(self.values).most_common()
        if often >= _CONSTANT * len(self.values):
            return True
        if self.kind or often < _COMMON * len(self.values):
            return False
        alike = sum(count for value, count in others if _alike(value, usual))
        return alike >= _CONSTANT * (len(self.values) - often)


def slots(folded: str, places: Places, text: str, again: int, copies: float) -> Slots:
    """The slots of a segment whose first copy ends at `again`; folded[i] stands at text[places[i]]."""
    found: dict[tuple[str, str], _Slot] = {}
    words: set[str] = set()
    letters = 0
    late = max(again, len(folded) // 2)
    for low, high in _parts(len(folded)):
        at = places[low : high + 1].tolist()
        for match in _LEXEMES.finditer(folded, low, high):
            start, kind, value = match.start(), match.lastgroup or "", match[0]
            if kind:
                value = text[at[start - low] : at[match.end() - low]].strip()
            before = folded[max(start - _CONTEXT, 0) : start]
            slot = found.get((before, kind))
            if slot is None:
                slot = found[before, kind] = _Slot(kind)
            if start >= late and value not in (slot.values if kind else words):
                slot.new.append(value)
            slot.values.append(value)
            if not kind:
                letters += len(value) if value in words and len(value) > 1 else 0
                words.add(value)
    shown = min(len(folded), _READ) / max(len(folded), 1)
    copies *= shown
    often = max(_OFTEN, _SHARE * copies)
    real = [
        slot for slot in found.values() if len(slot.values) >= often and not slot.constant(copies)
    ]
    later = max(min(len(folded) - late, _READ // 2), 1)
    return _summed(real, copies, later, letters, max(len(folded) * shown, 1))


def _summed(found: Iterable[_Slot], copies: float, later: int, letters: int, size: float) -> Slots:
    news, fresh, counted = 0.0, 0, 0
    varied = {True: 0.0, False: 0.0}
    for slot in found:
        if slot.kind and _counts(slot):
            counted += 1
            continue
        fresh += sum(map(len, slot.new))
        news = max(news, 2 * len(slot.new) / copies)
        number = bool(slot.kind)
        varied[number] = max(varied[number], len(slot.values) / copies)
    return Slots(fresh / later, news, varied[False], varied[True], counted, letters / size)


def _parts(size: int) -> Iterator[tuple[int, int]]:
    if size <= _READ:
        yield 0, size
    else:
        yield 0, _READ // 2
        yield size - _READ // 2, size


def _alike(one: str, other: str) -> bool:
    """Whether two words begin and end alike."""
    longest, shortest = max(len(one), len(other)), min(len(one), len(other))
    same = len(commonprefix([one, other])) + len(commonprefix([one[::-1], other[::-1]]))
    return min(same, shortest) >= _ALIKE * longest


def _counts(slot: _Slot) -> bool:
    """Whether the values are counted up: by steps of one or two sizes; or times and numbers that only grow."""
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
