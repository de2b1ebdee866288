"""The chart of loop rate against reference nats, a point per strategy, with human text marked: what
is drawn.
"""

import altair as alt
import pandas as pd

from recurrence.reporting import labels
from recurrence.reporting.drawing import Chart
from recurrence.reporting.figures import GREEN
from recurrence.reporting.loop_figures import HUES, SHAPES
from recurrence.results.corpus import HUMAN, ModelResults, Results
from recurrence.results.recommended import Band, Choice

WIDTH, HEIGHT = 320, 210
RATES = [-0.06, 1.22]
"""The axis of rates: room for points at both ends, and above for the words "human text"."""


def frontier(model: ModelResults, results: Results) -> Chart | None:
    """Each strategy at its reference nats and loop rate, human text as a band; None where either is
    absent.
    """
    human, table = model.band, _measured(model, results, model.choice)
    if human is None or not len(table):
        return None
    low, high = (
        min(human.low, table["reference_nats"].min()),
        max(human.high, table["reference_nats"].max()),
    )
    edge = 0.06 * (high - low or 1.0)
    domain = [low - edge, high + edge]
    x = _nats("reference_nats", domain)
    ticks = alt.Axis(format=".0%", values=[0, 0.25, 0.5, 0.75, 1], domain=False, ticks=False)
    y = alt.Y(
        "rate:Q", title="samples that loop", axis=ticks, scale=alt.Scale(domain=RATES, nice=False)
    )
    points = alt.Chart(table).mark_point(
        filled=True, size=55, opacity=0.8, stroke="white", strokeWidth=0.5
    )
    points = points.encode(x=x, y=y, color=_hue(), shape=_shape())
    named = _labels(table, domain)
    return alt.layer(
        *_human(human, domain),
        points,
        *_recommended(model, x, y),
        *named,
        width=WIDTH,
        height=HEIGHT,
    )


def _measured(model: ModelResults, results: Results, choice: Choice | None) -> pd.DataFrame:
    """A row per strategy that has reference nats, the recommended one first."""
    rows = [
        {
            "strategy": s,
            "family": results.family(s),
            "reference_nats": r["reference_nats"],
            "rate": r["loop_rate"],
        }
        for s, r in model.rates.items()
        if s != HUMAN and r["reference_nats"] is not None
    ]
    rows.sort(key=lambda row: choice is None or row["strategy"] != choice.strategy)
    return pd.DataFrame(rows, columns=["strategy", "family", "reference_nats", "rate"])


def _nats(column: str, domain: list[float]) -> alt.X:
    title = "nats per token under the reference model"
    return alt.X(f"{column}:Q", title=title, scale=alt.Scale(domain=domain, nice=False))


def _hue() -> alt.Color:
    return alt.Color(
        "family:N", scale=alt.Scale(domain=list(HUES), range=list(HUES.values())), legend=None
    )


def _shape() -> alt.Shape:
    return alt.Shape(
        "family:N", scale=alt.Scale(domain=list(SHAPES), range=list(SHAPES.values())), legend=None
    )


def _human(human: Band, domain: list[float]) -> list[Chart]:
    """The band where 95 % of the human windows lie, and their median."""
    row = {
        "reference_nats": human.median,
        "low": human.low,
        "high": human.high,
        "text": "human text",
    }
    place = alt.Chart(pd.DataFrame([row]))
    shade = place.mark_rect(color=GREEN, opacity=0.13).encode(x=_nats("low", domain), x2="high:Q")
    x = _nats("reference_nats", domain)
    line = place.mark_rule(color=GREEN, strokeDash=[4, 3]).encode(x=x)
    left = human.median < domain[0] + 0.7 * (domain[1] - domain[0])
    side = {"align": "left", "dx": 4} if left else {"align": "right", "dx": -4}
    text = place.mark_text(color="#00644a", fontSize=11, baseline="top", fontStyle="italic", **side)
    return [shade, line, text.encode(x=x, y=alt.value(4), text="text:N")]


def _recommended(model: ModelResults, x: alt.X, y: alt.Y) -> list[Chart]:
    choice = model.choice
    if choice is None or not choice.qualifies:
        return []
    rates = model.rates[choice.strategy]
    place = alt.Chart(
        pd.DataFrame([{"reference_nats": rates["reference_nats"], "rate": rates["loop_rate"]}])
    )
    return [place.mark_point(size=190, color=GREEN, strokeWidth=2, opacity=1).encode(x=x, y=y)]


def _labels(table: pd.DataFrame, domain: list[float]) -> list[Chart]:
    """Names of some strategies, as many as do not run into one another."""
    across = (table["reference_nats"] - domain[0]) / (domain[1] - domain[0]) * WIDTH
    down = (RATES[1] - table["rate"]) / (RATES[1] - RATES[0]) * HEIGHT
    columns = (table["strategy"], across.map(float), down.map(float), table["family"])
    marks = [labels.Mark(*row) for row in zip(*columns, strict=True)]
    charts = []
    for placed in labels.place(marks, (WIDTH, HEIGHT)):
        text = alt.Chart(pd.DataFrame([{"text": placed.text}])).mark_text(
            fontSize=labels.FONT, align=placed.align, color="#3b4754", baseline="middle"
        )
        charts.append(text.encode(x=alt.value(placed.x), y=alt.value(placed.y), text="text:N"))
    return charts
