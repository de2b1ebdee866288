"""Verdicts and marked texts as one HTML page that needs nothing else."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from recurrence.escaping import escaped
from recurrence.scan.highlight import VERDICTS, Piece, cells_of, sentence, unit_text

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
.exact { background: #b04a00; color: #fff; } .near, .progression { background: #fbe3cf; color: #7a3300; }
.recycling, .template { background: #e2eef6; color: #00466e; } .none { background: #eceff2; color: #566270; }
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
    """One HTML page of these samples, in their order: a table of verdicts, then the texts with
    their loops marked.

    Loads nothing and runs nothing: its own policy forbids scripts and requests, whatever the texts
    hold.
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
    return f'<span class="kind {row["kind"]}">{VERDICTS[row["kind"]]}</span>'


def _table_row(number: int, row: Mapping[str, Any]) -> str:
    name = escape(escaped(row["id"]))
    cells = cells_of(row)
    middle = "".join(f"<td>{escape(cell)}</td>" for cell in cells)
    unit = escape(unit_text(row))
    return (
        f'<tr><th scope="row" class="left"><a href="#s{number}">{name}</a></th><td>{_kind(row)}</td>{middle}'
        f'<td class="left">{unit}</td></tr>\n'
    )


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
