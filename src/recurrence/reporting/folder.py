"""Everything that a report folder holds, by file name; the same inputs give the same bytes."""

import json

import pandas as pd

from recurrence.errors import RecurrenceError
from recurrence.reporting import drawing, figures, page, tables
from recurrence.reporting.results import Results


def contents(results: Results) -> dict[str, bytes]:
    """File name (with `/` for a folder within) to content; raises RecurrenceError where no model has scores."""
    if not results.models:
        raise RecurrenceError(
            f"{results.corpus}: no model has scores, so there is nothing to report; "
            f"run `dvc repro report@{results.corpus}`, which makes them first"
        )
    texts = {
        "index.html": page.html(results),
        "summary.md": page.markdown(results),
        "models.csv": _csv(tables.models(results)),
        "decoding.csv": _csv(tables.decoding(results)),
        "curves.csv": _csv(tables.curves(results)),
    }
    for name, values in tables.metrics(results).items():
        texts[f"metrics/{name}.json"] = json.dumps(values, indent=1) + "\n"
    charts = {"curves.png": figures.curves, "loop_rates.png": figures.heat_map}
    return {n: t.encode() for n, t in texts.items()} | {n: drawing.png(draw(results)) for n, draw in charts.items()}


def _csv(table: pd.DataFrame) -> str:
    """Six significant digits: more than the figures mean, and steady under version control."""
    return table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
