"""Everything that a report folder holds, by file name; the same inputs give the same bytes."""

import json

import pandas as pd

from recurrence.errors import RecurrenceError, command
from recurrence.reporting import drawing, figures, loop_figures, page, tables
from recurrence.reporting.frontier import frontier
from recurrence.results.corpus import Results


def contents(results: Results) -> dict[str, bytes]:
    """File name (with `/` for a folder within) to content; raises RecurrenceError where no model
    has scores.
    """
    if not results.models:
        raise RecurrenceError(
            f"{results.corpus}: no model has scores, so there is nothing to report; "
            f"run {command('dvc', 'repro', f'report@{results.corpus}')}, which makes them first"
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
    return {n: t.encode() for n, t in texts.items()} | {
        f"figures/{name}.svg": drawing.picture(chart, name).encode()
        for name, chart in _charts(results).items()
    }


def _charts(results: Results) -> dict[str, drawing.Chart]:
    """For pages that show pictures only; the frontier is that of the best model, where its samples
    have reference nats.
    """
    charts = {
        "curves": figures.curves(results),
        "loop_rates": loop_figures.heat_map(results),
    }
    best = frontier(results.best, results) if results.best else None
    return charts | ({"frontier": best} if best else {})


def _csv(table: pd.DataFrame) -> str:
    """Six significant digits: more than the figures mean, and steady under version control."""
    return table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
