"""The stages of dvc.yaml, one file each: read, call, write. `run` is their common entry."""

import ctypes
import os
import select
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from recurrence.errors import RecurrenceError

SHELLS = {"sh", "dash", "bash", "zsh", "ksh", "fish"}
PR_SET_PDEATHSIG = 1
"""From linux/prctl.h: the signal that the kernel sends to this process when the one that started it is gone."""


def run(stage: Callable[[str], None]) -> None:
    """Call a stage with the key on the command line; an error meant for people ends it with exit code 2.

    Started by dvc, it does not outlive dvc: the next run must not meet a writer of the same files.
    """
    if len(sys.argv) != 2:
        sys.exit(f"usage: python -m {stage.__module__} KEY    (a key of params.yaml)")
    if "DVC_STAGE" in os.environ:
        die_with_parent()
    try:
        stage(sys.argv[1])
    except RecurrenceError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def die_with_parent() -> None:
    """Kill this process as soon as the one that started it is gone, whatever ended that (on Linux; elsewhere nothing).

    Of a shell between the two (most replace themselves by their last command, some wait for it) the parent is meant.
    Also the `initializer` of a pool whose workers shall not outlive the stage.
    """
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    name, starter = _name_and_parent(os.getppid())
    if name in SHELLS:
        threading.Thread(target=_die_with, args=(starter,), daemon=True).start()


def _die_with(pid: int) -> None:
    with suppress(ProcessLookupError):
        watched = select.poll()
        watched.register(os.pidfd_open(pid), select.POLLIN)
        watched.poll()
    os.kill(os.getpid(), signal.SIGKILL)


def _name_and_parent(pid: int) -> tuple[str, int]:
    stat = Path(f"/proc/{pid}/stat").read_text()  # "12 (the name) S 11 ..."
    name, _, rest = stat.partition("(")[2].rpartition(")")
    return name, int(rest.split()[1])
