"""Where MLflow's runs are kept: a sqlite file in `.mlflow/`, or the store that MLFLOW_TRACKING_URI names.

mlflow takes seconds to import, so it is imported when a store is opened and not before.
"""

import fcntl
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any
from urllib.parse import urlsplit

from recurrence.console import say
from recurrence.errors import RecurrenceError
from recurrence.files import atomic_path

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # with these a server that is down costs seconds, not four minutes
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",  # it may name an hour
}
"""What is set for mlflow unless the person has set it."""
PATIENCE_S = 60.0
"""Seconds without a single run coming to be after which a store is given up, whatever it does meanwhile."""


@dataclass(frozen=True)
class Place:
    """A store by its address for mlflow, and the project's folder for what the address leaves open."""

    uri: str
    home: Path

    @property
    def shown(self) -> str:
        """The address without the password that it may hold."""
        parts = urlsplit(self.uri)
        return (
            parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
            if parts.netloc
            else self.uri
        )

    @property
    def database(self) -> Path | None:
        """The file of an sqlite store."""
        if not self.uri.startswith("sqlite:///"):
            return None
        return Path(self.uri.removeprefix("sqlite:///").partition("?")[0]).absolute()

    @property
    def artifacts(self) -> Path | None:
        """Where experiments put artifacts: beside an sqlite file; None: the server decides."""
        if self.uri.startswith(("http:", "https:", "databricks")):
            return None
        return (self.database.parent if self.database else self.home) / "artifacts"

    @property
    def lock(self) -> Path:
        """Held by whoever imports; beside an sqlite file, so that projects which share the file share it."""
        return Path(f"{self.database or self.home / 'server'}.lock")


class Stalled(Exception):
    """The store keeps the import waiting; no OSError, which mlflow would meet with another attempt."""


def place(home: Path) -> Place:
    """The store in the folder `home`, or the one that MLFLOW_TRACKING_URI names."""
    return Place(
        os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{home.absolute()}/mlflow.db",
        home.absolute(),
    )


def client(at: Place) -> Any:
    """A client of the store (mlflow.MlflowClient); an sqlite file is made where there is none yet.

    The lock must be held: mlflow destroys a fresh database that two processes open at once.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    if at.database and not at.database.exists():
        say("MLflow: making a new store, a quarter of a minute")
        with atomic_path(at.database) as scratch:  # an interrupted creation leaves nothing behind
            MlflowClient(tracking_uri=f"sqlite:///{scratch}").search_experiments(max_results=1)
    return MlflowClient(tracking_uri=at.uri)


def failures() -> tuple[type[Exception], ...]:
    """What mlflow raises when a store is unreachable, slow, broken or full.

    Raises RecurrenceError where mlflow itself is missing.
    """
    try:
        from mlflow.exceptions import MlflowException
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError as error:
        raise RecurrenceError(
            f"{error}; MLflow is needed to track and to browse runs, for nothing else: "
            "pip install 'recurrence[pipeline]', then run the same command again"
        ) from error
    return MlflowException, SQLAlchemyError, OSError, Stalled


@contextmanager
def locked(at: Place) -> Iterator[None]:
    """Hold the store alone; a second import waits for the first. The system frees the lock of a process that dies."""
    at.lock.parent.mkdir(parents=True, exist_ok=True)
    with at.lock.open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"MLflow: another import holds {at.lock}; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def stoppable() -> Iterator[Callable[[], None]]:
    """Within, SIGTERM raises SystemExit, as Ctrl-C raises KeyboardInterrupt, so that what was begun is cleared away.

    Both may come where Python ignores exceptions (in a destructor, say); a call of what is yielded raises them again.
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
    """Within, Stalled is raised when so many seconds pass without a call of what is yielded, which calls `heed`.

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


def check_moved(location: str, expected: str) -> None:
    """An experiment keeps the absolute place of its artifacts; raises RecurrenceError when the project has moved."""
    if location != expected:
        raise RecurrenceError(
            f".mlflow: its artifacts belong in {expected}, but the store says {location}: the project was moved; "
            "delete .mlflow/ and run `dvc repro`, which fills a new store from the result files"
        )
