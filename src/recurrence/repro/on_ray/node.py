"""The side that works: a task runs the command of a stage on this machine, in the project's folder
or in a copy.

A worker process of Ray lives on from task to task; so the fork server that its first stage starts
serves those after it.
"""

import os
import queue
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recurrence.repro.commands import STAGE, Commands
from recurrence.repro.executor import Ended, Task
from recurrence.repro.on_ray import copies
from recurrence.repro.on_ray.guard import guarded

PASSED = ("RECURRENCE_", "DVC_", "MLFLOW_", "PYTHON", "OMP_", "GOMP_", "MKL_", "ATEN_", "ONEDNN_")
"""Beginnings of environment variables that a stage has from whoever started the run; all others are
the machine's.
"""
LOOK_S = 0.2


@dataclass(frozen=True)
class Project:
    """Where the project is, for those who see it, and how they see that."""

    root: str
    mark: str
    content: str
    fresh: dict[str, bytes] | None
    """What has changed since it was packed; None where all machines see the folder."""

    def is_seen(self) -> bool:
        return _sees(Path(self.root, self.mark), self.content)


def passed_on(env: dict[str, str]) -> dict[str, str]:
    """What of an environment goes with a task."""
    return {name: value for name, value in env.items() if name.startswith(PASSED)}


def sees(path: str, content: str) -> bool:
    """Whether this machine works in the project's folder."""
    return _sees(Path(path), content)


def run(task: Task, project: Project, packed: bytes | None, lines: Any) -> Ended:
    """Run a stage's command here; its lines go into a queue, None after the last one."""
    told: queue.SimpleQueue[tuple[str, str | None]] = queue.SimpleQueue()
    sender = threading.Thread(target=_send, args=(told, lines), daemon=True)
    sender.start()
    is_seen = project.is_seen()
    env = _environment(task.env)
    if is_seen:
        commands, mine = _commands(project.root), replace(task, env=env)
        commands.prepare([task.command])
    else:
        commands, mine = copies.task_in(task, packed, project.fresh, env)
    if not STAGE.fullmatch(mine.command):  # the fork server's children are bound to it
        mine = replace(mine, command=guarded(mine.command))
    work = _Work(commands, mine)
    work.commands.tell = lambda name, line: told.put((name, line))
    try:
        ended = work.result()
    finally:
        told.put((task.name, None))
        sender.join()
    return replace(ended, is_elsewhere=not is_seen)


class _Work:
    """A command in a thread, so that Ray can interrupt this one: then the stage is told to end,
    politely.
    """

    def __init__(self, commands: Commands, task: Task) -> None:
        self.commands, self.task = commands, task

    def result(self) -> Ended:
        ended: list[Ended] = []
        thread = threading.Thread(target=lambda: ended.append(self.commands.run(self.task)))
        thread.start()
        try:
            while thread.is_alive():
                thread.join(LOOK_S)
        except KeyboardInterrupt:
            self.commands.stop()
            raise
        return ended[0]


_KEPT: dict[str, Commands] = {}


def _commands(root: str) -> Commands:
    """Those of this worker, with its fork server."""
    return _KEPT.setdefault(root, Commands(Path(root), lambda name, line: None))


def _environment(given: dict[str, str]) -> dict[str, str]:
    """That of this machine, with what was passed on, and this Python as `python`."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith(PASSED)}
    here = str(Path(sys.executable).parent)
    return mine | given | {"PATH": os.pathsep.join((here, mine.get("PATH", "")))}


def _sees(mark: Path, content: str) -> bool:
    """Whether the mark is here, and nobody said that this machine is to work in copies."""
    try:
        return copies.FOLDER not in os.environ and mark.read_text(encoding="utf-8") == content
    except OSError:
        return False


def _send(told: "queue.SimpleQueue[tuple[str, str | None]]", lines: Any) -> None:
    while True:
        name, line = told.get()
        lines.put((name, line))
        if line is None:
            return
