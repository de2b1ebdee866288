"""How far jobs are that other processes do: each tells it through one pipe, and one reader adds it
up.

Comes in: what a job reports while it runs. Goes out: the same, in the process that shows progress.
A line shorter than PIPE_BUF (4,096 bytes at the least) is written in one piece, so writers need no
lock, and one that is killed breaks none.
"""

import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from recurrence.console import Advance

EVERY_S = 0.2
"""Seconds between two reports of a job."""
NOTE_CHARACTERS = 400


@dataclass
class Teller:
    """Reports one job's progress from any process; an Advance.

    What it tells is where the job is, not how much was added: a part that is told twice counts
    once.
    """

    handle: int
    job: str
    position: float = 0.0
    spoke: float = 0.0

    def __call__(self, amount: float, note: str = "", earlier: bool = False) -> None:
        self.position += amount
        now = time.monotonic()
        if note or earlier or now - self.spoke >= EVERY_S:
            self.spoke = now
            line = json.dumps([self.job, self.position, note[:NOTE_CHARACTERS], earlier])
            os.write(self.handle, line.encode() + b"\n")


@contextmanager
def heard(advance: Advance) -> Iterator[int]:
    """Pass on to `advance` what Tellers write to the handle that is yielded, until all of it is
    read.
    """
    readable, writable = os.pipe()
    reader = threading.Thread(target=_read, args=(readable, advance), daemon=True)
    reader.start()
    try:
        yield writable
    finally:
        os.close(writable)
        reader.join()


def _read(handle: int, advance: Advance) -> None:
    at: dict[str, float] = {}
    with open(handle, encoding="utf-8") as lines:
        for line in lines:
            job, position, note, earlier = json.loads(line)
            advance(position - at.get(job, 0.0), note, earlier=earlier)
            at[job] = position
