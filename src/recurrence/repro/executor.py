"""Where the command of a stage runs: the seam between the scheduler, which knows dvc, and the
machines.

In: a stage's command and what it may take. Out: how it ended. commands.py runs it on this machine,
on_ray/ on any node of a Ray cluster.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

Tell = Callable[[str, str], None]
"""Take a line that a stage (by name) wrote."""


@dataclass(frozen=True)
class Task:
    """One command of a stage."""

    name: str
    """Of the stage."""
    command: str
    cwd: str
    env: dict[str, str]
    cores: int = 1
    may_use_gpu: bool = False
    reads: Sequence[str] = ()
    """The files and folders that it reads, from the project's folder: what a machine elsewhere must
    fetch.
    """
    is_cached: bool = False
    """Whether all that it writes goes into dvc's cache, so that it may be made elsewhere and
    fetched.
    """


@dataclass(frozen=True)
class Ended:
    code: int
    """Its exit code, negative for a signal."""
    is_elsewhere: bool = False
    """Whether what it made is in dvc's remote, and not in the project's folder."""


class Executor(Protocol):
    """Runs commands of stages, several at a time, each called from a thread of its own."""

    @property
    def cores(self) -> int:
        """How many cores there are for all of them together."""

    def prepare(self, commands: list[str]) -> None:
        """These will be run soon."""

    def needs_remote(self) -> bool:
        """Whether some machine does not see the project's folder, so that what stages read must be
        in dvc's remote.
        """

    def run(self, task: Task) -> Ended:
        """Run it to its end, telling its lines. Raises RecurrenceError where no machine can."""

    def stop(self) -> None:
        """End all commands, and those that still begin: politely, then not."""

    def close(self) -> None:
        """All is over; called once, after every `run` has returned."""


MakeExecutor = Callable[[Path, Tell, int], Executor]
"""In comes the project's folder, whom to tell lines, and how many cores to use at most where they
are ours.
"""
