"""Where MLflow's runs are kept: a sqlite file in `.mlflow/`, or the server that MLFLOW_TRACKING_URI names.

mlflow takes seconds to import, so it is imported when a store is opened and not before.
"""

import fcntl
import os
import signal
import threading
from collections.abc import Iterator
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
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",  # seconds, where mlflow's own 7 would wait four minutes
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
}
"""What is set for mlflow unless the person has set it."""


@dataclass(frozen=True)
class Place:
    """A store: its address for mlflow, and where experiments put artifacts (None: the server decides)."""

    uri: str
    artifacts: Path | None

    @property
    def shown(self) -> str:
        """The address without the password that it may hold."""
        parts = urlsplit(self.uri)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl() if parts.netloc else self.uri


def database(home: Path) -> Path:
    """The sqlite file that is ours."""
    return home.absolute() / "mlflow.db"


def default_uri(home: Path) -> str:
    return f"sqlite:///{database(home)}"


def place(home: Path) -> Place:
    """The store in the folder `home`, or the one that MLFLOW_TRACKING_URI names."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or default_uri(home)
    served = uri.startswith(("http:", "https:", "databricks"))
    return Place(uri, None if served else home.absolute() / "artifacts")


def client(at: Place, home: Path) -> Any:
    """A client of the store (mlflow.MlflowClient); our own sqlite file is made where there is none yet.

    The lock must be held: mlflow destroys a fresh database that two processes open at once.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    if at.uri == default_uri(home) and not database(home).exists():
        say("MLflow: making a new store, a quarter of a minute")
        with atomic_path(database(home)) as scratch:  # an interrupted creation leaves nothing behind
            MlflowClient(tracking_uri=f"sqlite:///{scratch}").search_experiments(max_results=1)
    return MlflowClient(tracking_uri=at.uri)


def failures() -> tuple[type[Exception], ...]:
    """What mlflow raises when a store is unreachable, broken or full."""
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    return MlflowException, SQLAlchemyError, OSError


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Hold the folder alone; a second import waits for the first."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"MLflow: another import holds {home / 'lock'}; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def terminable() -> Iterator[None]:
    """Within, SIGTERM raises SystemExit, so that what was begun is cleared away, as after Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def check_moved(location: str, expected: str) -> None:
    """An experiment keeps the absolute place of its artifacts; raises RecurrenceError when the project has moved."""
    if location != expected:
        raise RecurrenceError(
            f".mlflow: its artifacts belong in {expected}, but the store says {location}: the project was moved; "
            "delete .mlflow/ and run `dvc repro`, which fills a new store from the result files"
        )
