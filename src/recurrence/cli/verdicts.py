"""Verdicts as people are told of them: a table, texts with their loops marked, rates, and a
page.
"""

import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from recurrence.cli.samples import SHOWN
from recurrence.escaping import escaped
from recurrence.files import write_text
from recurrence.scan.findings import MOST_TOKENS, AnyDetector, Evident
from recurrence.scan.highlight import Piece, cells_of, sentence, unit_text
from recurrence.scan.page import page
from recurrence.scan.rates import Difference, Rate, Rates

IN_TABLE = 28
"""Characters of what repeats."""
PIPED_WIDTH = 120
"""Columns where no terminal says how many it has."""
_COPY_STYLES = ("black on bright_yellow", "black on yellow")
_BOUNDARY = "│", "bold red"


def show(found: Evident, highlight: bool) -> None:
    """Print the table, with `highlight` the texts of those in it that loop, and how many of all
    do.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(
            errors="backslashreplace"
        )  # for a terminal that cannot show every character
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    shown = _rows(found)
    console.print(_table(shown))
    if highlight:
        for row, parts in shown:
            if row["start"] is not None:
                _show_text(console, row, parts)
    print("\n".join(_summary(found, len(shown))))


def _rows(found: Evident) -> list[tuple[Mapping[str, Any], Sequence[Piece]]]:
    """What the table shows: all of a few samples; of many, those with something to see."""
    rows = found.rows()[:SHOWN]
    return [(row, parts) for row, parts in rows if found.total <= SHOWN or row["kind"] != "none"]


def _table(shown: Sequence[tuple[Mapping[str, Any], Any]]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("id", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    for title in ("from", "length", "period", "copies", "coverage", "to end"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("what repeats", overflow="fold")
    for row, _ in shown:
        table.add_row(
            Text(escaped(row["id"])), row["kind"], *cells_of(row), Text(unit_text(row, IN_TABLE))
        )
    return table


def _show_text(console: Console, row: Mapping[str, Any], parts: Sequence[Piece]) -> None:
    """A sample's verdict in words and its text: a bar where a copy begins or ends, and every second
    copy darker.
    """
    text, before = Text(), 0
    for piece in parts:
        if piece.copy != before:
            text.append(*_BOUNDARY)
        shown = escaped(piece.text, keep="\n\t")
        if piece.gap:
            text.append(f" … {shown} … ", "dim italic")
        else:
            text.append(shown, _COPY_STYLES[piece.copy % 2] if piece.copy else "")
        before = piece.copy
    if before:
        text.append(*_BOUNDARY)
    console.print()
    console.print(Text(escaped(row["id"]), "bold"), soft_wrap=True)
    console.print(Text(sentence(row), "dim"), soft_wrap=True)
    console.print(text, soft_wrap=True)


def _summary(found: Evident, shown: int) -> Iterator[str]:
    """How many samples there are of each kind, and what the table leaves out."""
    counts, left = found.counts, found.total - shown
    if left:
        yield f"shown: {shown:,} with the most evidence; not shown: {left:,}"
    if found.exact_only:
        yield (
            f"longer than {MOST_TOKENS:,} tokens, so only exact loops were looked for: "
            f"{found.exact_only:,} samples"
        )
    kinds = (
        f"{counts['exact']:,} exact, {counts['near']:,} near, {counts['progression']:,} count up"
    )
    kinds += f"; {counts['template']:,} templates, {counts['recycling']:,} recycle"
    yield (
        f"{found.looping:,} of {found.total:,} samples loop ({found.looping / found.total:.1%}): "
        f"{kinds}"
    )


# ---------------------------------------------------------------- rates


def show_rates(rates: Rates) -> None:
    """Print how many samples loop in each group."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("group", overflow="fold")
    for title in ("samples", "loop", "rate", "95 %"):
        table.add_column(title, justify="right", no_wrap=True)
    for name, rate in rates.rates():
        cells = f"{rate.samples:,}", f"{rate.loops:,}", f"{rate.value:.1%}", _interval(rate)
        table.add_row(Text(escaped(name)), *cells)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPED_WIDTH
    console.print()
    console.print(table)


def _interval(rate: Rate) -> str:
    low, high = rate.interval()
    return f"{low:.1%} to {high:.1%}"


def compared(rates: Mapping[str, Rate], found: Difference) -> Iterator[str]:
    """Two heaps in words: the rate of each, and how much more the second loops."""
    for name, rate in rates.items():
        counts = f"{rate.loops:,} of {rate.samples:,} loop"
        yield f"{escaped(name)}: {counts} ({rate.value:.1%}; {_interval(rate)})"
    low, high = found.interval
    points = f"{100 * found.value:+.1f} points ({100 * low:+.1f} to {100 * high:+.1f}, 95 %)"
    yield f"second less first: {points}: {found.verdict}"


# ---------------------------------------------------------------- the page


def write_page(
    target: Path, found: Evident, detectors: Mapping[str, AnyDetector], files: Sequence[str]
) -> None:
    """Write the page of the samples that were kept."""
    *notes, lead = _summary(found, len(found.rows()))
    floors = (
        f"{d.floor} matched {unit}s" if d.floor else f"by kind of text ({unit}s)"
        for unit, d in detectors.items()
    )
    notes += [f"Read: {', '.join(files)}. Least evidence of an exact loop: {', '.join(floors)}."]
    write_text(target, page(found.rows(), lead, notes))
