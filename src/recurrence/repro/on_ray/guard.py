"""Become a shell command that is killed, with all that it started, as soon as the process that
asked for it is gone.

A stage binds itself to its starter (lifeline.py); a shell, dvc and any other command do not, and
Ray kills a worker without asking, and of what that started only its own children. So a child of the
command watches both. `python -m recurrence.repro.on_ray.guard PID COMMAND`, as leader of a process
group of its own.
"""

import os
import select
import shlex
import signal
import sys


def guarded(command: str) -> str:
    """The same command, bound to this process."""
    words = [sys.executable, "-m", __name__, str(os.getpid()), command]
    return f"exec {shlex.join(words)}"


def main() -> None:
    """Never returns."""
    asker, command = int(sys.argv[1]), sys.argv[2]
    try:
        handles = [os.pidfd_open(asker), os.pidfd_open(os.getpid())]
    except ProcessLookupError:
        sys.exit(1)
    if os.fork():
        os.execl("/bin/sh", "sh", "-c", command)
    _kill_after(handles)


def _kill_after(handles: list[int]) -> None:
    """Kill the process group, ourselves too, when one of two processes is gone."""
    null = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):  # whoever reads what the command writes sees its end
        os.dup2(null, number)
    gone = select.poll()
    for handle in handles:
        gone.register(handle, select.POLLIN)
    gone.poll()
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
