"""How much evidence a loop needs, by the kind of its text; and what was measured to say so (calibration.json).

Characters, each of a dense script counted as two and a half. `end`: of a loop that goes on to the end of the text;
`inside`: of one that does not. People end no text with a loop, but they do repeat themselves in the middle of one.
"""

from dataclasses import dataclass
from math import log2

from recurrence.loops.kinds import DATA, KINDS, Kind


@dataclass(frozen=True)
class Limits:
    """The least evidence, and what is still no news, in one kind of text."""

    exact_end: int = 40
    exact_inside: int = 100
    near_end: int = 120
    near_inside: int = 400
    copies: float = 3.6
    """Least copies of a near loop or progression."""
    identity: float = 0.6
    """Least share of a near loop that stood before."""
    novelty: float = 0.02
    """The share of the later copies from which on they bring news."""
    news: float = 0.5
    """New values per copy, in one slot, from which on they do."""
    varied: float = float("inf")
    """Values per copy that come again in no order, from which on they are rows of data."""


def limits_of(kind: Kind) -> Limits:
    """The limits for a kind of text."""
    return Limits(exact_inside=200, near_end=200, near_inside=600, varied=0.4) if kind in DATA else Limits()


def floor_of(least: float, length: int) -> float:
    """The floor in a text of so many characters: evidence grows with what was searched."""
    return least * max(1.0, 1 + log2(max(length, 1) / 20_000) / 2)


CALIBRATED = KINDS
