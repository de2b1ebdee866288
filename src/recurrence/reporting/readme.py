"""The results table of README.md, from the reports: `python -m recurrence.reporting.readme`."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from recurrence import files, params, paths
from recurrence.console import fail
from recurrence.errors import RecurrenceError
from recurrence.reporting import tables
from recurrence.reporting.columns import cell
from recurrence.results.formats import DASH, absent, nats, percent, rated
from recurrence.results.metrics import MODEL

BEGIN, END = "<!-- results -->", "<!-- /results -->"
FIGURES = {name: figure for name, figure in MODEL.items() if figure.readme}
COLUMNS = (
    "corpus",
    "model",
    *(figure.readme for figure in FIGURES.values()),
    "n-gram floor",
    *(f"{name} loops" for name in tables.PLAIN),
    "nets, samples",
    "recommended (loops of samples, at most)",
)
HEAD = f"| {' | '.join(COLUMNS)} |\n|---|---|{'---:|' * (len(COLUMNS) - 3)}---|\n"


def results_table(reports: list[Path]) -> str:
    """A Markdown row per trained model of these report folders; losses in nats per token, loops in
    percent with their 95 % intervals and how many nets and samples of each are behind them; last
    the recommended decoding, with what the half that confirmed it says.
    """
    return HEAD + "".join(row for folder in reports for row in _rows(folder))


def _rows(folder: Path) -> Iterator[str]:
    models = pd.read_csv(folder / "models.csv")
    counted = models["as_notebook_nats"].isna()  # a baseline that counts has no training to repeat
    floor = models.loc[counted, "exact_nats"].min()
    for m in models[~counted].to_dict("records"):
        cells = [
            folder.name,
            m["model"],
            *(cell(figure, name, m) for name, figure in FIGURES.items()),
            nats(floor),
            *(rated(*(m[f"{n}_loop_{e}"] for e in ("rate", "lo", "hi"))) for n in tables.PLAIN),
            _behind(m),
            _recommended(m),
        ]
        yield f"| {' | '.join(cells)} |\n"


def _behind(m: dict[Any, Any]) -> str:
    """How many nets and samples there are of each plain strategy: 5, 25."""
    found = next((n for n in tables.PLAIN if not absent(m[f"{n}_samples"])), None)
    return DASH if found is None else f"{m[f'{found}_nets']:.0f}, {m[f'{found}_samples']:.0f}"


def _recommended(m: dict[Any, Any]) -> str:
    """top_p_0_9 (0 of 381, at most 1.0 %)."""
    if absent(m["recommended"]):
        return DASH
    seen = f"{m['recommended_loops']:.0f} of {m['recommended_samples']:.0f}"
    return f"{m['recommended']} ({seen}, at most {percent(m['recommended_loop_hi'])})"


def replaced(text: str, table: str) -> str:
    """The README with the part between its markers made anew; raises RecurrenceError where it has
    no markers.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise RecurrenceError(
            f"README.md: must hold the lines {BEGIN} and {END}, between which the table is written"
        )
    return f"{before}{BEGIN}\n{table}{END}{after}"


def main() -> None:
    """Rewrite the table of the project's README.md from all committed reports, in the order of
    params.yaml.
    """
    readme = paths.root() / "README.md"
    if not readme.is_file():
        raise RecurrenceError(f"{readme}: no such file; it must hold the lines {BEGIN} and {END}")
    folders = [paths.report(corpus) for corpus in params.load().corpora]
    table = results_table([folder for folder in folders if (folder / "models.csv").is_file()])
    files.write_text(readme, replaced(readme.read_text(encoding="utf-8"), table))


if __name__ == "__main__":
    try:
        main()
    except RecurrenceError as error:
        fail(error)
        sys.exit(error.exit_code)
