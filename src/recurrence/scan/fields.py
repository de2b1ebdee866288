"""A place in a record as people write it: `a.b[0].c`; `[]` stands for every element of a list."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

from recurrence.errors import RecurrenceError

_STEP = re.compile(r"\.?([^.\[\]]+)|\[(-?\d*)\]")


@dataclass(frozen=True)
class Field:
    """Names and places in lists, one after the other."""

    written: str
    steps: tuple[str | int | None, ...]
    """None: every element."""

    @classmethod
    def parse(cls, written: str, option: str) -> Self:
        """RecurrenceError names the option where it is no path."""
        steps: list[str | int | None] = []
        at = 0
        while at < len(written):
            match = _STEP.match(written, at)
            if match is None:
                break
            name, place = match.groups()
            steps.append(name if name is not None else int(place) if place else None)
            at = match.end()
        if at < len(written) or not steps:
            raise RecurrenceError(
                f"{option} {written}: must be names and places, such as text, a.b or "
                f"choices[0].text"
            )
        return cls(written, tuple(steps))

    def values(self, record: Any) -> Iterator[tuple[str, Any]]:
        """What stands there, each with its own path; nothing where there is none."""
        if isinstance(record, dict) and self.written in record:  # a column named `a.b`
            yield self.written, record[self.written]
            return
        yield from _follow(record, self.steps, "")

    def value(self, record: Any) -> Any:
        """The first of them; None where there is none."""
        return next((value for _, value in self.values(record)), None)


def _follow(
    value: Any, steps: tuple[str | int | None, ...], path: str
) -> Iterator[tuple[str, Any]]:
    if not steps:
        yield path, value
        return
    step, *rest = steps
    if isinstance(step, str):
        if isinstance(value, dict) and step in value:
            yield from _follow(value[step], tuple(rest), f"{path}.{step}" if path else step)
    elif isinstance(value, list):
        if step is None:
            for place, each in enumerate(value):
                yield from _follow(each, tuple(rest), f"{path}[{place}]")
        elif -len(value) <= step < len(value):
            yield from _follow(value[step], tuple(rest), f"{path}[{step}]")
