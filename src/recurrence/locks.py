"""One process alone runs a stage on a key, so that two never write the same files.

In comes a stage and a key; its lock is `.recurrence/locks/STAGE@KEY` in the project. The lock is
the system's own (flock), so that it ends with its holder, and whatever that forked, however they
end; the file says only who holds it.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from recurrence import lifeline, paths
from recurrence.console import say
from recurrence.errors import RecurrenceError
from recurrence.files import explained

WAIT_S = 10.0
"""How long to wait for another process: a run that was killed is gone by then, one that works may
take hours.
"""
LOOK_S = 0.05


@dataclass(frozen=True)
class Holder:
    """Who holds a lock, as the file says."""

    pid: int
    start: int
    """In the system's ticks, so that another process that has the number now is not taken for
    it.
    """

    @property
    def lives(self) -> bool:
        started = lifeline.start_of(self.pid)
        return lifeline.lives(self.pid) and started in (self.start, 0)


@contextmanager
def only_writer(stage: str, key: str) -> Iterator[None]:
    """Hold the lock of a stage on a key; wait a little where another process has it, and say for
    whom.

    Of processes that torchrun started together the first one holds it for all. Raises
    RecurrenceError, naming the process, where another keeps it.
    """
    if os.environ.get("RANK", "0") != "0":
        yield
        return
    path = paths.lock(stage, key)
    with explained(path):
        handle = _locked(path, f"{stage}@{key}")
    try:
        yield
    finally:
        with suppress(OSError):
            path.unlink()
        os.close(handle)


def _locked(path: Path, name: str) -> int:
    """An open handle of the lock, held."""
    deadline, told = time.monotonic() + WAIT_S, False
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return _take(path)
        except FileNotFoundError:  # removed in between by a holder who is done
            continue
        except BlockingIOError:
            holder = read(path)
        if time.monotonic() > deadline:
            raise RecurrenceError(_refusal(name, holder))
        if holder and not told:
            say(f"{name}: waits for process {holder.pid}, which is at work on it")
            told = True
        time.sleep(LOOK_S)


def _refusal(name: str, holder: Holder | None) -> str:
    if holder and holder.lives:
        return (
            f"{name}: process {holder.pid} is at work on it; "
            f"wait for it, or end it: kill {holder.pid}"
        )
    return f"{name}: a run of it that was killed has not ended yet; try again in a moment"


def _take(path: Path) -> int:
    """The lock, held; raises BlockingIOError where another holds it, FileNotFoundError where it was
    removed.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(handle), path.stat()):
            raise FileNotFoundError(path)
        own = {"pid": os.getpid(), "start": lifeline.start_of(os.getpid())}
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps(own).encode(), 0)
    except BaseException:
        os.close(handle)
        raise
    return handle


def read(path: Path) -> Holder | None:
    """Who holds, or held, a lock; None where the file does not say."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Holder(int(found["pid"]), int(found["start"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None
