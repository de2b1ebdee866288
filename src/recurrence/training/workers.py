"""Work side by side in processes that never outlive the one that started them.

In come a function and what to call it with; out come results, as they are ready. Knows nothing of training.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from recurrence.errors import RecurrenceError

Given = TypeVar("Given")
Result = TypeVar("Result")

PR_SET_PDEATHSIG = 1
"""Of prctl(2): the signal that Linux sends to a process when its parent is gone."""


def side_by_side(
    work: Callable[[Given], Result], given: Sequence[Given], workers: int
) -> Iterator[tuple[Given, Result]]:
    """Call `work` in so many forked processes; yields (given, result) in the order in which they end.

    When one raises, or this process is interrupted, all are killed at once. Raises RecurrenceError where one is killed.
    """
    fork, others = multiprocessing.get_context("fork"), multiprocessing.active_children()
    pool = ProcessPoolExecutor(workers, fork, initializer=_begin, initargs=(os.getpid(),))
    try:
        futures = {pool.submit(work, one): one for one in given}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BaseException as error:
        for process in multiprocessing.active_children():
            if process not in others:
                process.kill()
        if isinstance(error, BrokenProcessPool):
            raise RecurrenceError("a process was killed (is there enough memory?); run the same again") from error
        raise
    finally:
        pool.shutdown()


def _begin(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all; the parent decides, and then all end
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
    die_with(parent)


def die_with(parent: int) -> None:
    """See to it that this process is killed when its parent, which has this id, is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:  # it was gone before we asked
        os._exit(1)


def end_at_once() -> None:
    """Let Ctrl-C and SIGTERM end this process within moments, with exit code 130 or 143, whatever it is computing.

    For a process that leaves nothing to be tidied up. A handler of Python's would wait for the end of a computation,
    which may take seconds; a thread of its own does not.
    """
    ending = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    threading.Thread(target=_end_on, args=(ending,), daemon=True).start()


def _end_on(ending: set[signal.Signals]) -> None:
    number = signal.sigwait(ending)
    if sys.stderr.isatty():
        os.write(sys.stderr.fileno(), b"\x1b[?25h\n")  # the cursor, which a progress bar hides
    os._exit(128 + number)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
