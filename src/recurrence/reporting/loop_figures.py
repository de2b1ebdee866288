"""The charts of loops, as Vega-Lite through altair: what is drawn, from results. How it is
rendered: drawing.py.

A family of strategies has one hue and one shape in all charts; human text is green.
"""

import math

import altair as alt
import pandas as pd

from recurrence.reporting import tables
from recurrence.reporting.drawing import Chart
from recurrence.reporting.figures import BLUE, INK, ORANGE, name_axis
from recurrence.reporting.heat import RATE_RANGE
from recurrence.results.corpus import FAMILIES, HUMAN, UNKNOWN, ModelResults, Results
from recurrence.results.units import nouns

HUES = {
    "greedy": ORANGE,
    "greedy with filters": "#e69f00",
    "search": "#b0478a",
    "pure sampling": INK,
}
HUES |= {"truncated sampling": BLUE, UNKNOWN: "#8a94a0"}
SHAPES = dict(
    zip(
        FAMILIES,
        ["square", "diamond", "triangle-up", "cross", "circle", "triangle-down"],
        strict=True,
    )
)
WIDTH, HEIGHT = 236, 150
MOST_CURVES = 6


def survival(model: ModelResults, results: Results) -> Chart | None:
    """Share of samples that have not begun to loop, over tokens written, of the strategies that
    loop most.
    """
    shown = _most_looping(model, results)
    if not shown:
        return None
    length = int(model.loops["length"])
    rows = [row for name in shown for row in _steps(name, model.rates[name]["survival"], length)]
    hues = [HUES[results.family(name)] for name in shown]
    ticks = [tick for tick in (0, 1, 3, 10, 30, 100, 300, 1000, 3000, 10000) if tick <= length]
    scale = alt.Scale(type="symlog", domain=[0, length], nice=False)
    x = alt.X(
        "t:Q",
        title=f"{_nouns(results)} written",
        scale=scale,
        axis=alt.Axis(values=ticks, format="d", grid=False),
    )
    tenths = alt.Axis(format=".0%", values=[0, 0.5, 1], domain=False, ticks=False)
    y = alt.Y("share:Q", title=None, scale=alt.Scale(domain=[0, 1.02], nice=False), axis=tenths)
    legend = alt.Legend(
        orient="bottom",
        columns=1,
        symbolStrokeWidth=2,
        labelLimit=190,
        symbolSize=200,
        rowPadding=1,
    )
    colour = alt.Color("strategy:N", scale=alt.Scale(domain=shown, range=hues), legend=legend)
    dash = alt.StrokeDash(
        "strategy:N", scale=alt.Scale(domain=shown, range=_dashes(hues)), legend=legend
    )
    lines = alt.Chart(pd.DataFrame(rows), width=WIDTH, height=HEIGHT)
    return lines.mark_line(interpolate="step-after", strokeWidth=2).encode(
        x=x, y=y, color=colour, strokeDash=dash
    )


def _nouns(results: Results) -> str:
    return nouns(results.unit)


def _most_looping(model: ModelResults, results: Results) -> list[str]:
    """Names of the strategies to draw: the most looping of each family in turn, so that every
    family is seen.
    """
    rates = {
        name: model.rates[name]["loop_rate"] for name in results.strategies if name in model.rates
    }
    ranked = sorted((name for name in rates if rates[name] > 0), key=lambda name: -rates[name])
    place: dict[str, int] = {}
    seen: dict[str, int] = {}
    for name in ranked:
        family = results.family(name)
        place[name] = seen[family] = seen.get(family, -1) + 1
    chosen = set(sorted(ranked, key=lambda name: place[name])[:MOST_CURVES])
    return [name for name in rates if name in chosen]


def _steps(name: str, survival: list[list[float]], length: int) -> list[dict[str, object]]:
    """A Kaplan-Meier curve from 0 to the end of the samples."""
    known = [(t, share) for t, share in survival if t <= length]
    known = known if known and known[0][0] == 0 else [(0.0, 1.0), *known]
    return [
        {"strategy": name, "t": t, "share": share} for t, share in [*known, (length, known[-1][1])]
    ]


def _dashes(hues: list[str]) -> list[list[int]]:
    """A dash for each curve; curves of one hue have different ones."""
    patterns = [[1, 0], [5, 3], [2, 2], [8, 3, 2, 3], [1, 3], [9, 5]]
    return [patterns[hues[:i].count(hue) % len(patterns)] for i, hue in enumerate(hues)]


def heat_map(results: Results) -> Chart:
    """Loop rate by strategy and trained model, in percent, for the README; the page has it as
    tables.
    """
    table = tables.decoding(results)
    table = table[
        (table["strategy"] != HUMAN) & table["model"].isin([m.name for m in results.trained])
    ]
    table = table.assign(percent=(100 * table["loop_rate"].astype(float)).round())
    order = [s for s in results.strategies if s in set(table["strategy"])]
    x = alt.X(
        "strategy:N",
        sort=order,
        title=None,
        axis=alt.Axis(labelAngle=-50, labelLimit=200, ticks=False),
    )
    y = alt.Y(
        "model:N", sort=[m.name for m in results.trained], title=None, axis=alt.Axis(ticks=False)
    )
    colour = alt.Color(
        "loop_rate:Q", scale=alt.Scale(domain=[0, 1 / 3, 2 / 3, 1], range=RATE_RANGE), legend=None
    )
    base = alt.Chart(table, width=alt.Step(24), height=alt.Step(24)).encode(x=x, y=y)
    ink = alt.condition("datum.loop_rate > 0.6", alt.value("white"), alt.value(INK))
    figures = base.mark_text(fontSize=9).encode(text=alt.Text("percent:Q", format=".0f"), color=ink)
    return base.mark_rect(stroke="white", strokeWidth=1.5).encode(color=colour) + figures


def onsets(results: Results) -> Chart:
    """How many tokens come before the loop, by model."""
    return _bubbles(results, "start", f"{_nouns(results)} before the loop")


def periods(results: Results) -> Chart:
    """How long the repeated unit is, by model."""
    return _bubbles(results, "period", f"{_nouns(results)} in the repeated unit")


def _bubbles(results: Results, column: str, title: str) -> Chart:
    """Looping samples as bubbles on a logarithmic axis (1 + x), one row per model; area is the
    number of samples.
    """
    loops = results.loops
    width = math.log(2) / 3
    place = (loops[column].astype(float).map(math.log1p) / width).round() * width
    table = loops.assign(at=place.map(math.expm1)).groupby(
        ["model", "deterministic", "at"], sort=False
    )
    rows = table.size().rename("samples").reset_index()
    rows["decoding"] = rows["deterministic"].map({True: "deterministic", False: "random"})
    shown = [m.name for m in results.trained if m.name in set(rows["model"])]
    ticks = _log_ticks(float(rows["at"].max()))
    scale = alt.Scale(type="symlog", nice=False, domain=[-0.3, 1.15 * ticks[-1]])
    x = alt.X("at:Q", title=title, scale=scale, axis=alt.Axis(values=ticks, format="d"))
    y = alt.Y("model:N", sort=shown, title=None, axis=name_axis())
    colour = alt.Scale(domain=["deterministic", "random"], range=[ORANGE, BLUE])
    return (
        alt.Chart(rows, width=240, height=alt.Step(24))
        .mark_point(filled=True, opacity=0.65, stroke="white", strokeWidth=0.5)
        .encode(x=x, y=y, size=alt.Size("samples:Q", scale=alt.Scale(range=[25, 380]), legend=None))
        .encode(color=alt.Color("decoding:N", scale=colour, legend=None))
    )


def _log_ticks(most: float) -> list[int]:
    """0, 1, 3, 10, 30, ... up to the first that is no less than most."""
    ticks = [0, 1]
    while ticks[-1] < most:
        ticks.append(round(ticks[-1] * (10 / 3 if str(ticks[-1])[0] == "3" else 3)))
    return ticks
