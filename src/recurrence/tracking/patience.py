"""Waiting that ends: for a store that keeps one waiting, and at SIGTERM and Ctrl-C, which clear up
before they end.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

PATIENCE_S = 60.0
"""Seconds without a single run coming to be after which a store is given up, whatever it does
meanwhile.
"""


class Stalled(Exception):
    """The store keeps the import waiting; no OSError, which mlflow would meet with another
    attempt.
    """


@contextmanager
def stoppable() -> Iterator[Callable[[], None]]:
    """Within, SIGTERM raises SystemExit, as Ctrl-C raises KeyboardInterrupt, so that what was begun
    is cleared away.

    Both may come where Python ignores exceptions (in a destructor, say); a call of what is yielded
    raises them again.
    """
    came: list[BaseException] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        came.append(KeyboardInterrupt() if number == signal.SIGINT else SystemExit(128 + number))
        raise came[-1]

    def heed() -> None:
        if came:
            raise came[-1]

    with _handling(signal.SIGTERM, stop), _handling(signal.SIGINT, stop):
        yield heed


@contextmanager
def patient(
    seconds: float = PATIENCE_S, heed: Callable[[], None] = lambda: None
) -> Iterator[Callable[[], None]]:
    """Within, Stalled is raised when so many seconds pass without a call of what is yielded, which
    calls `heed`.

    A limit on single requests would not do: a server may send its answer byte by byte.
    """

    def give_up(_signal: int, _frame: FrameType | None) -> None:
        raise Stalled(f"nothing came to be in {seconds:g} seconds")

    def go_on() -> None:
        heed()
        if _in_main_thread():
            signal.setitimer(
                signal.ITIMER_REAL, seconds, seconds
            )  # again and again: some code swallows exceptions

    with _handling(signal.SIGALRM, give_up):
        go_on()
        try:
            yield go_on
        finally:
            if _in_main_thread():
                signal.setitimer(signal.ITIMER_REAL, 0)


@contextmanager
def _handling(
    number: signal.Signals, handler: Callable[[int, FrameType | None], None]
) -> Iterator[None]:
    """Within, the handler for that signal; only the main thread can have one."""
    if not _in_main_thread():
        yield
        return
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
