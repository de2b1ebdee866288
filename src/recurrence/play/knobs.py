"""The numbers of a strategy's filters, or search, as knobs to turn: where each stands, and in which
range it moves.

In: a strategy's block, and values for its knobs. Out: knobs, and the block with these values.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recurrence.decoding.strategies import for_unit
from recurrence.params import Strategy

Path = tuple[str | int, ...]
"""Keys from the top of the block down to a number."""
FINE = 0.05
"""A share below it moves in steps of a thousandth."""


@dataclass(frozen=True)
class Knob:
    """A number of a block, and the range in which a slider moves it."""

    label: str
    path: Path
    value: float
    low: float
    high: float
    step: float


def knobs(block: Strategy, unit: str) -> list[Knob]:
    """All numbers of the search and the filters, in the order of the block."""
    return [_knob(path, value) for path, value in _numbers(_tree(block, unit), ())]


def turned(block: Strategy, unit: str, values: Sequence[float]) -> Strategy:
    """The block with other values for its knobs, in their order; whole numbers stay whole."""
    tree = copy.deepcopy(_tree(block, unit))
    for knob, value in zip(knobs(block, unit), values, strict=False):
        holder: Any = tree
        for key in knob.path[:-1]:
            holder = holder[key]
        holder[knob.path[-1]] = round(value) if isinstance(knob.value, int) else value
    return block.model_copy(update={"search": tree["search"], "filters": tuple(tree["filters"])})


def _tree(block: Strategy, unit: str) -> dict[str, Any]:
    filters = [for_unit(entry, unit) for entry in block.filters]
    return {"search": for_unit(block.search, unit), "filters": filters}


def _numbers(tree: Any, path: Path) -> Iterator[tuple[Path, float]]:
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _numbers(value, (*path, key))
    elif isinstance(tree, list) and path == ("filters",):
        for place, value in enumerate(tree):
            yield from _numbers(value, (*path, place))
    elif isinstance(tree, int | float) and not isinstance(tree, bool):
        yield path, tree


def _knob(path: Path, value: float) -> Knob:
    names = [str(key) for key in path if isinstance(key, str) and key not in ("search", "filters")]
    label = ", ".join(names)
    if isinstance(value, int):
        return Knob(label, path, value, 0, max(20, 4 * value), 1)
    if names[-1] in ("temperature", "of_bits"):
        return Knob(label, path, value, 0.05, max(2.0, 2 * value), 0.05)
    if 0 <= value <= 1:
        return Knob(label, path, value, 0, 1, 0.01 if value >= FINE else 0.001)
    return Knob(label, path, value, min(0, 2 * value), max(4, 4 * value), 0.05)
