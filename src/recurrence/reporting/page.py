"""One corpus as a page (HTML, self-contained) and as text (Markdown), from the same values."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from recurrence import files, paths
from recurrence.reporting import (
    charts,
    columns,
    detector,
    explained,
    glance,
    heat,
    sentences,
    tables,
)
from recurrence.reporting.answers import NATS_TOLERANCE, answers, within_seeds
from recurrence.reporting.loop_answers import loop_answers
from recurrence.reporting.passages import passages, visible
from recurrence.reporting.protocol import modes, protocol
from recurrence.results import formats, units
from recurrence.results.corpus import FAMILIES, HUMAN, ModelResults, Results, exact_nats
from recurrence.results.metrics import DECODING, MODEL, row_of

_HERE = Path(__file__).parent
FORMATS = ("nats", "count", "percent")
"""What templates show figures with."""


def html(results: Results) -> str:
    """The whole page: style and charts inside it, no script, no request to anywhere."""
    return rendered("report.html", _values(results) | {"charts": charts.charts(results)})


def markdown(results: Results) -> str:
    """The same tables without charts and samples."""
    return rendered("summary.md", _values(results))


def rendered(template: str, values: dict[str, Any]) -> str:
    """A template of this folder, filled in; a page has the style in it."""
    style = (_HERE / "report.css").read_text(encoding="utf-8")
    loader = jinja2.FileSystemLoader(_HERE)
    environment = jinja2.Environment(
        loader=loader,
        autoescape=jinja2.select_autoescape(["html"]),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {name: getattr(formats, name) for name in FORMATS} | {
        "whole": whole,
        "named": _naming(values.get("words", {})),
        "cell": columns.cell,
        "hint": columns.hint,
    }
    return environment.get_template(template).render(values | {"style": Markup(style)})


def whole(text: str) -> str:
    """Text whose figures do not part from their units at the end of a line."""
    return re.sub(r"(?<=\d) (?=%|nats|samples|words|characters)", "\N{NO-BREAK SPACE}", text)


def _naming(words: Mapping[str, str]) -> Callable[[str], Markup]:
    """Text in which every strategy that is explained leads to its line, and shows it where one
    points.
    """
    known = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    pattern = re.compile(rf"(?<![\w.-])({known})(?![\w-])") if known else None

    def named(text: str) -> Markup:
        parts = pattern.split(text) if pattern else [text]
        linked = [
            Markup('<a class="how" href="#is-{0}" title="{1}">{0}</a>').format(part, words[part])
            if place % 2
            else escape(whole(part))
            for place, part in enumerate(parts)
        ]
        return Markup("").join(linked)

    return named


def _values(results: Results) -> dict[str, Any]:
    floor = results.to_beat
    noun = units.noun(results.unit)
    notebooks = any(m.scores["notebook"] for m in results.models)
    rows = {m.name: _row(m, results, notebooks) for m in results.models}
    return {
        "results": results,
        "noun": noun,
        "nouns": f"{noun}s",
        "gap": " " if results.unit == "word" else "",
        "digest": "" if results.about else _digest(results.corpus),
        "glance": glance.sentences(results),
        "notebooks": notebooks,
        "tolerance": NATS_TOLERANCE,
        "answers": answers(results),
        "loop_answers": loop_answers(results),
        "trained": [rows[m.name] for m in results.trained],
        "baselines": [rows[m.name] for m in results.baselines],
        "model_columns": columns.shown(MODEL, rows.values()),
        "floor_nats": exact_nats(floor) if floor else None,
        "repetition": [
            (m.name, m.scores["repetition"]) for m in results.models if m.scores.get("repetition")
        ],
        "ends": {m.name: _end(m) for m in results.trained},
        "remarks": [(m.name, "; ".join(m.remarks)) for m in results.models if m.remarks],
        "incomplete": [(m.name, m.absent) for m in results.models if m.absent],
        "HUMAN": HUMAN,
        "FAMILIES": FAMILIES,
        **_sampled(results),
    }


def _sampled(results: Results) -> dict[str, Any]:
    """What the sections on loops, the detector and samples show."""
    decoding = tables.decoding(results).astype(object)
    decoding = decoding.where(decoding.notna(), None)
    sampled = [m for m in results.models if m.rates]
    return {
        "choices": {m.name: choice for m in results.trained if (choice := m.choice)},
        "recommends": any(m.choice and m.choice.qualifies for m in results.trained),
        "words": _words(results),
        "explained": _explained(results),
        "heat": heat.blocks(results, results.trained),
        "counted_heat": heat.blocks(results, results.baselines),
        "human": results.human,
        "sampled": {m.name: _behind(m) for m in sampled},
        "references": {m.name: m.loops["reference"] for m in sampled},
        "figures": {m.name: _human_first(decoding[decoding["model"] == m.name]) for m in sampled},
        "columns": columns.shown(DECODING, _records(decoding)),
        "attractors": [
            row | {"unit": _unit(row["attractor"])} for row in _records(tables.attractors(results))
        ],
        "basins": _records(tables.basins(results)),
        "lines": {m.name: sentences.lines(m, results) for m in results.trained if m.rates},
        "passages": {m.name: passages(m, results.unit, results.plain(m)) for m in results.trained},
        "summaries": {m.name: _headline(m) for m in results.trained},
        "detector": detector.values(results),
        "protocol": protocol(results),
        "modes": modes(results),
    }


def _behind(m: ModelResults) -> str:
    """How many samples of a strategy there are, and of how many nets."""
    rates = [r for name, r in m.rates.items() if name != HUMAN]
    fewest, most = min(r["samples"] for r in rates), max(r["samples"] for r in rates)
    text = formats.behind(fewest, max(r["nets"] for r in rates))
    return text if fewest == most else f"{text} (drawn ones {most})"


def _unit(attractor: str) -> str:
    """A repeated unit as it can be seen, even if it is nothing but space."""
    return (
        visible(attractor) if attractor.strip() else attractor.replace(" ", "␣").replace("\n", "⏎")
    )


def _human_first(table: Any) -> list[dict[str, Any]]:
    return sorted(_records(table), key=lambda row: row["strategy"] != HUMAN)


def _records(table: Any) -> list[dict[str, Any]]:
    return list(table.to_dict("records"))


def _digest(corpus: str) -> str:
    """Of the code and settings that the report is made by; empty where they were not written down
    yet.
    """
    path = paths.code()
    known = files.read_json(path) if path.is_file() else {}
    return str(known.get("report", {}).get(corpus, ""))


def _words(results: Results) -> dict[str, str]:
    """What each strategy does, in a line; none of one that params.yaml no longer has."""
    return {
        name: explained.in_words(results.blocks[name], results.unit)
        for name in results.strategies
        if name in results.blocks
    }


def _explained(results: Results) -> dict[str, list[dict[str, Any]]]:
    """The strategies by family: name, words, and formula and source of each filter or search."""
    found: dict[str, list[dict[str, Any]]] = {}
    for name, words in _words(results).items():
        entries = explained.entries(results.blocks[name])
        row = {"name": name, "words": words, "entries": entries}
        found.setdefault(FAMILIES[results.family(name)], []).append(row)
    return found


def _row(m: ModelResults, results: Results, notebooks: bool) -> dict[str, Any]:
    """A row of the models table: its figures, and what the page says of them by colour.

    Figures measured as a notebook measured them are left out where no model has a notebook.
    """
    values = row_of(MODEL, tables.tree_of(m, results))
    if not notebooks:
        values = {k: v for k, v in values.items() if not k.startswith(("as_notebook", "notebook"))}
    gain = values["gain"]
    good = ("good" if gain > 0 else "bad") if gain else ""
    return {
        "name": m.name,
        "net": m.net,
        "best": m is results.best,
        "floor": m is results.to_beat,
        "tones": {"gain": good, "delta_nats": _tone(m)},
        **values,
    }


def _tone(m: ModelResults) -> str:
    """Whether the notebook's figure came back: good, bad, or neither where the seeds leave it
    open.
    """
    if not m.scores["delta"]:
        return ""
    return (
        "good" if m.scores["delta"]["nats"] <= NATS_TOLERANCE else "" if within_seeds(m) else "bad"
    )


def _headline(m: ModelResults) -> str:
    """How many strategies loop, for the line above a model's samples."""
    if not m.rates:
        return "not sampled"
    rates = [r["loop_rate"] for s, r in m.rates.items() if s != HUMAN]
    mostly, at_times = sum(rate >= 0.5 for rate in rates), sum(0 < rate < 0.5 for rate in rates)
    return (
        f"of {len(rates)} strategies {mostly} loop mostly, {at_times} at times, {rates.count(0)} "
        f"not at all"
    )


def _end(m: ModelResults) -> str:
    """Where the curve ends, and where the notebook's did, in words to go on after the name."""
    ours, notebook = m.scores["as_notebook"], m.scores["notebook"]
    end = f" {formats.nats(ours['nats'])}" if ours else ""
    return end + (f", notebook {formats.nats(notebook['nats'])}" if notebook else "")
