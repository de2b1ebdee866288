"""The options of `recurrence loops`, in the order in which its help has them, each with its default
explained.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from recurrence.errors import RecurrenceError

MOST_TOKENS = 2**31 - 1
"""The largest floor: what an array of positions can hold."""
MOST_ID = 2**63 - 1
"""Of a token, as its array holds it."""
MOST_JOBS = 8
"""Processes without being asked for more."""

READ, RULES, RESULTS = "What is read", "What is a loop", "Results"

Files = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...",
        help="Text, JSONL, JSON, CSV, TSV, Parquet, each also .gz and .zst; folders; - for stdin",
    ),
]
Unit = Annotated[
    Literal["char", "word", "token", "event"] | None,
    typer.Option(
        help="What repeats; default: char for texts, token for records of tokens alone, "
        "event for calls of tools in messages.",
        show_default=False,
        rich_help_panel=READ,
    ),
]
FieldOf = Annotated[
    str | None,
    typer.Option(
        "--field",
        metavar="a.b[0].c",
        help="Where in a record the text or tokens stand ([]: all of a list); default: found by "
        "names in use.",
        show_default=False,
        rich_help_panel=READ,
    ),
]
Lines = Annotated[
    bool,
    typer.Option("--lines", help="Each line of a text file is a sample.", rich_help_panel=READ),
]
Encoding = Annotated[
    str | None,
    typer.Option(
        help="Of all files; default: by byte order mark, else UTF-8, else a guess, which is named.",
        show_default=False,
        rich_help_panel=READ,
    ),
]
Strict = Annotated[
    bool,
    typer.Option(
        "--strict",
        help="End at the first record or file that cannot be read; default: skip and name it.",
        rich_help_panel=READ,
    ),
]
Pad = Annotated[
    int | None,
    typer.Option(
        metavar="ID",
        min=-MOST_ID,
        max=MOST_ID,
        help="Token that is padding: it repeats nothing.",
        show_default=False,
        rich_help_panel=READ,
    ),
]
Floor = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MOST_TOKENS,
        help="Least matched tokens; default: by kind of text and length, 40 characters or more; "
        "20 tokens; 3 events.",
        show_default=False,
        rich_help_panel=RULES,
    ),
]
KindOf = Annotated[
    Literal["prose", "code", "json", "table", "markdown", "log", "chat", "reasoning", "ocr"] | None,
    typer.Option(
        "--kind",
        help="What the texts are; default: told from each.",
        show_default=False,
        rich_help_panel=RULES,
    ),
]
Identity = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        max=1.0,
        help="Least share of a near loop that stood before; default: by kind of text.",
        show_default=False,
        rich_help_panel=RULES,
    ),
]
MinCoverage = Annotated[
    float,
    typer.Option(
        min=0.0,
        max=1.0,
        help="Least share of a text that a loop must have; 0: any.",
        rich_help_panel=RULES,
    ),
]
ToEnd = Annotated[
    bool,
    typer.Option("--to-end", help="Only loops that go on to the end.", rich_help_panel=RULES),
]
ExactOnly = Annotated[
    bool,
    typer.Option("--exact-only", help="Only loops whose copies are equal.", rich_help_panel=RULES),
]
Corpus = Annotated[
    str | None,
    typer.Option(
        help="Floors from this corpus's calibration (in a project).",
        show_default=False,
        rich_help_panel=RULES,
    ),
]
Format = Annotated[
    Literal["table", "jsonl", "csv", "junit", "sarif"],
    typer.Option(
        help="For people, for programs (csv puts ' before texts that a spreadsheet would compute; "
        "jsonl is exact), or for CI.",
        rich_help_panel=RESULTS,
    ),
]
Highlight = Annotated[
    bool,
    typer.Option(
        "--highlight", help="Show the texts, their loops marked.", rich_help_panel=RESULTS
    ),
]
Html = Annotated[
    Path | None,
    typer.Option(
        metavar="OUT",
        help="Write a page with the marked texts.",
        show_default=False,
        rich_help_panel=RESULTS,
    ),
]
By = Annotated[
    str | None,
    typer.Option(
        metavar="FIELD",
        help="Rates by what records have in this field, such as model; or by file or part.",
        show_default=False,
        rich_help_panel=RESULTS,
    ),
]
Compare = Annotated[
    bool,
    typer.Option(
        "--compare",
        help="Of two FILEs, does the second loop more? Exit code 1 if it does beyond chance.",
        rich_help_panel=RESULTS,
    ),
]
FailOn = Annotated[
    str,
    typer.Option(
        metavar="KINDS",
        help="Kinds that count as loops, with commas; also template and recycling, which bring "
        "news or have no period.",
        rich_help_panel=RESULTS,
    ),
]
FailOver = Annotated[
    float,
    typer.Option(
        min=0.0,
        max=1.0,
        metavar="RATE",
        help="Exit code 1 only if a larger share loops; 0: if any does.",
        rich_help_panel=RESULTS,
    ),
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs",
        "-j",
        min=1,
        help=f"Processes to judge in; default: one per core, at most {MOST_JOBS}.",
        show_default=False,
        rich_help_panel=RESULTS,
    ),
]


# ---------------------------------------------------------------- what cannot be asked


def check(files: Sequence[str], html: Path | None, highlight: bool, format: str) -> None:
    """What is not there, or an output that could be somebody's text or folder, is refused before
    anything is read.
    """
    for file in files:
        if file != "-" and not Path(file).exists():
            raise RecurrenceError(
                f"{file}: cannot be read (No such file or directory); name files, folders, or - "
                f"for stdin"
            )
    if html and (html.suffix not in (".html", ".htm") or html.is_dir()):
        raise RecurrenceError(
            f"--html {html}: must be a file named *.html, to be written; samples come without an "
            f"option"
        )
    if highlight and format != "table":
        raise RecurrenceError(
            f"--highlight is for the table, got --format {format}; leave one out, or use --html"
        )


def check_compared(files: Sequence[str], compare: bool, by: str | None) -> None:
    """Two heaps, and no other groups."""
    if not compare:
        return
    if len(set(files)) != 2 or len(files) != 2:
        raise RecurrenceError(
            f"--compare: must have two files or folders, got {len(files)}: {', '.join(files)}"
        )
    if by is not None:
        raise RecurrenceError(f"--compare: goes by the two FILEs, got --by {by}; leave one out")
