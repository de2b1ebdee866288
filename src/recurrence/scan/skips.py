"""What was read otherwise than as it should be: records and files that were skipped, encodings that
were guessed.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from recurrence.errors import RecurrenceError

What = Literal["record", "file"]
MOST_NAMED = 20
"""Of each kind so many are named; of any more, only how many."""


class NotText(RecurrenceError):
    """A file that holds no text: in a folder it is left out, as hidden ones are."""


@dataclass
class Skips:
    """Counts what is skipped, left out or guessed, and names the first of each."""

    strict: bool = False
    """End at the first record or file that cannot be read."""
    counts: Counter[str] = field(default_factory=Counter)
    """Skipped records (`record`) and files (`file`), and what folders have besides texts
    (`left`).
    """
    _named: dict[str, list[str]] = field(default_factory=dict)
    _noted: str = ""
    """The last note, which is said once, however often it is noted."""

    def skip(self, what: What, error: RecurrenceError) -> None:
        """Go on without a record or file; the error says where and why."""
        if self.strict:
            raise error
        self._count(what, str(error))

    def leave(self, place: str, reason: str) -> None:
        """Leave something of a folder out."""
        self._count("left", f"{place}: {reason}")

    def note(self, place: str, message: str) -> None:
        """Say once of a place what is to be known of how it was read."""
        line = f"{place}: {message}"
        if line != self._noted and line not in self._named.get("note", ()):
            self._count("note", line)
        self._noted = line

    def lines(self) -> Iterator[str]:
        """All of it in words."""
        notes = self._named.get("note", [])
        yield from notes
        if more := self.counts["note"] - len(notes):
            yield f"and {more:,} more notes like these"
        skipped = [f"{number:,} {what}{'s' * (number > 1)}" for what, number in self._skipped()]
        if skipped:
            yield f"skipped: {', '.join(skipped)} (--strict ends at the first)"
        for what, _ in self._skipped():
            yield from self._of(what)
        if number := self.counts["left"]:
            yield f"left out of folders: {number:,}"
            yield from self._of("left")

    def reasons(self) -> str:
        """The first that was skipped, for the error that nothing is left."""
        named = [line for what, _ in self._skipped() for line in self._named[what]]
        return "; ".join(named[:3])

    def _skipped(self) -> list[tuple[What, int]]:
        kinds: tuple[What, ...] = ("record", "file")
        return [(what, self.counts[what]) for what in kinds if self.counts[what]]

    def _of(self, what: str) -> Iterator[str]:
        named = self._named[what]
        yield from (f"  {line}" for line in named)
        if more := self.counts[what] - len(named):
            yield f"  and {more:,} more"

    def _count(self, what: str, line: str) -> None:
        self.counts[what] += 1
        named = self._named.setdefault(what, [])
        if len(named) < MOST_NAMED:
            named.append(line)
