"""Two sets of figures held against each other: which changed beyond what chance does.

In: places with reports. Out: a row per figure that both have, or that one has alone. Figures come
with 95 % intervals where their report gives one; two figures differ beyond chance where their
intervals have no point in common. Of two independent estimates of the same thing that happens about
6 times in 1,000 (normal, equal widths), so a handful among hundreds of figures is no news.
"""

import csv
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from recurrence.results.metrics import DECODING, MODEL
from recurrence.results.places import REPORTS, Place

Verdict = Literal["same", "within", "beyond", "no interval", "gone", "new"]

INTERVALS = {name: figure.bounds for name, figure in DECODING.items() if len(figure.bounds) == 2}
"""Columns of decoding.csv that have a 95 % interval, and those with its ends."""
SPREADS = {name: figure.bounds[0] for name, figure in MODEL.items() if len(figure.bounds) == 1}
"""Columns of models.csv that are a mean over nets, and those with its standard deviation."""
DIGITS = 6
"""Significant digits that reports keep: what differs in no more is the same."""


@dataclass(frozen=True)
class Name:
    """What a figure is of."""

    corpus: str
    model: str
    strategy: str
    """Empty for figures of a model."""
    figure: str


@dataclass(frozen=True)
class Figure:
    """A value and its 95 % interval; NaN bounds where there is none."""

    value: float
    low: float = math.nan
    high: float = math.nan

    @property
    def has_interval(self) -> bool:
        return not (math.isnan(self.low) or math.isnan(self.high))


@dataclass(frozen=True)
class Change:
    """A figure before and after."""

    name: Name
    before: Figure | None
    after: Figure | None

    @property
    def verdict(self) -> Verdict:
        """What became of it; see the module's docstring for `beyond`."""
        if self.after is None:
            return "gone"
        if self.before is None:
            return "new"
        if _same(self.before.value, self.after.value):
            return "same"
        if not (self.before.has_interval and self.after.has_interval):
            return "no interval"
        apart = self.before.high < self.after.low or self.after.high < self.before.low
        return "beyond" if apart else "within"

    @property
    def is_inside(self) -> bool:
        """Whether the figure after lies in the interval of the one before."""
        if self.before is None or self.after is None:
            return False
        low, high = self.before.low, self.before.high
        return self.verdict == "same" or low <= self.after.value <= high


def compare(before: Place, after: Place, corpora: list[str]) -> list[Change]:
    """Every figure of these corpora's reports, in the order in which the reports have them."""
    changes = []
    for corpus in corpora:
        old = figures(before, corpus)
        new = figures(after, corpus)
        names = dict.fromkeys([*old, *new])
        changes += [Change(name, old.get(name), new.get(name)) for name in names]
    return changes


def figures(place: Place, corpus: str) -> dict[Name, Figure]:
    """The figures of a corpus's report there; empty where it has none."""
    found = {}
    for row in _rows(place, f"{REPORTS}/{corpus}/models.csv"):
        for column, spread in SPREADS.items():
            if row.get(column):
                found[Name(corpus, row["model"], "", column)] = _over_nets(row, column, spread)
    for row in _rows(place, f"{REPORTS}/{corpus}/decoding.csv"):
        for column, figure in _with_bounds(row):
            found[Name(corpus, row["model"], row["strategy"], column)] = figure
    return found


def _with_bounds(row: dict[str, str]) -> Iterator[tuple[str, Figure]]:
    for column, ends in INTERVALS.items():
        if row.get(column):
            low, high = (_number(row.get(end)) for end in ends)
            yield column, Figure(_number(row[column]), low, high)


def _over_nets(row: dict[str, str], column: str, spread_column: str) -> Figure:
    """A mean over nets with Student's interval; one net has none."""
    value = _number(row[column])
    spread = _number(row.get(spread_column))
    nets = _number(row.get("seeds"))
    if math.isnan(spread) or not nets > 1:
        return Figure(value)
    from scipy.stats import t  # slow to import, and most commands need none of it

    half = float(t.ppf(0.975, nets - 1)) * spread / math.sqrt(nets)
    return Figure(value, value - half, value + half)


def _rows(place: Place, path: str) -> list[dict[str, str]]:
    content = place.read(path)
    return list(csv.DictReader(io.StringIO(content.decode("utf-8")))) if content else []


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return math.nan


def _same(one: float, other: float) -> bool:
    if math.isnan(one) or math.isnan(other):
        return math.isnan(one) and math.isnan(other)
    return one == other or f"{one:.{DIGITS}g}" == f"{other:.{DIGITS}g}"
