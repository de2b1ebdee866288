"""A sample's text with its loop marked, for people: as pieces for a terminal, and as one page that needs nothing else.

Long texts, long units and many copies are cut in the middle, with a count of what is left out. What could steer a
terminal or turn a line around (control characters, bidirectional overrides) is spelled as an escape.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
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
"""Tokens on either side of a boundary that are compared to find where a near loop's next copy begins."""
TOKENS = {"char": "character", "word": "word", "token": "token", "event": "event"}
_VERDICTS = {
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
    """The copies of a loop: a period each; of a near loop, to where the next begins most like the one before."""
    start, period = row["start"], row["period"]
    end = start + round(row["copies"] * period)
    if row["kind"] == "exact":
        return Copies(range(start, end, period), end)
    starts = [start]
    while (follows := _follower(sample.ids, starts[-1], period)) < end:
        starts.append(follows)
    return Copies(starts, end)


def _follower(ids: Ints, start: int, period: int) -> int:
    """Where a copy begins that is most like the one at `start`, a period later, give or take a quarter."""
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
    text = _VERDICTS[row["kind"]]
    if row["kind"] == "recycling":
        text += ": reuses its own phrases, without a period"
    if row["start"] is None:
        return text + f" ({row['length']:,} {token}s)"
    text += f" from {token} {row['start']:,} of {row['length']:,} on, period {row['period']:,}, {row['copies']:,.1f} copies"
    text += ", to the end" if row["terminal"] else ", then it goes on otherwise"
    if row["kind"] in ("near", "progression"):
        text += f"; copies are {int(100 * row['identity'])}% alike"  # not 100% before all is
    if row["nested_period"]:
        text += f"; a run of period {row['nested_period']:,} within the unit"
    return text


# ---------------------------------------------------------------- the page

_CSS = """
body { margin: 0 auto; max-width: 72rem; padding: 1.5rem 1.25rem 4rem; color: #1f2933; background: #fff;
  font: 1rem/1.5 -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
h1 { margin: 0 0 .3rem; font-size: 1.9rem; line-height: 1.15; letter-spacing: -.02em; }
h2 { margin: 0; font-size: 1rem; overflow-wrap: anywhere; }
p { margin: .2rem 0 .6rem; color: #566270; }
.lead { color: #1f2933; font-size: 1.1rem; }
a { color: #0072b2; }
.scroll { overflow-x: auto; border: 1px solid #dfe3e8; border-radius: .5rem; margin: 1rem 0 2rem; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .6rem; text-align: right; white-space: nowrap; border-bottom: 1px solid #eceff2; }
thead th { background: #f6f7f9; color: #566270; font-weight: 600; }
tbody tr:last-child > * { border-bottom: 0; }
tbody th { font-weight: 500; }
.left { text-align: left; white-space: normal; overflow-wrap: anywhere; min-width: 9rem; }
.kind { font-size: .75rem; font-weight: 600; padding: .05rem .4rem; border-radius: .3rem; white-space: nowrap; }
.exact { background: #b04a00; color: #fff; } .near { background: #fbe3cf; color: #7a3300; }
.recycling { background: #e2eef6; color: #00466e; } .none { background: #eceff2; color: #566270; }
section { margin: 1.2rem 0; padding-top: 1rem; border-top: 1px solid #dfe3e8; content-visibility: auto; }
pre { margin: .4rem 0 0; padding: .8rem 1rem; background: #f6f7f9; border-radius: .5rem; white-space: pre-wrap;
  overflow-wrap: anywhere; font: .85rem/1.7 ui-monospace, "SF Mono", "DejaVu Sans Mono", Menlo, Consolas, monospace; }
mark { color: inherit; background: #ffdcb8; padding: .12rem 0; }
mark.even { background: #ffeeda; }
mark.first { border-left: 2px solid #b04a00; }
mark.last:not(:has(+ mark)) { border-right: 2px solid #b04a00; }
.gap { color: #566270; font: italic .8rem/1 sans-serif; padding: 0 .2rem; white-space: nowrap; }
"""
_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Repetition loops</title><style>{css}</style></head><body>
<h1>Repetition loops</h1>
"""
_COLUMNS = (
    "sample",
    "verdict",
    "from",
    "length",
    "period",
    "copies",
    "coverage",
    "to end",
    "what repeats",
)


def page(
    shown: Sequence[tuple[Mapping[str, Any], Sequence[Piece]]], lead: str, notes: Iterable[str]
) -> str:
    """One HTML page of these samples, in their order: a table of verdicts, then the texts with their loops marked.

    Loads nothing and runs nothing: its own policy forbids scripts and requests, whatever the texts hold.
    """
    rows = "".join(_table_row(number, row) for number, (row, _) in enumerate(shown, 1))
    texts = "".join(_section(number, row, parts) for number, (row, parts) in enumerate(shown, 1))
    head = "".join(f'<th scope="col"{_left(name)}>{name}</th>' for name in _COLUMNS)
    said = "".join(f"<p>{escape(note)}</p>\n" for note in notes)
    return (
        _HEAD.format(css=_CSS)
        + f'<p class="lead">{escape(lead)}</p>\n{said}<div class="scroll"><table><thead><tr>{head}</tr></thead>\n'
        + f"<tbody>\n{rows}</tbody></table></div>\n{texts}</body></html>\n"
    )


def _left(name: str) -> str:
    return ' class="left"' if name in ("sample", "what repeats") else ""


def _kind(row: Mapping[str, Any]) -> str:
    return f'<span class="kind {row["kind"]}">{_VERDICTS[row["kind"]]}</span>'


def _table_row(number: int, row: Mapping[str, Any]) -> str:
    name = escape(escaped(row["id"]))
    cells = cells_of(row)
    middle = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    unit = escape(unit_text(row))
    return (
        f'<tr><th scope="row" class="left"><a href="#s{number}">{name}</a></th><td>{_kind(row)}</td>{middle}'
        f'<td class="left">{unit}</td></tr>\n'
    )


def cells_of(row: Mapping[str, Any]) -> list[str]:
    """From where it loops, the sample's length, period, copies, coverage, and whether it goes on to the end."""
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


def _section(number: int, row: Mapping[str, Any], parts: Sequence[Piece]) -> str:
    """One sample: its verdict in words, and its text."""
    name = escape(escaped(row["id"]))
    text = "".join(map(_marked, parts, (Piece(""), *parts), (*parts[1:], Piece(""))))
    return (
        f'<section id="s{number}"><h2>{number}. {name}</h2>'
        f"<p>{escape(sentence(row))}</p>\n<pre>{text}</pre></section>\n"
    )


def _marked(piece: Piece, before: Piece, after: Piece) -> str:
    text = escape(escaped(piece.text, keep="\n\t"))
    if piece.gap:
        return f'<span class="gap">… {text} …</span>'
    if not piece.copy:
        return text
    sides = [
        side for side, other in (("first", before), ("last", after)) if other.copy != piece.copy
    ]
    return f'<mark class="{" ".join(["odd" if piece.copy % 2 else "even", *sides])}">{text}</mark>'
