"""A sample's text with its loop marked, as pieces for people; and its verdict in words.

Long texts, long units and many copies are cut in the middle, with a count of what is left out. What
could steer a terminal or turn a line around (control characters, bidirectional overrides) is
spelled as an escape.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from recurrence.escaping import escaped
from recurrence.scan.samples import Ints, Sample

SHOWN_TOKENS = {"char": 400, "word": 80, "token": 80, "event": 8}
"""So much is shown of a copy, and of the text before and after a loop."""
SHOWN_COPIES = 5
UNIT_CHARACTERS = 60
_AROUND = 12
"""Tokens on either side of a boundary that are compared to find where a near loop's next copy
begins.
"""
TOKENS = {"char": "character", "word": "word", "token": "token", "event": "event"}
VERDICTS = {
    "exact": "exact loop",
    "near": "near loop",
    "progression": "progression",
    "template": "template",
    "recycling": "recycling",
    "none": "no loop",
}


class Piece(NamedTuple):
    """A stretch of text as it is to be shown; a boundary of the loop lies where `copy` changes."""

    text: str
    copy: int = 0
    """Which copy of the unit it belongs to, from 1; 0: none."""
    gap: bool = False
    """Stands for text that is left out, and says how much."""


class Copies(NamedTuple):
    """Where the copies of a loop's unit stand in the sample."""

    starts: Sequence[int]
    end: int
    """Of the last copy, which may be cut."""

    def span(self, number: int) -> range:
        """The tokens of one copy, counted from 0."""
        return range(
            self.starts[number],
            self.end if number == len(self.starts) - 1 else self.starts[number + 1],
        )


def pieces(sample: Sample, row: Mapping[str, Any]) -> list[Piece]:
    """The text of a sample, cut where the copies of its loop begin; `row` is the verdict on it."""
    size, length = SHOWN_TOKENS[sample.unit], len(sample.ids)
    if row["start"] is None:
        return list(_cut(sample, range(length), 4 * size, size))
    copies = copies_of(sample, row)
    found = list(_cut(sample, range(row["start"]), size // 2, size))
    for before, number in pairwise((-1, *_shown(len(copies.starts)))):
        if number > before + 1:
            found.append(Piece(f"{number - before - 1:,} more copies", -1, gap=True))
        found += _cut(sample, copies.span(number), size, size // 4, number + 1)
    return found + list(_cut(sample, range(copies.end, length), size, size // 2))


def copies_of(sample: Sample, row: Mapping[str, Any]) -> Copies:
    """The copies of a loop: a period each; of a near loop, to where the next begins most like the
    one before.
    """
    start, period = row["start"], row["period"]
    end = start + round(row["copies"] * period)
    if row["kind"] == "exact":
        return Copies(range(start, end, period), end)
    starts = [start]
    while (follows := _follower(sample.ids, starts[-1], period)) < end:
        starts.append(follows)
    return Copies(starts, end)


def _follower(ids: Ints, start: int, period: int) -> int:
    """Where a copy begins that is most like the one at `start`, a period later, give or take a
    quarter.
    """
    slack = min(max(2, period // 4), period - 1)
    offsets = np.array(
        sorted(range(period - slack, period + slack + 1), key=lambda offset: abs(offset - period))
    )
    around = start + np.arange(-_AROUND, _AROUND)
    weight = 1 / (
        np.abs(around - start + 0.5) + 0.5
    )  # what stands at the boundary itself counts most
    there = around + offsets[:, None]
    inside = (around >= 0) & (around < len(ids)) & (there < len(ids))
    same = ids[np.clip(around, 0, len(ids) - 1)] == ids[np.clip(there, 0, len(ids) - 1)]
    return start + int(offsets[np.argmax((same & inside) @ weight)])


def _shown(count: int) -> Sequence[int]:
    """Which of so many copies are shown: the first few and the last two."""
    if count <= SHOWN_COPIES + 1:
        return range(count)
    return (*range(SHOWN_COPIES - 2), count - 2, count - 1)


def _cut(sample: Sample, span: range, head: int, tail: int, copy: int = 0) -> Iterator[Piece]:
    """The tokens of a span; the middle of a long one left out."""
    if len(span) <= head + tail + head // 4:
        if span:
            yield Piece(_spelled(sample, span), copy)
        return
    yield Piece(_spelled(sample, span[:head]), copy)
    yield Piece(f"{len(span) - head - tail:,} {TOKENS[sample.unit]}s", copy, gap=True)
    yield Piece(_spelled(sample, span[len(span) - tail :]), copy)


def _spelled(sample: Sample, span: range) -> str:
    text = sample.spell(span.start, span.stop)
    text = text if isinstance(text, str) else " ".join(map(str, text))
    return text + " " * (sample.unit != "char" and span.stop < len(sample.ids))


# ---------------------------------------------------------------- words


def unit_text(row: Mapping[str, Any], most: int = UNIT_CHARACTERS) -> str:
    """The repeated unit in at most so many characters, in quotes where it is text."""
    unit = row["unit"]
    if unit is None:
        return ""
    text = repr(unit) if isinstance(unit, str) else " ".join(map(str, unit))
    text = escaped(text)
    return text if len(text) <= most else text[: most - 4] + " ..."


def sentence(row: Mapping[str, Any]) -> str:
    """The verdict in words."""
    token = TOKENS[row["tokens"]]
    text = VERDICTS[row["kind"]]
    if row["kind"] == "recycling":
        text += ": reuses its own phrases, without a period"
    if row["start"] is None:
        return text + f" ({row['length']:,} {token}s)"
    text += (
        f" from {token} {row['start']:,} of {row['length']:,} on, period {row['period']:,}, "
        f"{row['copies']:,.1f} copies"
    )
    text += ", to the end" if row["terminal"] else ", then it goes on otherwise"
    if row["kind"] in ("near", "progression"):
        text += f"; copies are {int(100 * row['identity'])}% alike"  # not 100% before all is
    if row["nested_period"]:
        text += f"; a run of period {row['nested_period']:,} within the unit"
    return text


def cells_of(row: Mapping[str, Any]) -> list[str]:
    """From where it loops, the sample's length, period, copies, coverage, and whether it goes on to
    the end.
    """
    length = f"{row['length']:,} {row['tokens']}"
    if row["start"] is None:
        return ["", length, "", "", "", ""]
    cells = [
        f"{row['start']:,}",
        length,
        f"{row['period']:,}",
        f"{row['copies']:,.1f}",
        f"{row['coverage']:.0%}",
    ]
    return [*cells, "yes" if row["terminal"] else "no"]
