"""Commands that hold results against others: against what is committed, or any two states of the
project.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from recurrence import paths
from recurrence.errors import RecurrenceError

if TYPE_CHECKING:
    from recurrence.results.comparison import Change, Figure, Verdict
    from recurrence.results.verification import Verification

MOST_SHOWN = 20
"""Lines of a kind; the rest is counted."""

Format = Literal["table", "markdown", "json"]


def verify(
    corpus: Annotated[str | None, typer.Argument(help="default: all that were made here")] = None,
    against: Annotated[str, typer.Option(metavar="REVISION", help="What is committed.")] = "HEAD",
) -> None:
    """Hold what was made here against what is committed: the same bytes, or figures that differ by
    chance alone.

    Exit code 1 where something is missing, or a figure lies outside what its interval allows.

    \b
    Examples:
      recurrence verify human_numbers
      recurrence verify --against v1.0
    """
    from recurrence import params
    from recurrence.results import places, verification

    root = paths.root()
    corpora = [corpus] if corpus else list(params.load().corpora)
    if corpus:
        params.corpus(corpus)
    committed = places.revision(root, against)
    found = verification.verify(root, committed, corpora)
    if corpus is None:
        found = [each for each in found if _was_run(each)]
    if not any(each.outputs for each in found):
        raise RecurrenceError(
            f"{against}: its dvc.lock has no outputs of "
            f"{corpus or 'any corpus that was made here'}; "
            f"run recurrence repro first, and commit what it makes"
        )
    for each in found:
        for line in _told(each):
            print(line)
    same = sum(each.same for each in found)
    total = sum(len(each.outputs) for each in found)
    print(f"same bytes as committed: {same} of {total}")
    raise typer.Exit(0 if all(each.holds for each in found) else 1)


def compare(
    before: Annotated[str, typer.Argument(metavar="A", help="git revision, project or report")],
    after: Annotated[str, typer.Argument(metavar="B", help="the same; default: this folder")] = ".",
    format: Annotated[Format, typer.Option(help="For people, a page, or a program.")] = "table",
    all: Annotated[bool, typer.Option("--all", help="Every figure that changed at all.")] = False,
) -> None:
    """Say which figures changed beyond chance between two states of the project.

    A figure counts as changed where the 95 % intervals before and after have no point in common.

    \b
    Examples:
      recurrence compare HEAD~1 HEAD
      recurrence compare main --format markdown
      recurrence compare reports/human_numbers ../elsewhere/reports/human_numbers --all
    """
    from recurrence.results import comparison, places

    root = paths.root()
    one = places.place(root, before)
    other = places.place(root, after)
    corpora = [name for name in one.corpora() if name in other.corpora()]
    if not corpora:
        raise RecurrenceError(f"{before} and {after}: no corpus has a report in both")
    changes = comparison.compare(one, other, corpora)
    shown = [each for each in changes if each.verdict == "beyond" or (all and _changed(each))]
    print(_written(shown, changes, (one.name, other.name), format))


def _was_run(found: "Verification") -> bool:
    """Whether anything of a corpus is here but its report, which comes with git."""
    return any(each.stage != "report" and each.bytes != "not here" for each in found.outputs)


def _told(found: "Verification") -> list[str]:
    """What is to be said of a corpus: outputs that are not the committed ones, and figures that
    moved.
    """
    lines = []
    for bytes_, words in (("not here", "not made here"), ("other", "other bytes")):
        named = [each.path for each in found.outputs if each.bytes == bytes_]
        lines += [f"{words}: {path}" for path in named[:MOST_SHOWN]]
        if len(named) > MOST_SHOWN:
            lines.append(f"{words}: {len(named) - MOST_SHOWN} more")
    for each in found.unexplained:
        lines.append(
            f"{each.path}: made by {each.stage} from the corpus alone, so it must be the same"
        )
    counts = Counter(each.verdict for each in found.changes)
    if counts["same"] < len(found.changes):
        lines += [_line(each) for each in found.changes if each.verdict in ("beyond", "gone")]
        compared = [each for each in found.changes if each.before and each.before.has_interval]
        inside = sum(each.is_inside for each in compared)
        lines.append(
            f"figures of {found.corpus}: {len(found.changes)}, {counts['same']} the same; "
            f"{inside} of {len(compared)} inside the committed 95 % intervals, "
            f"{counts['beyond']} beyond what chance allows"
        )
    return lines


def _changed(change: "Change") -> bool:
    return change.verdict != "same"


def _line(change: "Change") -> str:
    name = change.name
    return (
        f"{name.corpus}/{name.model} {name.strategy} {name.figure}: "
        f"{_figure(change.before)} -> {_figure(change.after)}, {change.verdict}"
    ).replace("  ", " ")


def _figure(figure: "Figure | None") -> str:
    """0.25 (0.1 to 0.4); a dash where there is none."""
    if figure is None:
        return "–"
    if not figure.has_interval:
        return f"{figure.value:.4g}"
    return f"{figure.value:.4g} ({figure.low:.4g} to {figure.high:.4g})"


HEADINGS = ("corpus", "model", "strategy", "figure", "before", "after", "verdict")


def _cells(change: "Change") -> tuple[str, ...]:
    name = change.name
    figures = (_figure(change.before), _figure(change.after))
    return (name.corpus, name.model, name.strategy, name.figure, *figures, change.verdict)


def _written(
    shown: list["Change"], changes: list["Change"], names: tuple[str, str], format: Format
) -> str:
    if format == "json":
        return json.dumps([_record(each) for each in shown], indent=1)
    counts = Counter(each.verdict for each in changes)
    told = [f"{counts[kind]} {words}" for kind, words in WORDS.items() if counts[kind]]
    noun = "figure" if len(changes) == 1 else "figures"
    summary = f"{len(changes)} {noun} of {names[0]} and {names[1]}: {', '.join(told)}"
    if format == "markdown":
        return "\n".join([f"**{summary}**", *(_markdown(shown) if shown else [])])
    return "\n".join([*_columns([HEADINGS, *map(_cells, shown)] if shown else []), summary])


WORDS: dict["Verdict", str] = {
    "same": "the same",
    "within": "changed within their intervals",
    "beyond": "changed beyond chance",
    "no interval": "changed, without an interval to judge by",
    "gone": "gone",
    "new": "new",
}


def _markdown(shown: list["Change"]) -> list[str]:
    rows = [HEADINGS, tuple("---" for _ in HEADINGS), *map(_cells, shown)]
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in rows]
    return ["", *(f"| {' | '.join(row)} |" for row in escaped)]


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def _record(change: "Change") -> dict[str, Any]:
    """A change as JSON has it; None for what there is not."""
    figures = {"before": change.before, "after": change.after}
    values = {when: _bounds(figure) if figure else None for when, figure in figures.items()}
    return asdict(change.name) | values | {"verdict": change.verdict}


def _bounds(figure: "Figure") -> dict[str, float | None]:
    return {name: value if isfinite(value) else None for name, value in asdict(figure).items()}
