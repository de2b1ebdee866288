"""Which points of a chart get their name written beside them, and where: as many as fit without
touching.

In: marks in pixels from the upper left. Out: texts in the same. One of each family comes first, so
that all are named.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

FONT = 10
LETTER = 0.56 * FONT
"""Mean width of a letter of the charts' font."""
GAP = 9
MOST = 8


@dataclass(frozen=True)
class Mark:
    """A point and its name."""

    text: str
    x: float
    y: float
    family: str


@dataclass(frozen=True)
class Label:
    """A text, and where it is written: `align` says which of its ends is at x; its middle is at
    y.
    """

    text: str
    x: float
    y: float
    align: str

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        wide = LETTER * len(self.text)
        left = self.x - {"left": 0.0, "center": wide / 2, "right": wide}[self.align]
        return left, self.y - FONT * 0.55, left + wide, self.y + FONT * 0.55


def place(marks: Sequence[Mark], size: tuple[int, int]) -> list[Label]:
    """At most MOST labels inside `size` (width, height) that touch no other label and no other
    mark.
    """
    placed: list[Label] = []
    for mark in _in_turn(marks):
        others = [(m.x, m.y) for m in marks if m is not mark]
        free = (label for label in _around(mark) if _fits(label, size, placed, others))
        label = next(free, None)
        if label and len(placed) < MOST:
            placed.append(label)
    return placed


def _in_turn(marks: Sequence[Mark]) -> list[Mark]:
    """The first of each family, then the second of each, and so on."""
    seen: dict[str, int] = {}
    turns = []
    for mark in marks:
        turns.append(seen.get(mark.family, 0))
        seen[mark.family] = turns[-1] + 1
    return [mark for _, mark in sorted(zip(turns, marks, strict=True), key=lambda pair: pair[0])]


def _around(mark: Mark) -> Iterator[Label]:
    yield Label(mark.text, mark.x + GAP, mark.y, "left")
    yield Label(mark.text, mark.x - GAP, mark.y, "right")
    for dy in (12, -12):
        yield Label(mark.text, mark.x, mark.y + dy, "center")


def _fits(
    label: Label,
    size: tuple[int, int],
    placed: Sequence[Label],
    others: Sequence[tuple[float, float]],
) -> bool:
    left, top, right, bottom = label.box
    if left < 0 or right > size[0] or top < 0 or bottom > size[1]:
        return False
    if any(left - 4 < x < right + 4 and top - 3 < y < bottom + 3 for x, y in others):
        return False
    boxes = [other.box for other in placed]
    return not any(
        left < x1 + 4 and x0 < right + 4 and top < y1 + 1 and y0 < bottom + 1
        for x0, y0, x1, y1 in boxes
    )
