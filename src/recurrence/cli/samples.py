"""The command for text from anywhere: which of it loops, since when, and how badly."""

import json
import sys
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text


def loops(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Text, JSONL, folders, or - for stdin")],
    unit: Annotated[
        Literal["char", "word", "token"] | None,
        typer.Option(help="What repeats; default: char for text, token for records of tokens.", show_default=False),
    ] = None,
    floor: Annotated[
        int | None, typer.Option(min=1, help="Least evidence, in matched tokens; default: by unit.", show_default=False)
    ] = None,
    lines: Annotated[bool, typer.Option("--lines", help="Each line of a text file is a sample.")] = False,
    format: Annotated[Literal["table", "jsonl"], typer.Option(help="For people, or for programs.")] = "table",
) -> None:
    """Which samples loop, since when, with what unit. A text file is one sample; of JSONL each line is one, a record
    with `text` or `tokens` (and `id`). Exit code: 0 no loop, 1 loops found, 2 error.

    \b
    Examples:
      recurrence loops story.txt essay.txt
      recurrence loops samples.jsonl --unit word --format jsonl
      recurrence generate nietzsche/lstm --prompt " for thos" | recurrence loops -
    """
    from recurrence.loops.files import read_samples, verdict_row

    looping = 0
    rows = []
    for sample in read_samples(files, sys.stdin.buffer, unit, lines):
        row = verdict_row(sample, floor)
        looping += row["kind"] != "none"
        if format == "jsonl":
            print(json.dumps(row, ensure_ascii=False))
        else:
            rows.append(row)
    if format == "table":
        _show(rows)
        print(f"{looping} of {len(rows)} samples loop")
    if looping:
        raise typer.Exit(1)


def _show(rows: list[dict[str, Any]]) -> None:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for title in ("id", "loop"):
        table.add_column(title, overflow="fold")
    for title in ("start", "period", "copies", "coverage", "to the end"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("unit", overflow="fold")
    for row in rows:
        cells = [Text(str(row["id"])), row["kind"]]
        if row["kind"] != "none":
            cells += [str(row["start"]), str(row["period"]), f"{row['copies']:.1f}", f"{row['coverage']:.0%}"]
            cells += ["yes" if row["terminal"] else "no", Text(repr(row["unit"]))]
        table.add_row(*cells)
    console = Console()
    console.width = max(console.width, 100)
    console.print(table)
