"""Figures as columns of a table for people: their heads by group, and their cells in words.

In: figures as results/metrics.py declares them, and rows of their values. Out: what templates and
README show.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from recurrence.results import formats
from recurrence.results.formats import DASH, absent
from recurrence.results.metrics import Figure, groups_of

Row = Mapping[Any, Any]
Groups = dict[str, dict[str, Figure]]


def shown(figures: Mapping[str, Figure], rows: Iterable[Row]) -> Groups:
    """The groups of columns in which some row has a figure."""
    there = {name for row in rows for name in figures if not absent(row.get(name))}
    grouped = {
        group: {name: figure for name, figure in found.items() if name in there}
        for group, found in groups_of(figures).items()
    }
    return {group: found for group, found in grouped.items() if found}


def cell(figure: Figure, name: str, row: Row) -> str:
    """1.320 ± 0.028, 44 % (31 to 58 %): a figure with its spread or interval; a dash where there is
    none.
    """
    value = row.get(name)
    if absent(value):
        return DASH
    show = getattr(formats, figure.shown_as)
    bounds = [row.get(bound) for bound in figure.bounds]
    if not bounds or any(absent(bound) for bound in bounds):
        return str(show(value))
    if len(bounds) == 1:
        return f"{show(value)} ± {show(bounds[0])}"
    if figure.shown_as == "percent":
        return formats.rated(value, *bounds)
    low, high = map(show, bounds)
    return f"{show(value)} ({low} to {high})"


def hint(figure: Figure) -> str:
    """What the head of a column says where one points at it: its unit, and which way is better."""
    better = f"{figure.better} is better" if figure.better else ""
    return ", ".join(part for part in (figure.unit, better) if part)
