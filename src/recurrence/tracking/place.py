"""Where MLflow's runs are kept: a sqlite file in `.mlflow/`, or the store that MLFLOW_TRACKING_URI
names.

Addresses only; nothing is opened here.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from recurrence import paths
from recurrence.errors import RecurrenceError

NAMED = "MLFLOW_TRACKING_URI"
SQLITE = re.compile(r"sqlite(?:\+pysqlite)?:(?:///([^?]*))?[^?]*(?:\?(.*))?", re.DOTALL)
"""Address of a sqlite store: path of the file, and options."""
EXPERIMENT = "DVC_EXP_NAME"
"""Set by dvc for the stages of an experiment."""
SERVERS = ("http:", "https:", "databricks")


@dataclass(frozen=True)
class Place:
    """A store by its address for mlflow, and the project's folder for what the address leaves
    open.
    """

    uri: str
    home: Path

    @property
    def shown(self) -> str:
        """The address for people, without the password that it may hold: of a sqlite store, the
        file.
        """
        if self.database:
            return str(self.database)
        parts = urlsplit(self.uri)
        return (
            parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
            if parts.netloc
            else self.uri
        )

    @property
    def database(self) -> Path | None:
        """The file of a sqlite store."""
        found = SQLITE.fullmatch(self.uri)
        return Path(unquote(found[1])) if found and found[1] else None

    @property
    def is_server(self) -> bool:
        return self.uri.startswith(SERVERS)

    @property
    def artifacts(self) -> Path | None:
        """Where experiments put artifacts: beside a sqlite file; None: the server decides."""
        if self.is_server:
            return None
        return (self.database.parent if self.database else self.home) / "artifacts"

    @property
    def lock(self) -> Path:
        """Held by whoever writes; beside a sqlite file, so that projects which share the file share
        it.
        """
        return Path(f"{self.database or self.home / 'server'}.lock")

    @property
    def is_named(self) -> bool:
        """Whether MLFLOW_TRACKING_URI chose it."""
        return bool(os.environ.get(NAMED, "").strip())


def home() -> Path:
    """The project's `.mlflow`. Experiments that dvc runs in folders of their own share that of the
    project.

    Raises RecurrenceError where there is no project.
    """
    project = os.environ.get("DVC_ROOT")  # of an experiment, dvc says here whose it is
    if os.environ.get(EXPERIMENT) and project:
        return Path(project) / ".mlflow"
    return paths.mlflow()


def place(folder: Path) -> Place:
    """The store in `folder`, or the one that MLFLOW_TRACKING_URI names; links are followed, so a
    store has one address.

    Raises RecurrenceError where what is named keeps nothing, or is no address.
    """
    folder = folder.resolve()
    named = os.environ.get(NAMED, "").strip()
    if SQLITE.fullmatch(named):
        return Place(_sqlite_named(named), folder)
    if named:
        _check_address(named)
        return Place(named, folder)
    return Place(sqlite_uri(folder / "mlflow.db"), folder)


def sqlite_uri(file: Path, query: str = "") -> str:
    """The address of a sqlite file, whatever its path; with links followed: what lies beside it is
    found there.

    SQLAlchemy decodes percent signs in it and ends the path at the first question mark. With the
    short name of the driver mlflow would make a folder of the name that is not decoded.
    """
    path = str(file.resolve())
    quoted = path
    for character in "%?#":  # the percent sign first
        quoted = quoted.replace(character, f"%{ord(character):02X}")
    driver = "sqlite" if quoted == path else "sqlite+pysqlite"
    return f"{driver}:///{quoted}" + (f"?{query}" if query else "")


def _sqlite_named(named: str) -> str:
    found = SQLITE.fullmatch(named)
    assert found
    path = unquote(found[1] or "")
    query = found[2] or ""
    if path.startswith("file:"):  # sqlite's own form, which decodes once more
        path = unquote(path.removeprefix("file:"))
        query = query.replace("uri=true", "")
    if not path or ":memory:" in path or "mode=memory" in query:
        raise RecurrenceError(
            f"{NAMED}: must name a file, as in sqlite:////home/me/runs.db, got {named!r}, which "
            f"is kept in memory and "
            f"gone at the end; unset {NAMED} for the store in .mlflow/"
        )
    return sqlite_uri(Path(path), query)


def _check_address(named: str) -> None:
    try:
        parts = urlsplit(named)
        is_whole = bool(parts.hostname) or not named.startswith(("http:", "https:"))
        _ = parts.port
    except ValueError:
        is_whole = False
    if not is_whole:
        raise RecurrenceError(
            f"{NAMED}: must be an address such as http://box:5000, got {named!r}; "
            f"unset {NAMED} for the store in .mlflow/"
        )
