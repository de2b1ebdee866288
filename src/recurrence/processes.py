"""Work in several processes at once, none of which outlives the one that started it; and an end at
once by a signal.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from recurrence.errors import RecurrenceError
from recurrence.lifeline import die_with_parent

Given = TypeVar("Given")
Result = TypeVar("Result")


def side_by_side(
    work: Callable[[Given], Result],
    given: Sequence[Given],
    workers: int,
    then: Callable[[Given, Result], Given | None] = lambda given, result: None,
) -> Iterator[tuple[Given, Result]]:
    """Call `work` in so many forked processes; yields (given, result) in the order in which they
    end.

    They begin in the order given; `then` says what is to be done next, after all that is waiting,
    now that one has ended. When one raises, or this process is interrupted, all are killed at once.
    Raises RecurrenceError where one is killed.
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


def end_at_once() -> None:
    """Let Ctrl-C and SIGTERM end this process within moments, with exit code 130 or 143, whatever
    it is computing.

    For a process that leaves nothing to be tidied up. A handler of Python's waits for the end of a
    computation, which may take seconds; but Python writes the signal into a pipe at once, on
    whichever thread the system chose (libraries start theirs when they are imported), and a thread
    of ours reads it.
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
