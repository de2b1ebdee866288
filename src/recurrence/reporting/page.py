"""One corpus as a page (HTML, self-contained) and as text (Markdown), from the same values."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from recurrence.reporting import drawing, figures, formats, tables
from recurrence.reporting.answers import NATS_TOLERANCE, answers, within_seeds
from recurrence.reporting.passages import passages, visible
from recurrence.reporting.results import HUMAN, ModelResults, Results, exact_nats

_HERE = Path(__file__).parent


def html(results: Results) -> str:
    """The whole page: style and charts inside it, no script, no request to anywhere."""
    style = (_HERE / "report.css").read_text(encoding="utf-8")
    return _render("report.html", _values(results) | {"style": Markup(style), "charts": _charts(results)})


def markdown(results: Results) -> str:
    """The same tables without charts and samples."""
    return _render("summary.md", _values(results))


def _render(template: str, values: Mapping[str, Any]) -> str:
    loader = jinja2.FileSystemLoader(_HERE)
    environment = jinja2.Environment(
        loader=loader,
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    shown = ("nats", "signed", "short", "number", "count", "percent", "seconds", "spread", "perplexity")
    environment.filters |= {name: getattr(formats, name) for name in shown} | {"whole": whole}
    return environment.get_template(template).render(values)


def whole(text: str) -> str:
    """Text whose figures do not part from their units at the end of a line."""
    return re.sub(r"(?<=\d) (?=%|nats|samples|words|characters)", "\N{NO-BREAK SPACE}", text)


def _values(results: Results) -> dict[str, Any]:
    floor = results.to_beat
    noun = {"char": "character", "word": "word"}[results.unit]
    return {
        "results": results,
        "noun": noun,
        "nouns": f"{noun}s",
        "gap": " " if results.unit == "word" else "",
        "answers": answers(results),
        "trained": [_row(m, results) for m in results.trained],
        "baselines": [_row(m, results) for m in results.baselines],
        "floor_nats": exact_nats(floor) if floor else None,
        "with_accuracy": any((m.scores["notebook"] or {}).get("accuracy") is not None for m in results.models),
        "heat": [(m.name, m.counts, [_cell(m.rates.get(s)) for s in results.strategies]) for m in results.models],
        "human": _cell(results.human) if results.human else None,
        "decoding": tables.decoding(results).to_dict("records"),
        "attractors": [row | {"unit": _unit(row["attractor"])} for row in _records(tables.attractors(results))],
        "passages": {m.name: passages(m, results.unit) for m in results.trained},
        "ends": {m.name: _end(m) for m in results.trained},
        "rates": {m.name: _headline(m) for m in results.trained},
        "machines": _machines(results),
        "remarks": [(m.name, "; ".join(m.remarks)) for m in results.models if m.remarks],
        "incomplete": [(m.name, m.absent) for m in results.models if m.absent],
        "HUMAN": HUMAN,
    }


def _unit(attractor: str) -> str:
    """A repeated unit as it can be seen, even if it is nothing but space."""
    return visible(attractor) if attractor.strip() else attractor.replace(" ", "␣").replace("\n", "⏎")


def _records(table: Any) -> list[dict[str, Any]]:
    return list(table.to_dict("records"))


def _row(m: ModelResults, results: Results) -> dict[str, Any]:
    """A row of the models table: the scores as they are, and what the page adds to them."""
    floor = results.to_beat
    gain = exact_nats(floor) - exact_nats(m) if floor and not m.counts else None
    return {
        "name": m.name,
        "net": m.net,
        "best": m is results.best,
        "floor": m is floor,
        "gain": gain,
        "seeds": m.seeds,
        "parameters": m.scores["parameters"],
        "exact": m.scores["exact"],
        "ours": m.scores["as_notebook"] or {},
        "notebook": m.scores["notebook"] or {},
        "delta": m.scores["delta"] or {},
        "tone": _tone(m),
        "train_seconds": m.wall.get("train_seconds"),
        "device": m.wall.get("device"),
        "short_device": (m.wall.get("device") or "").split(":")[0].upper(),
    }


def _tone(m: ModelResults) -> str:
    """Whether the notebook's figure came back: good, bad, or neither where the seeds leave it open."""
    if not m.scores["delta"]:
        return ""
    return "good" if m.scores["delta"]["nats"] <= NATS_TOLERANCE else "" if within_seeds(m) else "bad"


def _cell(rates: dict[str, Any] | None) -> dict[str, Any] | None:
    """A cell of the heat map: the rate, its colours, and the words behind it; None where nothing was sampled."""
    if rates is None:
        return None
    rate = float(rates["exact_rate"])
    bounds = f"{formats.percent(rates['exact_lo'])} to {formats.percent(rates['exact_hi'])}"
    words = f"{rates['exact']} of {rates['samples']} loop; 95 % interval {bounds}"
    return {"rate": rate, "words": words, "colour": shade(rate), "dark": rate > 0.6}


def shade(rate: float) -> str:
    """The heat map's colour of a rate, interpolated as the chart's scale does."""
    at = rate * (len(figures.RATE_RANGE) - 1)
    below = min(int(at), len(figures.RATE_RANGE) - 2)
    low, high = (bytes.fromhex(c[1:]) for c in figures.RATE_RANGE[below : below + 2])
    return "#" + bytes(round(a + (b - a) * (at - below)) for a, b in zip(low, high, strict=True)).hex()


def _headline(m: ModelResults) -> str:
    """How often the model loops under each strategy that does, for the line above its samples."""
    loops = [(s, r["exact_rate"]) for s, r in m.rates.items() if s != HUMAN and r["exact_rate"] > 0]
    if not m.rates:
        return "not sampled"
    return ", ".join(f"{s} {formats.percent(rate)}" for s, rate in loops) or "no sample loops"


def _end(m: ModelResults) -> str:
    """Where the curve ends, and where the notebook's did, in words to go on after the name."""
    ours, notebook = m.scores["as_notebook"], m.scores["notebook"]
    end = f" {formats.nats(ours['nats'])}" if ours else ""
    return end + (f", notebook {formats.nats(notebook['nats'])}" if notebook else "")


def _machines(results: Results) -> list[dict[str, Any]]:
    """Every distinct machine with the models that were trained on it."""
    found: dict[tuple[str, ...], list[str]] = {}
    for m in results.models:
        if m.wall:
            found.setdefault(tuple(str(m.wall.get(k, "")) for k in ("device", "torch", "python")), []).append(m.name)
    return [{"device": k[0], "torch": k[1], "python": k[2], "models": names} for k, names in found.items()]


def _charts(results: Results) -> dict[str, Any]:
    """Every chart of the page as inline SVG; None where there is nothing to show."""
    sampled, loops = results.strategies and results.trained, (results.samples["kind"] == "exact").any()
    drawn = {
        "ranking": ("Exact loss of the models", figures.ranking(results)),
        "rates": ("Share of looping samples by strategy", figures.rates(results) if sampled else None),
        "onsets": ("Onset of the loops by model", figures.onsets(results) if loops else None),
        "periods": ("Period of the loops by model", figures.periods(results) if loops else None),
    }
    panels = {
        name: Markup(drawing.svg(chart, f"curve-{name}", f"Learning curve of {name}"))
        for name, chart in figures.panels(results).items()
    }
    shown = {n: chart and Markup(drawing.svg(chart, n, label)) for n, (label, chart) in drawn.items()}
    return {**shown, "panels": panels}
