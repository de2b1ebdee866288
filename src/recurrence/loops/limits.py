"""How much evidence a loop needs, by the kind of its text; what was measured to say so is in
docs/detector.md.

Characters, each of a dense script counted as two and a half. `end`: of a loop that goes on to the
end of the text; `inside`: of one that does not. People end no text with a loop, but they do repeat
themselves in the middle of one.
"""

from dataclasses import dataclass, replace
from math import inf, log2

from recurrence.loops.kinds import DATA, Kind


@dataclass(frozen=True)
class Limits:
    """The least evidence, and what is still no news, in one kind of text."""

    exact_end: int = 40
    exact_inside: int = 150
    near_end: int = 150
    near_inside: int = 2000
    plain_end: int = 150
    plain_inside: int = 1000
    """The same of progressions, and of copies that were aligned and agree but for edits."""
    copies: float = 4.6
    """Least copies of a near loop or progression."""
    steady: float = 0.5
    """The share of what stood before at a whole number of periods, from which on copies come in
    order.
    """
    identity: float = 0.5
    """Least share of a loop in order that stood before."""
    unsteady: float = 0.9
    """Least share of one without order."""
    novelty: float = 0.02
    """The share of the later copies from which on they bring news."""
    news: float = 0.5
    """New values per copy, in one slot, from which on they do."""
    edited: float = 0.74
    """Of copies that were aligned, the least share that needed no edit."""
    slots: float = 0.3
    """Of copies that were aligned, the share of the unit in which they may disagree, for each share
    that they differ: what differs elsewhere is edits.
    """
    fixed: float = 0.5
    """The share of what differs that may stand there."""
    varied: float = float("inf")
    """Words per copy that come again in no order, from which on they are rows of data."""


_PROSE = Limits()
_DATA = Limits(
    exact_end=60,
    exact_inside=400,
    near_end=1000,
    near_inside=4000,
    plain_end=400,
    plain_inside=1500,
    copies=5.6,
    steady=0.6,
    unsteady=2.0,
    varied=0.3,
)
_LOG = replace(_DATA, exact_end=10_000, exact_inside=50_000, copies=inf)
"""Programs do write the same lines over and over, with or without a time; so there is no near loop
in a log.
"""


def limits_of(kind: Kind) -> Limits:
    """The limits for a kind of text."""
    if kind == "log":
        return _LOG
    return _DATA if kind in DATA else _PROSE


def floor_of(least: float, length: int) -> float:
    """The floor in a text of so many characters: evidence grows with what was searched."""
    return least * max(1.0, 1 + log2(max(length, 1) / 20_000) / 2)
