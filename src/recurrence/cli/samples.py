"""The command for text from anywhere: which of it loops, since when, and how badly."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer

from recurrence.cli import asked as options
from recurrence.cli.watching import watched
from recurrence.console import say
from recurrence.errors import RecurrenceError

if TYPE_CHECKING:
    from recurrence.scan.findings import AnyDetector, Evident, Row
    from recurrence.scan.rates import Rates
    from recurrence.scan.reading import Asked, Tell
    from recurrence.scan.samples import Sample
    from recurrence.scan.skips import Skips

ON_PAGE = 500
"""Samples on a page, at most."""
SHOWN = 50
"""Samples in the table, and with --highlight their texts."""


def loops(  # noqa: PLR0913 (each is an option of the command)
    files: options.Files,
    unit: options.Unit = None,
    field: options.FieldOf = None,
    lines: options.Lines = False,
    encoding: options.Encoding = None,
    strict: options.Strict = False,
    pad: options.Pad = None,
    floor: options.Floor = None,
    kind: options.KindOf = None,
    identity: options.Identity = None,
    min_coverage: options.MinCoverage = 0.0,
    to_end: options.ToEnd = False,
    exact_only: options.ExactOnly = False,
    corpus: options.Corpus = None,
    format: options.Format = "table",
    highlight: options.Highlight = False,
    html: options.Html = None,
    by: options.By = None,
    compare: options.Compare = False,
    fail_on: options.FailOn = "exact,near,progression",
    fail_over: options.FailOver = 0.0,
    jobs: options.Jobs = None,
) -> None:
    """Which samples loop, since when, with what unit. A text file is one sample; of JSONL each
    line, of a table each row, of a JSON array each element has one or more: text, tokens,
    completion, response, choices, messages and the like are found by themselves, reasoning and
    answer apart; messages with calls of tools are judged as a trace, too. Exact and near loops
    count, and progressions (copies that only count up); templates (copies that each bring news, as
    rows do) and recycling (phrases reused without a period) are only shown. What cannot be read is
    skipped and named.

    Exit code: 0 no loop, 1 loops found, 2 error.

    \b
    Examples:
      recurrence loops story.txt essay.txt --highlight
      recurrence loops samples.jsonl.gz --by model --format jsonl
      recurrence loops outputs/ --html loops.html --fail-over 0.05
      recurrence loops before.jsonl after.jsonl --compare
      recurrence loops batch.jsonl --field response.body.choices[0].message.content --format junit
      recurrence generate nietzsche/lstm --prompt " for" | recurrence loops - --corpus nietzsche
    """
    from recurrence.cli.detectors import detectors, loop_kinds

    options.check(files, html, highlight, format)
    options.check_compared(files, compare, by)
    rules = {
        "kind": kind,
        "identity": identity,
        "min_coverage": min_coverage,
        "to_end": to_end,
        "exact_only": exact_only,
    }
    by_unit, read_as = detectors(corpus, unit, floor, rules)
    scan = _Scan(
        files=files,
        asked=_asked(read_as, lines, field, by, encoding),
        detectors=by_unit,
        kinds=loop_kinds(fail_on),
        format=format,
        marked=highlight or html is not None,
        most=ON_PAGE if html else SHOWN,
        compare=compare,
        pad=pad,
        jobs=jobs or _cores(),
        skips=_skips(strict),
    )
    heard = scan.run()
    raise typer.Exit(_tell(scan, heard, highlight, html, fail_over))


class _Heard(NamedTuple):
    """What became of all samples."""

    found: "Evident"
    rates: "Rates"


@dataclass(frozen=True)
class _Scan:
    """What is asked for, checked."""

    files: Sequence[str]
    asked: "Asked"
    detectors: "Mapping[str, AnyDetector]"
    kinds: frozenset[str]
    format: str
    marked: bool
    most: int
    """Samples that are kept to be shown."""
    compare: bool
    pad: int | None
    jobs: int
    skips: "Skips"

    def run(self) -> _Heard:
        """The verdicts on all samples, told at once to programs; for people some are kept, with
        their marks if asked.
        """
        from recurrence.scan.findings import Evident, judge_samples
        from recurrence.scan.formats import writer
        from recurrence.scan.highlight import pieces
        from recurrence.scan.rates import Rates

        heard = _Heard(Evident(self.most, kinds=self.kinds), Rates(self.kinds))
        # stdout as it is now: a bar on the terminal catches what is printed later
        written = writer(self.format, sys.stdout, self.kinds)
        watch = watched(self.files, rows_pass_by=self.format != "table")
        with written as write, watch as tell:
            judged = judge_samples(self._samples(tell), self.detectors, self.jobs, self.pad)
            for sample, row in judged:
                write(row)
                heard.rates.add(row)
                heard.found.add(row, partial(pieces, sample, row) if self.marked else tuple)
                self._hint(row)
        if not heard.found.total:
            why = self.skips.reasons() or "every line is blank"
            raise RecurrenceError(f"{', '.join(self.files)}: no samples in there; {why}")
        return heard

    def _samples(self, tell: "Tell") -> "Iterator[Sample]":
        from recurrence.scan.reading import read_samples

        read = partial(
            read_samples, stdin=sys.stdin.buffer, asked=self.asked, skips=self.skips, tell=tell
        )
        if not self.compare:
            yield from read(self.files)
            return
        for file in self.files:
            for sample in read([file]):
                yield replace(sample, origin=sample.origin._replace(group=file))

    def _hint(self, row: "Row") -> None:
        """Say of what looks like padding how to name it."""
        unit = row["unit"]
        is_one = row["tokens"] == "token" and row["period"] == 1 and row["terminal"]
        if is_one and self.pad is None and isinstance(unit[0], int):
            self.skips.note(
                row["file"], f"ends in one token, over and over; is it padding? --pad {unit[0]}"
            )


def _tell(scan: _Scan, heard: _Heard, highlight: bool, html: Path | None, most: float) -> int:
    """Tell people of all verdicts; the exit code."""
    from recurrence.cli.verdicts import show, show_rates, write_page

    if scan.format == "table":
        show(heard.found, highlight)
    if html:
        write_page(html, heard.found, scan.detectors, scan.files)
    code = int(heard.found.looping / heard.found.total > most)
    if scan.compare:
        code = _tell_difference(scan, heard)
    elif scan.asked.by and scan.format == "table":
        show_rates(heard.rates)
    for line in scan.skips.lines():
        say(line)
    return code


def _tell_difference(scan: _Scan, heard: _Heard) -> int:
    """Say whether the second heap loops more; the exit code, 1 if it does beyond chance."""
    from recurrence.cli.verdicts import compared
    from recurrence.scan.rates import difference

    rates = [heard.rates.rate(file) for file in scan.files]
    for file, rate in zip(scan.files, rates, strict=True):
        if not rate.samples:
            raise RecurrenceError(f"{file}: no samples in there, so there is nothing to compare")
    found = difference(*rates)
    tell = print if scan.format == "table" else say
    for line in compared(dict(zip(scan.files, rates, strict=True)), found):
        tell(line)
    return int(found.interval.low > 0)


def _cores() -> int:
    return min(os.cpu_count() or 1, options.MOST_JOBS)


def _skips(strict: bool) -> "Skips":
    from recurrence.scan.skips import Skips

    return Skips(strict)


# ---------------------------------------------------------------- what is asked


def _asked(
    unit: str | None, lines: bool, field: str | None, by: str | None, encoding: str | None
) -> "Asked":
    """How files and records are to be read."""
    from recurrence.scan.encodings import known
    from recurrence.scan.fields import Field
    from recurrence.scan.reading import Asked

    return Asked(
        unit=unit,
        lines=lines,
        field=None if field is None else Field.parse(field, "--field"),
        by=None if by is None else Field.parse(by, "--by"),
        encoding=None if encoding is None else known(encoding),
    )
