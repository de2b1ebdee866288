"""How processes of ours begin and end: none outlives the one that started it, and a signal ends it at once."""

import ctypes
import multiprocessing
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from recurrence.errors import RecurrenceError

Given = TypeVar("Given")
Result = TypeVar("Result")

SHELLS = {"sh", "dash", "bash", "zsh", "ksh", "fish"}
PR_SET_PDEATHSIG = 1
"""From linux/prctl.h: the signal that the kernel sends to this process when the one that started it is gone."""


def side_by_side(
    work: Callable[[Given], Result],
    given: Sequence[Given],
    workers: int,
    then: Callable[[Given, Result], Given | None] = lambda given, result: None,
) -> Iterator[tuple[Given, Result]]:
    """Call `work` in so many forked processes; yields (given, result) in the order in which they end.

    They begin in the order given; `then` says what is to be done next, after all that is waiting, now that one has
    ended. When one raises, or this process is interrupted, all are killed at once. Raises RecurrenceError where one is
    killed.
    """
    fork, others = multiprocessing.get_context("fork"), multiprocessing.active_children()
    pool = ProcessPoolExecutor(workers, fork, initializer=_begin, initargs=(os.getpid(),))
    try:
        futures = {pool.submit(work, one): one for one in given}
        while futures:
            ended, _ = wait(futures, return_when=FIRST_COMPLETED)
            for future in [
                each for each in futures if each in ended
            ]:  # of several that have ended, the first begun
                one, result = futures.pop(future), future.result()
                if (more := then(one, result)) is not None:
                    futures[pool.submit(work, more)] = more
                yield one, result
    except BaseException as error:
        for process in multiprocessing.active_children():
            if process not in others:
                process.kill()
        if isinstance(error, BrokenProcessPool):
            raise RecurrenceError(
                "a process was killed (is there enough memory?); run the same again"
            ) from error
        raise
    finally:
        pool.shutdown()


def _begin(parent: int) -> None:
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches all; the parent decides, and then all end
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.set_wakeup_fd(-1)  # the parent's
    die_with_parent(parent)


def die_with_parent(parent: int | None = None) -> None:
    """Kill this process as soon as the one that started it is gone, whatever ended that (`parent`: its id, if known).

    Of a shell between the two (most replace themselves by their last command, some wait for it) the parent is meant;
    this, and that it is at once, is Linux's: elsewhere we look twice a second for who our parent is.
    """
    expected = os.getppid() if parent is None else parent
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        name, starter = _name_and_parent(expected)
        if name in SHELLS:
            threading.Thread(target=_die_with, args=(starter,), daemon=True).start()
    else:
        threading.Thread(target=_watch, args=(expected,), daemon=True).start()
    if os.getppid() != expected:  # it was gone before we asked
        os._exit(1)


def _name_and_parent(pid: int) -> tuple[str, int]:
    """What a process is called and who started it; nothing and 0 where it is gone."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()  # "12 (the name) S 11 ..."
    except OSError:
        return "", 0
    name, _, rest = stat.partition("(")[2].rpartition(")")
    return name, int(rest.split()[1])


def _die_with(pid: int) -> None:
    with suppress(ProcessLookupError):
        watched = select.poll()
        watched.register(os.pidfd_open(pid), select.POLLIN)
        watched.poll()
    os.kill(os.getpid(), signal.SIGKILL)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def end_at_once() -> None:
    """Let Ctrl-C and SIGTERM end this process within moments, with exit code 130 or 143, whatever it is computing.

    For a process that leaves nothing to be tidied up. A handler of Python's waits for the end of a computation, which
    may take seconds; but Python writes the signal into a pipe at once, on whichever thread the system chose (libraries
    start theirs when they are imported), and a thread of ours reads it.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    threading.Thread(target=_end_on, args=(reading,), daemon=True).start()


def _end_on(reading: int) -> None:
    while (number := os.read(reading, 1)[0]) not in (signal.SIGINT, signal.SIGTERM):
        pass
    if sys.stderr.isatty():
        os.write(sys.stderr.fileno(), b"\x1b[?25h\n")  # the cursor, which a progress bar hides
    os._exit(128 + number)
