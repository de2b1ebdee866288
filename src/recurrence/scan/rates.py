"""How many of many samples loop, by group; and whether one heap loops more than another, each with
its interval.
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from math import sqrt
from typing import Any, NamedTuple

_Z95 = 1.959963984540054
MOST_GROUPS = 10_000
"""More are no groups: the field has something else in each record."""
REST = "(others)"
NONE = "(none)"
"""The group of samples that have nothing in the field."""


class Interval(NamedTuple):
    low: float
    high: float


class Rate(NamedTuple):
    """Some of many."""

    loops: int
    samples: int

    @property
    def value(self) -> float:
        return self.loops / self.samples if self.samples else 0.0

    def interval(self) -> Interval:
        """Wilson's, 95 % (JASA 22, 1927); of no samples: 0 to 1. It holds for samples that are
        drawn independently.
        """
        if not self.samples:
            return Interval(0.0, 1.0)
        weight = _Z95 * _Z95 / self.samples
        middle = (self.value + weight / 2) / (1 + weight)
        spread = _Z95 * sqrt(
            self.value * (1 - self.value) / self.samples + weight / 4 / self.samples
        )
        half = spread / (1 + weight)
        low = middle - half if self.loops else 0.0
        return Interval(low, middle + half if self.loops < self.samples else 1.0)


class Difference(NamedTuple):
    """How much more the second of two heaps loops, in shares of samples."""

    value: float
    interval: Interval

    @property
    def verdict(self) -> str:
        if self.interval.low > 0:
            return "more"
        return "less" if self.interval.high < 0 else "no difference beyond chance"


def difference(first: Rate, second: Rate) -> Difference:
    """The second rate less the first, with Newcombe's 95 % interval (Statistics in Medicine 17,
    1998, method 10).
    """
    one, other = first.interval(), second.interval()
    change = second.value - first.value
    down = sqrt((second.value - other.low) ** 2 + (one.high - first.value) ** 2)
    up = sqrt((other.high - second.value) ** 2 + (first.value - one.low) ** 2)
    return Difference(change, Interval(change - down, change + up))


@dataclass
class Rates:
    """Counts by group."""

    kinds: Collection[str]
    """The kinds that count as loops."""
    groups: dict[str, Counter[bool]] = field(default_factory=dict)

    def add(self, row: Mapping[str, Any]) -> None:
        """Count a row in its group."""
        name = NONE if row["group"] is None else row["group"]
        if name not in self.groups and len(self.groups) >= MOST_GROUPS:
            name = REST
        self.groups.setdefault(name, Counter())[row["kind"] in self.kinds] += 1

    def rates(self) -> Iterator[tuple[str, Rate]]:
        """The groups in the order in which they came."""
        for name in self.groups:
            yield name, self.rate(name)

    def rate(self, name: str) -> Rate:
        counts = self.groups.get(name, Counter())
        return Rate(counts[True], counts.total())
