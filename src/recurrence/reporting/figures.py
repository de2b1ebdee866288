"""The charts of losses, as Vega-Lite through altair: what is drawn, from results. How it is
rendered: drawing.py.

Colours are of Okabe and Ito's palette, which the colour-blind can tell apart; shapes and labels say
the same again.
"""

import math
from typing import Any

import altair as alt
import pandas as pd

from recurrence.reporting import tables
from recurrence.reporting.drawing import Chart
from recurrence.results.corpus import Results, exact_nats

BLUE, ORANGE, GREEN, GREY, INK = "#0072b2", "#d55e00", "#009e73", "#b8bec6", "#1f2933"
HUES = [BLUE, ORANGE, GREEN, "#cc79a7", "#e69f00", "#56b4e9", INK, "#8c6d31"]
WIDTH = 240
PANEL = 236


def ranking(results: Results) -> Chart:
    """Exact loss of the trained models and of the best baseline (also a line), best first: mean and
    each seed.
    """
    shown = [m for m in results.models if not m.counts or m is results.to_beat]
    seeds = pd.DataFrame(
        [
            {
                "model": m.name,
                "nats": seed["exact"]["nats"],
                "kind": "counted" if m.counts else "trained",
            }
            for m in shown
            for seed in m.scores["seeds"]
        ]
    )
    order = [m.name for m in sorted(shown, key=exact_nats)]
    nats = alt.X(
        "nats:Q", title="exact nats per token", scale=alt.Scale(zero=False, nice=False, padding=12)
    )
    y = alt.Y("model:N", sort=order, title=None, axis=name_axis())
    colour = alt.Color(
        "kind:N",
        scale=alt.Scale(domain=["trained", "counted"], range=[BLUE, "#6b7683"]),
        legend=None,
    )
    base = alt.Chart(seeds, width=WIDTH, height=alt.Step(22)).encode(y=y, color=colour)
    each = base.mark_tick(thickness=1.5, size=13, opacity=0.55).encode(x=nats)
    means = base.mark_point(filled=True, size=70, opacity=1).encode(
        x=alt.X("mean(nats):Q"), shape=_shape()
    )
    return alt.layer(*_floor_line(results), each, means)


def name_axis() -> alt.Axis:
    """An axis of names, without lines but those of the grid."""
    return alt.Axis(labelLimit=150, labelPadding=10, ticks=False, domain=False, grid=True)


def _shape() -> alt.Shape:
    return alt.Shape(
        "kind:N",
        scale=alt.Scale(domain=["trained", "counted"], range=["circle", "square"]),
        legend=None,
    )


def _floor_line(results: Results) -> list[Chart]:
    if results.to_beat is None:
        return []
    floor = pd.DataFrame({"nats": [exact_nats(results.to_beat)]})
    return [alt.Chart(floor).mark_rule(color=ORANGE, strokeDash=[4, 3]).encode(x="nats:Q")]


def panels(results: Results) -> dict[str, Chart]:
    """For each model its learning curve over those of all others: same height everywhere, each its
    own epochs.
    """
    means = tables.curve_means(results)
    if not len(means):
        return {}
    scale = alt.Scale(domain=_loss_domain(results, means), zero=False, nice=False)
    return {
        m.name: _panel(m.name, means, results, scale)
        for m in results.trained
        if (means["model"] == m.name).any()
    }


def _panel(name: str, means: pd.DataFrame, results: Results, scale: alt.Scale) -> Chart:
    own = means[means["model"] == name]
    last = int(own["epoch"].max())
    others = means[
        (means["model"] != name) & (means["protocol"] == "ordered") & (means["epoch"] <= last)
    ]
    x = alt.X(
        "epoch:Q",
        title="epoch",
        scale=alt.Scale(domain=[1, max(last, 2)], nice=False),
        axis=_epochs(last),
    )
    y = alt.Y(
        "mean:Q", title=None, scale=scale, axis=alt.Axis(tickCount=4, ticks=False, domain=False)
    )
    context = alt.Chart(others).mark_line(color=GREY, strokeWidth=1, opacity=0.6, clip=True)
    layers = [context.encode(x=x, y=y, detail="model:N")]
    for protocol, dash in (("ordered", [1, 0]), ("as_notebook", [4, 3])):
        rows = own[own["protocol"] == protocol]
        if len(rows):
            layers += _curve(rows, x, y, dash)
    return alt.layer(*layers, *_printed(results, name, last, y), width=PANEL, height=150)


def _curve(rows: pd.DataFrame, x: alt.X, y: alt.Y, dash: list[int]) -> list[Chart]:
    chart = alt.Chart(rows)
    line: dict[str, Any] = {"clip": True, "strokeDash": dash}
    return [
        chart.mark_area(color=BLUE, opacity=0.2, clip=True).encode(x=x, y="low:Q", y2="high:Q"),
        chart.mark_line(color=GREEN, strokeWidth=1.5, opacity=0.9, **line).encode(x=x, y="train:Q"),
        chart.mark_line(color=BLUE, strokeWidth=2.2, **line).encode(x=x, y=y),
    ]


def _printed(results: Results, name: str, last: int, y: alt.Y) -> list[Chart]:
    """A diamond where the notebook's last printed loss is."""
    notebook = next(m.scores["notebook"] for m in results.models if m.name == name)
    if not notebook:
        return []
    mark = alt.Chart(pd.DataFrame({"epoch": [last], "mean": [notebook["nats"]]}))
    return [
        mark.mark_point(shape="diamond", size=110, color=ORANGE, filled=True, opacity=1).encode(
            x="epoch:Q", y=y
        )
    ]


def _epochs(last: int) -> alt.Axis:
    step = max(1, math.ceil(last / 5))
    return alt.Axis(values=sorted({1, *range(step, last + 1, step)}), format="d", grid=False)


def _loss_domain(results: Results, means: pd.DataFrame) -> list[float]:
    """From the least loss shown to the greatest, but not beyond what a uniform guess costs."""
    printed = [m.scores["notebook"]["nats"] for m in results.trained if m.scores["notebook"]]
    low = (
        min(float(means[["low", "train"]].min().min()), *printed)
        if printed
        else float(means["low"].min())
    )
    high = min(
        float(means[["high", "train"]].max().max()),
        1.05 * math.log(max(2, results.counts["vocab"])),
    )
    return [low - 0.04 * (high - low), max(high, *printed, low + 0.1)]


def curves(results: Results) -> Chart:
    """All learning curves in one chart, for the README."""
    means = tables.curve_means(results)
    means = means[means["protocol"] == "ordered"]
    names = [
        m.name for m in sorted(results.trained, key=exact_nats) if (means["model"] == m.name).any()
    ]
    hues = alt.Scale(domain=names, range=[HUES[i % len(HUES)] for i in range(len(names))])
    dashes = alt.Scale(
        domain=names,
        range=[[[1, 0], [6, 3], [2, 2]][i // len(HUES) % 3] for i in range(len(names))],
    )
    scale = (
        alt.Scale(domain=_loss_domain(results, means), nice=False, zero=False)
        if names
        else alt.Undefined
    )
    encoding = alt.Chart(means, width=560, height=300).encode(
        x=alt.X("epoch:Q", axis=_epochs(int(means["epoch"].max()) if names else 1)),
        y=alt.Y("mean:Q", title="validation nats per token", scale=scale),
        color=alt.Color("model:N", scale=hues),
        strokeDash=alt.StrokeDash("model:N", scale=dashes),
    )
    return encoding.mark_line(strokeWidth=2, clip=True)
