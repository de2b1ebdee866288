"""What a person sees of a run: on a terminal a table that lives, else a line when a stage starts,
speaks and ends.
"""

import sys
import time
from collections import Counter
from collections.abc import Callable, Collection
from contextlib import ExitStack
from datetime import timedelta
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from recurrence.console import MARK, SILENT_S, beating, say
from recurrence.escaping import escaped

Cost = Callable[[str], float]
"""Seconds that a stage takes, roughly, by its name."""

HEADINGS = ("ran", "restored", "up to date", "left out", "stopped", "failed")
"""What may have become of a stage in the end."""
QUEUED_SHOWN = 3


class Log:
    """The run as lines on stderr."""

    is_watching = False
    """Whether stages shall report progress for a table."""

    def __init__(self, names: Collection[str], cost: Cost = lambda name: 1.0) -> None:
        self.names = names
        self.cost = cost
        self.how: dict[str, str] = {}
        self.why: dict[str, str] = {}
        self.running: dict[str, Row] = {}
        self.shown = time.monotonic()
        self._open = ExitStack()

    def __enter__(self) -> Self:
        self._open.enter_context(beating(self.beat, SILENT_S / 4))
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def show(self, line: str) -> None:
        self.shown = time.monotonic()
        say(line)

    def beat(self) -> None:
        """Say what goes on where no stage has said anything for long."""
        running = dict(self.running)
        if running and time.monotonic() - self.shown >= SILENT_S:
            ages = ", ".join(f"{name} ({row.age})" for name, row in running.items())
            self.show(f"running: {ages}; {len(self.queued())} queued, {self.left()} left")

    def queued(self) -> list[str]:
        """The stages that have not begun."""
        return [name for name in self.names if name not in self.how and name not in self.running]

    def left(self) -> str:
        """The time that it will take, roughly: what all that is left takes, shared by those at
        work.
        """
        running = dict(self.running)
        rest_s = sum(max(self.cost(name) - row.seconds, 0.0) for name, row in running.items())
        rest_s += sum(map(self.cost, self.queued()))
        return f"about {timedelta(seconds=round(rest_s / max(len(running), 1)))}"

    def started(self, name: str) -> None:
        """Its command begins."""
        self.running[name] = Row()
        self.show(f"{name}: started")

    def told(self, name: str, line: str) -> None:
        """It wrote this."""
        if line.strip():
            if row := self.running.get(name):
                row.last = line
            self.show(f"{name}: {line}")

    def ended(self, name: str, how: str, why: str = "") -> None:
        """It came to one of HEADINGS; `why` where it failed."""
        self.how[name] = how
        if why:
            self.why[name] = why
        row = self.running.pop(name, None)
        if how not in ("up to date", "left out"):
            self.show(f"{name}: {how}{f' in {row.age}' if row else ''}{f': {why}' if why else ''}")


class Row:
    """A stage at work: since when, what share is done (None: unknown), its progress in words, its
    last line.
    """

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.share: float | None = None
        self.words = self.last = ""

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began

    @property
    def age(self) -> str:
        return str(timedelta(seconds=round(self.seconds)))


class Screen(Log):
    """The same lines, and below them a table of what runs, what comes next and what failed."""

    is_watching = True

    def __init__(self, names: Collection[str], cost: Cost = lambda name: 1.0) -> None:
        super().__init__(names, cost)
        self.live = Live(get_renderable=self.table, console=Console(stderr=True), transient=True)

    def __enter__(self) -> Self:
        self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()

    def show(self, line: str) -> None:
        self.live.console.print(Text(escaped(line)))

    def told(self, name: str, line: str) -> None:
        row = self.running.get(name)
        if not line.startswith(MARK):
            super().told(name, line)
        elif row:
            share, _, row.words = line.removeprefix(MARK).partition(" ")
            row.share = float(share) if share else None

    def table(self) -> Group:
        """As it is now."""
        running = dict(self.running)
        queued = self.queued()
        counts = Counter(self.how.values())
        said = [f"{len(running)} running", f"{len(queued)} queued", f"{self.left()} left"]
        said += [f"{counts[heading]} {heading}" for heading in HEADINGS if counts[heading]]
        rows = Table.grid(padding=(0, 1))
        for name, row in running.items():
            bar = ProgressBar(1.0, row.share or 0.0, width=20, pulse=row.share is None)
            rows.add_row(
                Text(name, "bold"), row.age, bar, Text(row.words, overflow="ellipsis", no_wrap=True)
            )
        for name in queued[:QUEUED_SHOWN]:
            rows.add_row(Text(name, "dim"), "", "", Text("queued", "dim"))
        for name, why in self.why.items():
            rows.add_row(
                Text(name, "red"), "", "", Text(why, "red", overflow="ellipsis", no_wrap=True)
            )
        return Group(Text(", ".join(said)), rows)


def progress_of(names: Collection[str], cost: Cost) -> Log:
    """The table where a terminal listens, else lines. `cost`: the seconds that a stage takes,
    roughly.
    """
    return Screen(names, cost) if sys.stderr.isatty() else Log(names, cost)
