"""Opens a store for mlflow, one writer at a time, and says in one line with a remedy what is wrong
with it.

mlflow takes seconds to import, so it is imported when a store is opened and not before.
"""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from shlex import quote
from textwrap import shorten
from typing import Any

from recurrence.console import say
from recurrence.errors import RecurrenceError
from recurrence.files import atomic_path
from recurrence.tracking.patience import Stalled
from recurrence.tracking.place import NAMED, Place, sqlite_uri

ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    # with these a server that is down costs seconds, not four minutes
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER": "false",  # it may name an hour
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
"""What is set for mlflow unless the person has set it."""
BUSY_S = 10.0
"""How long another program may keep a sqlite file to itself."""
DAMAGE = ("malformed", "not a database", "no such table", "no such column", "schema", "revision")
"""Words of messages about a database that will not do, whatever one tries again."""


def client(at: Place) -> Any:
    """A client of the store (mlflow.MlflowClient); a sqlite file is made where there is none yet.

    The lock must be held: mlflow destroys a fresh database that two processes open at once. Raises
    RecurrenceError where the file is damaged, cannot be written, or is of another version of
    mlflow.
    """
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if at.database and at.database.exists():
        examine(at)
    from mlflow import MlflowClient

    if at.database is None:
        return MlflowClient(tracking_uri=at.uri)
    if not at.database.exists():
        say("MLflow: making a new store, a quarter of a minute")
        with atomic_path(at.database) as scratch:  # an interrupted creation leaves nothing behind
            MlflowClient(tracking_uri=sqlite_uri(scratch)).search_experiments(max_results=1)
            _place_default_experiment(scratch, at)
    try:
        made = MlflowClient(tracking_uri=at.uri)
        made.search_experiments(max_results=1)
    except (
        Exception
    ) as error:  # the file comes from outside: alembic, SQLAlchemy, mlflow may refuse it
        raise RecurrenceError(
            f"{at.database}: mlflow does not take it ({_reason(at, error)}): damaged, or of "
            f"another version of "
            f"mlflow; {aside(at)}"
        ) from error
    return made


def _place_default_experiment(database: Path, at: Place) -> None:
    """mlflow has its first experiment keep artifacts in the folder that a program happens to stand
    in.
    """
    assert at.artifacts
    with closing(sqlite3.connect(database)) as connection, connection:
        where = f"{at.artifacts.as_uri()}/0"
        connection.execute("UPDATE experiments SET artifact_location = ?", (where,))


def examine(at: Place) -> None:
    """Raises RecurrenceError, with place and remedy, where the sqlite file cannot be used.

    mlflow would go on trying for a hundred seconds.
    """
    file = at.database
    assert file
    if not file.is_file():
        raise RecurrenceError(f"{file}: must be MLflow's database, a file; {aside(at)}")
    if at.artifacts and at.artifacts.is_symlink():
        raise RecurrenceError(
            f"{at.artifacts}: must be a folder, got a link: a copy of this folder would write "
            f"into the same "
            "artifacts; link the whole of .mlflow instead, or put the folder itself there"
        )
    try:
        with closing(sqlite3.connect(file, timeout=BUSY_S)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
            connection.rollback()
    except sqlite3.Error as error:
        raise RecurrenceError(_cannot(at, str(error))) from error
    if found != "ok":
        raise RecurrenceError(f"{file}: damaged ({shorten(found, 100)}); {aside(at)}")


def _cannot(at: Place, reason: str) -> str:
    if "locked" in reason:
        return (
            f"{at.database}: another program has kept it to itself for {BUSY_S:g} seconds; "
            "end it, then run the same command again"
        )
    if any(word in reason for word in DAMAGE):
        return f"{at.database}: damaged ({reason}); {aside(at)}"
    return f"{at.database}: {reason}; check that file and folder may be read and written"


def aside(at: Place) -> str:
    """What to do about a database that is beyond use: nothing is deleted."""
    file = str(at.database)
    return (
        f"move it aside: mv {quote(file)} {quote(file + '.damaged')}, then run `dvc repro`, which "
        f"fills a new store "
        "from the result files (runs of the past are in the old one alone)"
    )


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
            "pip install 'recurrence-lab[lab]', then run the same command again"
        ) from error
    return MlflowException, SQLAlchemyError, OSError, Stalled


@contextmanager
def explained(at: Place, missing: Callable[[], str], again: str) -> Iterator[None]:
    """Within, what goes wrong with the store raises RecurrenceError: where, why, what is `missing`,
    what to do.
    """
    known: tuple[type[Exception], ...] = failures()
    if (
        at.database is None
    ):  # an answer may be anything, and mlflow's client meets it with any error
        known = (Exception,)
    try:
        yield
    except RecurrenceError as error:
        raise RecurrenceError(f"MLflow: {error}. {missing()}") from error
    except known as error:
        reason = _reason(at, error)
        if isinstance(error, ModuleNotFoundError):  # the driver of a database
            reason = f"needs a package that is not installed: pip install {error.name}"
        elif not isinstance(error, failures()):
            reason = f"it does not answer as MLflow does ({type(error).__name__}: {reason})"
        remedy = f"mend the store{f' or unset {NAMED}' if at.is_named else ''}, then run {again}"
        if at.database and any(word in reason for word in DAMAGE):
            remedy = aside(at)
        raise RecurrenceError(
            f"MLflow at {at.shown}: {reason}. {missing()} The result files are safe; {remedy}"
        ) from error


def _reason(at: Place, error: Exception) -> str:
    text = str(error).replace(at.uri, at.shown).partition("\n[SQL")[0]
    return shorten(text, 250) or type(error).__name__


@contextmanager
def locked(at: Place) -> Iterator[None]:
    """Hold the store alone; a second writer waits for the first. The system frees the lock of a
    process that dies.
    """
    with _lock_file(at) as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"MLflow: another import holds {at.lock}; waiting for it")
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def if_free(at: Place) -> Iterator[bool]:
    """Hold the store alone if nobody does; yields whether that is so."""
    with _lock_file(at) as handle:
        is_free = False
        with suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_free = True
        yield is_free


@contextmanager
def _lock_file(at: Place) -> Iterator[Any]:
    try:
        at.lock.parent.mkdir(parents=True, exist_ok=True)
        handle = at.lock.open("w")
    except OSError as error:
        raise RecurrenceError(
            f"{at.lock}: {error.strerror}; it must be possible to make files there"
        ) from error
    with handle:
        yield handle
