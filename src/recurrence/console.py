"""What is said to the person in front: quiet lines, errors, progress with the time left, all of it
to stderr; and text to stdout, where it is as exact as a program needs it, but on a terminal does
nothing but be seen.

Names and text come from outside (files, servers, vocabularies), so every control character is
written as an escape here, but for line breaks and tabs.

Where RECURRENCE_WATCHED is set, another program shows the progress of this one (`recurrence repro`,
in its table): it gets a line beginning with MARK a few times a second: the share done (empty:
unknown), a space, and the rest in words.
"""

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from recurrence.escaping import escaped
from recurrence.sparkline import Curves

QUIET_S = 10.0
"""Seconds between two progress lines where no terminal is listening."""
SILENT_S = 50.0
"""Seconds without any report after which a line says all the same that it goes on."""
WATCHED = "RECURRENCE_WATCHED"
WATCHED_S = 0.25
MARK = "\x10"
"""Begins a line that is for the watching program only; no other line holds that character (data
link escape).
"""
KEPT = "\n\t"
MOST_CHARACTERS = 4000
"""Of an error: what an outsider's text may take of somebody's screen."""


class Advance(Protocol):
    """Report that `amount` more is done, with a short note on how it goes.

    `earlier`: an earlier process had done it, so it says nothing of how fast this one is.
    """

    def __call__(self, amount: float, note: str = "", earlier: bool = False) -> None: ...


def say(message: str) -> None:
    """Print one line to stderr, in one piece even where several threads or processes speak."""
    _print(escaped(message, KEPT))


def fail(error: Exception) -> None:
    """Print an error that is meant for people to stderr, as `error: ...`."""
    message = f"error: {error}"
    if len(message) > MOST_CHARACTERS:
        message = f"{message[:MOST_CHARACTERS]} ... ({len(message):,} characters)"
    say(message)


def write(text: str) -> None:
    """Write generated text to stdout: to a file or a program as it is, to a terminal without
    control characters.
    """
    if sys.stdout.isatty():
        text = escaped(text, KEPT)
    try:
        sys.stdout.write(text)
    except UnicodeEncodeError:  # a lone surrogate, or a terminal that has no such character
        encoding = sys.stdout.encoding or "ascii"
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
    sys.stdout.flush()


def _tell_watcher(message: str) -> None:
    """A line that begins with MARK, if it is one for the watching program."""
    mark = MARK if message.startswith(MARK) else ""
    _print(mark + escaped(message.removeprefix(MARK), KEPT))


def _print(line: str) -> None:
    print(f"{line}\n", end="", file=sys.stderr, flush=True)


@contextmanager
def progress(title: str, total: float | None, unit: str = "") -> Iterator[Advance]:
    """Show progress towards `total` (None: unknown): a bar on a terminal, else a line now and then.

    Yields an Advance. The closing line appears only when the block ends well.
    """
    if sys.stderr.isatty():
        with _bar() as bar:
            yield _on_bar(bar, bar.add_task(escaped(title), total=total, unit=unit, note=""))
        return
    kind = Watched if os.environ.get(WATCHED) else Lines
    lines = kind(title, total, unit)
    with beating(lines.beat, lines.silent_s / 4):
        yield lines.advance
    lines.close()


@contextmanager
def beating(beat: Callable[[], None], every_s: float) -> Iterator[None]:
    """Call `beat` again and again while the block lasts, whatever it is busy with."""
    over = threading.Event()

    def run() -> None:
        while not over.wait(every_s):
            beat()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@dataclass
class Lines:
    """Progress as plain lines: one every `every_s` seconds at most, and a closing one.

    Where nothing is reported for long, `beat` says how far it was. The time left is that of this
    process: what an earlier one had done tells nothing of how fast it goes here.
    """

    title: str
    total: float | None
    unit: str = ""
    write: Callable[[str], None] = say
    clock: Callable[[], float] = time.monotonic
    every_s: float = QUIET_S
    silent_s: float = SILENT_S
    done: float = 0.0
    earlier: float = 0.0
    note: str = ""
    started: float = field(init=False)
    spoke: float = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.spoke = self.clock()

    def advance(self, amount: float, note: str = "", earlier: bool = False) -> None:
        """Count `amount`; write a line if the last one is long enough ago."""
        self.done += amount
        self.earlier += amount if earlier else 0.0
        self.note = note or self.note
        self._speak(self.every_s)

    def beat(self) -> None:
        """Write a line if there was none for a long time."""
        self._speak(self.silent_s)

    def _speak(self, after_s: float) -> None:
        now = self.clock()
        if now - self.spoke >= after_s:
            self.spoke = now
            self.write(self._progress(self._state(now - self.started)))

    def close(self) -> None:
        """Write the closing line."""
        self.write(
            self._line(f"{_amount(self.done, self.unit)} in {_clock(self.clock() - self.started)}")
        )

    def _progress(self, state: str) -> str:
        return self._line(state)

    def _state(self, elapsed_s: float) -> str:
        if not self.total:
            return f"{_amount(self.done, self.unit)} after {_clock(elapsed_s)}"
        share = min(self.done / self.total, 1.0)
        ours = self.done - self.earlier
        rest = max(self.total - self.done, 0.0)
        left = _clock(elapsed_s * rest / ours) if ours > 0 else "unknown time"
        return f"{share:.0%} of {_amount(self.total, self.unit)}, {left} left"

    def _line(self, state: str) -> str:
        return f"{self.title}: {state}" + (f" ({self.note})" if self.note else "")


@dataclass
class Watched(Lines):
    """Progress for the program that watches this one; the closing line is as ever."""

    write: Callable[[str], None] = _tell_watcher
    every_s: float = WATCHED_S
    silent_s: float = QUIET_S
    curves: Curves = field(default_factory=Curves)
    curve: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.spoke -= self.every_s  # it may speak at once

    def advance(self, amount: float, note: str = "", earlier: bool = False) -> None:
        self.curve = self.curves.line(note) or self.curve
        super().advance(amount, note, earlier)

    def _progress(self, state: str) -> str:
        share = f"{min(self.done / self.total, 1.0):.3f}" if self.total else ""
        curve = f" {self.curve}" if self.curve else ""
        return f"{MARK}{share} {state}{curve}" + (f" ({self.note})" if self.note else "")


class _Amount(ProgressColumn):
    """How much of how much is done."""

    def render(self, task: Task) -> Text:
        done = _amount(task.completed, task.fields["unit"])
        if task.total is None:
            return Text(done)
        return Text(f"{task.percentage:3.0f}% of {_amount(task.total, task.fields['unit'])}")


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        _Amount(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        console=Console(stderr=True),
        # an epoch may take minutes, and the time left needs two of them in view
        speed_estimate_period=600.0,
    )


def _on_bar(bar: Progress, task: TaskID) -> Advance:
    curves = Curves()

    def advance(amount: float, note: str = "", earlier: bool = False) -> None:
        if earlier:  # begins the bar's measuring of speed anew
            done = bar.tasks[task].completed + amount
            bar.reset(task, completed=done)  # type: ignore[arg-type]
        else:
            bar.advance(task, amount)
        if note:
            curve = curves.line(note)
            bar.update(task, note=f"{curve} {escaped(note)}" if curve else escaped(note))

    return advance


def _amount(value: float, unit: str) -> str:
    return f"{value:,.6g} {unit}".rstrip()


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
