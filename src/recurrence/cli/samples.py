"""The command for text from anywhere: which of it loops, since when, and how badly."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from recurrence import params, paths
from recurrence.console import progress
from recurrence.errors import RecurrenceError, command
from recurrence.files import read_json

if TYPE_CHECKING:
    from recurrence.loops.verdict import Detector
    from recurrence.scan.files import Sample
    from recurrence.scan.findings import AnyDetector, Evident, Row


ON_PAGE = 500
"""Samples on a page, at most."""
MOST_JOBS = 8
MOST_TOKENS = 2**31 - 1
"""The largest floor: what an array of positions can hold."""
MOST_ID = 2**63 - 1
"""Of a token, as its array holds it."""
BAR_BYTES = 4_000_000
"""Less is judged before a progress bar would be of use."""


# Options of the command, in the order in which its help has them.
Files = Annotated[
    list[str], typer.Argument(metavar="FILE...", help="Text, JSONL, folders, or - for stdin")
]
Unit = Annotated[
    Literal["char", "word", "token"] | None,
    typer.Option(
        help="What repeats; default: char for text, token for records of tokens.",
        show_default=False,
    ),
]
Floor = Annotated[
    int | None,
    typer.Option(
        min=1,
        max=MOST_TOKENS,
        help="Least matched tokens; default: by kind of text and length, 40 characters or more.",
        show_default=False,
    ),
]
KindOf = Annotated[
    Literal["prose", "code", "json", "table", "markdown", "log", "chat", "reasoning", "ocr"] | None,
    typer.Option("--kind", help="What the texts are; default: told from each.", show_default=False),
]
Identity = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        max=1.0,
        help="Least share of a near loop that stood before; default: by kind of text.",
        show_default=False,
    ),
]
MinCoverage = Annotated[
    float, typer.Option(min=0.0, max=1.0, help="Least share of a text that a loop must have.")
]
ToEnd = Annotated[bool, typer.Option("--to-end", help="Only loops that go on to the end.")]
ExactOnly = Annotated[bool, typer.Option("--exact-only", help="Only loops whose copies are equal.")]
FailOn = Annotated[
    str, typer.Option(metavar="KINDS", help="Kinds that count as loops, with commas.")
]
Pad = Annotated[
    int | None,
    typer.Option(
        metavar="ID",
        min=-MOST_ID,
        max=MOST_ID,
        help="Token that is padding: it repeats nothing.",
        show_default=False,
    ),
]
Corpus = Annotated[
    str | None, typer.Option(help="Floors from this corpus's detector card.", show_default=False)
]
Lines = Annotated[bool, typer.Option("--lines", help="Each line of a text file is a sample.")]
Format = Annotated[
    Literal["table", "jsonl", "csv"],
    typer.Option(
        help="For people, or for programs. csv puts ' before texts that a spreadsheet would compute; jsonl is exact."
    ),
]
Highlight = Annotated[bool, typer.Option("--highlight", help="Show the texts, their loops marked.")]
Html = Annotated[
    Path | None,
    typer.Option(metavar="OUT", help="Write a page with the marked texts.", show_default=False),
]
FailOver = Annotated[
    float,
    typer.Option(
        min=0.0, max=1.0, metavar="RATE", help="Exit code 1 only if a larger share loops."
    ),
]


def loops(  # noqa: PLR0913 (each is an option of the command)
    files: Files,
    unit: Unit = None,
    floor: Floor = None,
    kind: KindOf = None,
    identity: Identity = None,
    min_coverage: MinCoverage = 0.0,
    to_end: ToEnd = False,
    exact_only: ExactOnly = False,
    pad: Pad = None,
    corpus: Corpus = None,
    lines: Lines = False,
    format: Format = "table",
    highlight: Highlight = False,
    html: Html = None,
    fail_on: FailOn = "exact,near,progression",
    fail_over: FailOver = 0.0,
) -> None:
    """Which samples loop, since when, with what unit. A text file is one sample; of JSONL each line is one, a record
    with `text` or `tokens` (and `id`). Exact and near loops count, and progressions (copies that only count up);
    templates (copies that each bring news, as rows do) and recycling (phrases reused without a period) are only shown.

    Exit code: 0 no loop, 1 loops found, 2 error.

    \b
    Examples:
      recurrence loops story.txt essay.txt --highlight
      recurrence loops samples.jsonl --unit word --format jsonl
      recurrence loops samples.jsonl --html loops.html --fail-over 0.05
      recurrence generate nietzsche/lstm --prompt " for thos" | recurrence loops - --corpus nietzsche
    """
    from recurrence.cli.verdicts import SHOWN, show, write_page
    from recurrence.scan.files import read_samples
    from recurrence.scan.findings import Evident, judge_samples

    _check(html, highlight, format)
    asked = {
        "kind": kind,
        "identity": identity,
        "min_coverage": min_coverage,
        "to_end": to_end,
        "exact_only": exact_only,
    }
    detectors, read_as = _detectors(corpus, unit, floor, asked)
    kinds = _kinds(fail_on)
    read = partial(read_samples, files, sys.stdin.buffer, read_as, lines)
    found = Evident(ON_PAGE if html else SHOWN, kinds=kinds)
    rows = partial(judge_samples, detectors=detectors, jobs=_jobs(), pad=pad)
    _judge(files, lambda tell: rows(read(tell)), format, found, highlight or html is not None)
    if format == "table":
        show(found, highlight)
    if html:
        write_page(html, found, detectors, files)
    raise typer.Exit(int(found.looping / found.total > fail_over))


def _judge(
    files: Sequence[str],
    judged: "Callable[[Callable[[int], None]], Iterator[tuple[Sample, Row]]]",
    format: str,
    found: "Evident",
    marked: bool,
) -> None:
    """The verdicts on all samples, told at once to programs; for people some are kept, with their marks if asked."""
    from recurrence.cli.verdicts import writer
    from recurrence.scan.highlight import pieces

    write = writer(format)
    with _watched(files, format) as tell:
        for sample, row in judged(tell):
            write(row)
            found.add(row, partial(pieces, sample, row) if marked else tuple)
    if not found.total:
        raise RecurrenceError(f"{', '.join(files)}: no samples in there; every line is blank")


def _jobs() -> int:
    return min(os.cpu_count() or 1, MOST_JOBS)


# ---------------------------------------------------------------- what is asked


def _check(html: Path | None, highlight: bool, format: str) -> None:
    """An output that could be somebody's text or folder is refused before anything is read."""
    if html and (html.suffix not in (".html", ".htm") or html.is_dir()):
        raise RecurrenceError(
            f"--html {html}: must be a file named *.html, to be written; samples come without an option"
        )
    if highlight and format != "table":
        raise RecurrenceError(
            f"--highlight is for the table, got --format {format}; leave one out, or use --html"
        )


def _kinds(fail_on: str) -> frozenset[str]:
    """The kinds that count as loops."""
    from typing import get_args

    from recurrence.loops.verdict import Kind

    asked = [kind.strip() for kind in fail_on.split(",") if kind.strip()]
    known = [kind for kind in get_args(Kind) if kind != "none"]
    if wrong := [kind for kind in asked if kind not in known]:
        raise RecurrenceError(f"--fail-on {wrong[0]}: must be some of {', '.join(known)}")
    return frozenset(asked)


def _detectors(
    corpus: str | None, unit: str | None, floor: int | None, asked: dict[str, Any]
) -> tuple[dict[str, "AnyDetector"], str | None]:
    """The detector of each unit, and the unit to be read: with a corpus, only its own."""
    from recurrence.loops.texts import TextDetector
    from recurrence.loops.verdict import DETECTORS

    if not corpus:
        text = TextDetector(floor=floor, **asked)
        token = DETECTORS["token"]
        if floor:
            token = replace(token, floor=floor, near_floor=max(token.near_floor, floor))
        return {"char": text, "word": text, "token": token}, unit
    if given := [name for name, value in asked.items() if value]:
        option = given[0].replace("_", "-")
        raise RecurrenceError(
            f"--{option}: is for texts without a corpus, got --corpus {corpus}; leave one out"
        )
    detector = _of_card(corpus)
    if unit not in (None, detector.unit):
        raise RecurrenceError(
            f"--unit {unit}: the detector card of {corpus} is for {detector.unit}; leave one out"
        )
    if floor:
        detector = replace(detector, floor=floor, near_floor=max(detector.near_floor, floor))
    return {detector.unit: detector}, detector.unit


def _of_card(corpus: str) -> "Detector":
    from recurrence.study.calibration import detector_of

    path = paths.calibration(corpus)
    if not path.is_file():
        params.corpus(corpus)  # names the nearest where there is none of this name
        raise RecurrenceError(
            f"{path}: not there; measure it first: {command('recurrence', 'repro', f'calibrate@{corpus}')}"
        )
    card = read_json(path)
    try:
        return detector_of(card)
    except (KeyError, TypeError) as error:
        raise RecurrenceError(
            f"{path}: no detector card of this version; run: {command('recurrence', 'repro', f'calibrate@{corpus}')}"
        ) from error


# ---------------------------------------------------------------- while it runs


@contextmanager
def _watched(files: Sequence[str], format: str) -> Iterator[Callable[[int], None]]:
    """Told of bytes that are done with, shows a bar on a terminal, unless there is little to read or rows pass by."""
    total = _total_bytes(files)
    shown = sys.stderr.isatty() and (format == "table" or not sys.stdout.isatty())
    pending, advance = 0, None
    with ExitStack() as stack:

        def tell(size: int) -> None:
            nonlocal pending, advance
            pending += size
            if shown and pending >= BAR_BYTES:
                flush()

        def flush() -> None:
            nonlocal pending, advance
            advance = advance or stack.enter_context(
                progress("looking for loops", total and round(total / 1e6, 1), "MB")
            )
            advance(pending / 1e6)
            pending = 0

        if shown and total and total >= BAR_BYTES:
            flush()
        yield tell
        if advance:
            flush()


def _total_bytes(files: Sequence[str]) -> int | None:
    """How much there is to read; None where that cannot be known before."""
    from recurrence.scan.files import walk

    places = [path for file in files if file != "-" for path in walk(file)]
    if "-" in files or not all(path.is_file() for path in places):
        return None
    return sum(path.stat().st_size for path in places)
