"""Every chart of the page as inline SVG, by name; None, or left out, where there is nothing to
show.
"""

from typing import Any

from markupsafe import Markup

from recurrence.reporting import drawing, figures, glance, loop_figures
from recurrence.reporting.frontier import frontier
from recurrence.reporting.grid import NARROW, WIDE
from recurrence.results.corpus import Results


def charts(results: Results) -> dict[str, Any]:
    """Single charts under their names; `panels`, `frontiers` and `survivals` by model."""
    looping = len(results.loops) > 0
    rates = "Loop rate of the models, best first, under the strategies; dots: inside the human band"
    single = {
        "wide": (rates, glance.picture(results, WIDE)),
        "narrow": (rates, glance.picture(results, NARROW)),
        "ranking": ("Exact loss of the models", figures.ranking(results)),
        "onsets": (
            "Onset of the loops by model",
            loop_figures.onsets(results) if looping else None,
        ),
        "periods": (
            "Period of the loops by model",
            loop_figures.periods(results) if looping else None,
        ),
    }
    frontiers = {m.name: frontier(m, results) for m in results.trained}
    survivals = {m.name: loop_figures.survival(m, results) for m in results.trained}
    return {
        **{name: chart and _svg(chart, name, label) for name, (label, chart) in single.items()},
        "panels": _svgs("curve", "Learning curve of {}", figures.panels(results)),
        "frontiers": _svgs(
            "frontier", "Loop rate against reference nats of the strategies, {}", frontiers
        ),
        "survivals": _svgs("survival", "Share of samples that do not loop yet, {}", survivals),
    }


def _svgs(kind: str, label: str, drawn: dict[str, Any]) -> dict[str, Markup]:
    return {
        m: _svg(chart, f"{kind}-{m}", label.format(m))
        for m, chart in drawn.items()
        if chart is not None
    }


def _svg(chart: drawing.Chart, name: str, label: str) -> Markup:
    return Markup(drawing.inline(chart, name, label))
