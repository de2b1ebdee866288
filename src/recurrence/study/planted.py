"""Texts with a loop planted in them, whose truth is known: what the detector card measures recall
on.

In: a corpus's held-out ids and a cell of the grid. Out: ids with a unit repeated in them, as often
and as faithfully as the cell says, between text that people wrote. Units are cut from the same
text, so they look like what a model repeats.
"""

from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np

from recurrence.loops.fingerprints import Ints

Place = Literal["tail", "gap", "middle"]

PERIODS = (1, 2, 3, 8, 13, 40, 85, 150, 401)
COPIES = (2.0, 2.5, 3.0, 5.0, 10.0)
EDITS = (0.0, 0.05, 0.1, 0.15, 0.2)
PLACES: tuple[Place, ...] = ("tail", "gap", "middle")
_NESTED_FROM = 4
"""Shorter units have no room for a run inside."""
_DRAWS = 1_000
"""Stretches tried for a unit, before the text is said to have none."""


@dataclass(frozen=True)
class Cell:
    """How a loop is planted."""

    period: int
    copies: float
    edits: float
    """The chance of each token of each copy to be substituted, deleted, or followed by one
    inserted.
    """
    place: Place
    """tail: up to the end. gap: a little other text after it. middle: half of the text after it."""
    nested: bool
    """Half of the unit is itself a run of three copies."""

    @property
    def matched(self) -> int:
        """Tokens that repeat the one a period before, if none is edited."""
        return int(self.period * self.copies) - self.period


@dataclass(frozen=True)
class Planted:
    """A text, and where in it ids[start:end] the loop stands."""

    ids: Ints
    start: int
    end: int


GRID = tuple(
    Cell(period, copies, edits, place, nested)
    for period, nested, copies, edits, place in product(
        PERIODS, (False, True), COPIES, EDITS, PLACES
    )
    if not nested or period >= _NESTED_FROM
)


def plant(
    rng: np.random.Generator, human: Ints, cell: Cell, length: int, unknown: int | None = None
) -> Planted:
    """A text of about `length` tokens, more where the loop is long: at least a quarter of that is
    human text.

    `unknown` (the id of <unk>) repeats nothing, so a unit has none. ValueError where the text is
    too short for a unit.
    """
    known = human if unknown is None else human[human != unknown]
    loop = np.resize(_unit(rng, known, cell), int(cell.period * cell.copies))
    loop = _edited(rng, loop, known, cell.edits)
    around = min(max(length - len(loop), length // 4), len(human))
    first = rng.integers(len(human) - around + 1)
    text = human[first : first + around]
    cut = around - {"tail": 0, "gap": max(around // 25, 1), "middle": around // 2}[cell.place]
    return Planted(np.concatenate([text[:cut], loop, text[cut:]]), cut, cut + len(loop))


def _unit(rng: np.random.Generator, known: Ints, cell: Cell) -> Ints:
    """A stretch of text that is not itself a shorter one repeated."""
    for _ in range(_DRAWS if len(known) >= cell.period else 0):
        first = rng.integers(len(known) - cell.period + 1)
        unit = known[first : first + cell.period].copy()
        if cell.nested:
            half = cell.period // 2
            unit[:half] = np.resize(unit[: max(half // 3, 1)], half)
        if _primitive(unit):
            return unit
    raise ValueError(
        f"the text has no stretch of {cell.period} tokens that is not a shorter one repeated"
    )


def _primitive(unit: Ints) -> bool:
    """Whether no shorter unit repeated gives this one."""
    size = len(unit)
    return not any(
        size % p == 0 and np.array_equal(unit[p:], unit[:-p]) for p in range(1, size // 2 + 1)
    )


def _edited(rng: np.random.Generator, loop: Ints, known: Ints, rate: float) -> Ints:
    """The loop with tokens substituted, deleted and inserted, a third of the edits each."""
    kind = np.where(rng.random(len(loop)) < rate, rng.integers(1, 4, len(loop)), 0)
    other = known[rng.integers(len(known), size=len(loop))]
    pairs = np.stack([np.where(kind == 1, other, loop), other], axis=1)
    edited: Ints = pairs[np.stack([kind != 2, kind == 3], axis=1)]
    return edited
