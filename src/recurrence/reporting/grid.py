"""A picture of loop rates: a row for each of some things (models, corpora), a column for each
strategy, by family.

In: plain values. Out: an altair chart, placed in pixels, so that families have gaps between them
and names where there is room.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import altair as alt
import pandas as pd

from recurrence.reporting.drawing import Chart
from recurrence.reporting.figures import INK
from recurrence.reporting.heat import RATE_RANGE, ink_on, shade
from recurrence.results.corpus import UNKNOWN

HUMAN_MARK = "#00523c"
SOFT = "#4a5563"
LETTER = 0.55
"""Mean width of a letter, as a share of the font's size."""
FAMILIES = {
    "greedy": "likeliest",
    "greedy with filters": "likeliest, filtered",
    "search": "search",
    "pure sampling": "drawn",
    "truncated sampling": "drawn, filtered",
    UNKNOWN: "no longer in params.yaml",
}
"""Families of strategies in as few words as a picture has room for."""


@dataclass(frozen=True)
class Mark:
    """A cell: the share of samples that loop, whether they lie inside the human band, whether it is
    recommended.
    """

    rate: float
    inside: bool
    chosen: bool = False


@dataclass(frozen=True)
class Line:
    """A row: its name, a figure at its end, and its cells by strategy; one that is absent stays
    empty.
    """

    name: str
    figure: str
    marks: Mapping[str, Mark]


@dataclass(frozen=True)
class Layout:
    """Lengths in pixels."""

    width: int
    names: int
    figures: int
    row: int
    gap: int
    """Between families."""
    widest: int
    """Most that a strategy's column has."""
    labels: int
    """Room for the strategies' names below; 0: they are not written."""
    font: int
    above: int


WIDE = Layout(1150, 116, 46, 26, 10, 44, 128, 12, 36)
NARROW = Layout(350, 84, 36, 20, 4, 26, 0, 11, 96)


def grid(lines: Sequence[Line], columns: Mapping[str, str], head: str, layout: Layout) -> Chart:
    """The picture; `columns` are strategies with their families, in order, `head` says what the
    figures are.
    """
    placed = _columns(columns, layout)
    height = layout.above + layout.row * len(lines)
    right = float(placed["x2"].max()) + layout.figures
    layers = [
        *_families(placed, layout),
        *_names(lines, head, right - 2, layout),
        *_cells(lines, placed, layout),
    ]
    below = 0
    if layout.labels:
        layers.append(_labels(placed, height + 6, layout))
        longest = max(map(len, columns)) * LETTER * layout.font
        below = min(layout.labels, int(0.77 * longest) + 12)  # they are turned by 50 degrees
    size = {"width": int(right), "height": height + below}
    return alt.layer(*layers, **size).resolve_scale(color="independent")


def _columns(columns: Mapping[str, str], layout: Layout) -> pd.DataFrame:
    """Where each strategy's column lies: strategy, family, x, x2."""
    gaps = layout.gap * (len(set(columns.values())) - 1)
    room = layout.width - layout.names - layout.figures - gaps
    each = min(layout.widest, room / len(columns))
    rows = []
    at, before = float(layout.names), None
    for strategy, family in columns.items():
        if before not in (None, family):
            at += layout.gap
        rows.append({"strategy": strategy, "family": family, "x": at, "x2": at + each})
        at, before = at + each, family
    return pd.DataFrame(rows)


def _x(column: str) -> alt.X:
    """A place in pixels."""
    return alt.X(f"{column}:Q", scale=None, axis=None)


def _y(column: str) -> alt.Y:
    return alt.Y(f"{column}:Q", scale=None, axis=None)


def _text(rows: list[dict[str, object]], size: float, **style: object) -> Chart:
    mark = alt.Chart(pd.DataFrame(rows)).mark_text(fontSize=size, **style)
    return mark.encode(x=_x("x"), y=_y("y"), text="text:N")


def _families(columns: pd.DataFrame, layout: Layout) -> Iterator[Chart]:
    """A line over the columns of each family, with its name: level where there is room for it."""
    grouped = columns.groupby("family", sort=False)
    spans = grouped.agg(x=("x", "min"), x2=("x2", "max")).reset_index()
    y = layout.above - 8
    rule = alt.Chart(spans.assign(y=float(y)))
    yield rule.mark_rule(color="#8a94a0", strokeWidth=1.5).encode(
        x=_x("x"), x2=alt.X2("x2:Q"), y=_y("y")
    )
    level, turned = [], []
    for span in spans.to_dict("records"):
        text = FAMILIES[span["family"]]
        room = span["x2"] - span["x"] + layout.gap
        if layout.labels and LETTER * layout.font * len(text) <= room:
            level.append({"x": span["x"], "y": y - 4, "text": text})
        else:
            turned.append({"x": (span["x"] + span["x2"]) / 2, "y": y - 6, "text": text})
    style = {"color": SOFT, "align": "left"}
    if level:
        yield _text(level, layout.font, baseline="bottom", **style)
    if turned:
        yield _text(turned, layout.font, angle=310, baseline="middle", **style)


def _names(lines: Sequence[Line], head: str, right: float, layout: Layout) -> Iterator[Chart]:
    """Names at the left, the first one in bold, and figures at the right, under their head."""
    middles = [layout.above + layout.row * (place + 0.5) for place in range(len(lines))]
    most = int((layout.names - 8) / (LETTER * layout.font))
    names: list[dict[str, object]] = []
    figures: list[dict[str, object]] = []
    for line, y in zip(lines, middles, strict=True):
        name = line.name if len(line.name) <= most else f"{line.name[: most - 1]}…"
        names.append({"x": layout.names - 8, "y": y, "text": name})
        figures.append({"x": right, "y": y, "text": line.figure})
    style = {"baseline": "middle", "align": "right"}
    yield _text(names[:1], layout.font, color=INK, fontWeight="bold", **style)
    if len(names) > 1:
        yield _text(names[1:], layout.font, color=INK, **style)
    yield _text(figures, layout.font, color=SOFT, **style)
    above = [{"x": right, "y": layout.above - 4, "text": head}]
    yield _text(above, layout.font, color=SOFT, align="right", baseline="bottom")


def _cells(lines: Sequence[Line], columns: pd.DataFrame, layout: Layout) -> Iterator[Chart]:
    rows = [
        row
        for place, line in enumerate(lines)
        for row in _row(line, columns, layout.above + layout.row * place, layout.row)
    ]
    table = pd.DataFrame(rows)
    edges = {"x": _x("x"), "x2": alt.X2("x2:Q"), "y": _y("y"), "y2": alt.Y2("y2:Q")}
    colour = alt.Color("colour:N", scale=None)
    yield alt.Chart(table).mark_rect(stroke="white", strokeWidth=1).encode(color=colour, **edges)
    centre = {"x": _x("mid"), "y": _y("middle")}
    size = min(float(columns["x2"].iloc[0] - columns["x"].iloc[0]), 14.0)
    for dark, ink in ((False, HUMAN_MARK), (True, "white")):
        inside = table[table["inside"] & (table["dark"] == dark)]
        if len(inside):
            dots = alt.Chart(inside).mark_point(filled=True, color=ink, opacity=1)
            yield dots.encode(size=alt.value(0.35 * size * size), **centre)
    chosen = table[table["chosen"]]
    if len(chosen):
        frame = alt.Chart(chosen).mark_rect(filled=False, stroke=INK, strokeWidth=2)
        yield frame.encode(**edges)


def _row(line: Line, columns: pd.DataFrame, y: float, high: int) -> Iterator[dict[str, object]]:
    for column in columns.to_dict("records"):
        mark = line.marks.get(column["strategy"])
        if mark is None:
            continue
        colour = shade(mark.rate, RATE_RANGE)
        yield {
            "x": column["x"],
            "x2": column["x2"],
            "mid": (column["x"] + column["x2"]) / 2,
            "y": y,
            "y2": y + high,
            "middle": y + high / 2,
            "colour": colour,
            "dark": ink_on(colour) == "white",
            "inside": mark.inside,
            "chosen": mark.chosen,
        }


def _labels(columns: pd.DataFrame, y: float, layout: Layout) -> Chart:
    wide = float(columns["x2"].iloc[0] - columns["x"].iloc[0])
    rows: list[dict[str, object]] = [
        {"x": (column["x"] + column["x2"]) / 2, "y": y, "text": column["strategy"]}
        for column in columns.to_dict("records")
    ]
    size = max(6, min(layout.font - 1, wide))
    return _text(rows, size, angle=310, align="right", baseline="middle", color=INK)
