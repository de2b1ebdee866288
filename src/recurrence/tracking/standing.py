"""Whether MLflow still holds what a receipt says, and whether the store lies where it says: asked
of the sqlite file itself, in a hundredth of a second, without mlflow.

A store says where it lies: each experiment keeps the absolute address of its artifacts. In a folder
that was moved or copied these point to the old one, and are rewritten before anything is read or
written there.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from recurrence.errors import RecurrenceError
from recurrence.tracking.place import Place
from recurrence.tracking.store import BUSY_S, aside
from recurrence.tracking.tags import COMPLETE, CORPUS, FILES, FINGERPRINT, MODEL, PARENT, STRATEGY

_TAGS = (COMPLETE, MODEL, STRATEGY, PARENT, FILES)
_LOCATED = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""Where addresses of artifacts stand: table and column."""


@dataclass(frozen=True)
class Held:
    """A finished run that is there."""

    run_id: str
    artifacts: str
    """Address of its folder."""
    tags: Mapping[str, str]


def gap(at: Place, corpus: str, wanted: Mapping[str, Mapping[str, Any]]) -> str:
    """What the sqlite store lacks of the models of a receipt, in a few words; empty where it has
    all.

    `wanted`: of each model its `fingerprint` and `decodings`.
    """
    assert at.database
    if not at.database.is_file():
        return f"{at.database} is gone"
    if is_moved(at):
        return f"{at.database} was moved or copied"
    try:
        held = runs(at, corpus)
    except sqlite3.Error as error:
        return f"{at.database}: {error}"
    for model, of_model in wanted.items():
        found = whole(held, of_model["fingerprint"], of_model["decodings"])
        if not found:
            return f"{at.database} has no whole run of {model}"
        if lost := next((lost for run in found for lost in lost_files(run)), None):
            return f"{lost} is gone or changed"
    return ""


def whole(held: list[Held], fingerprint: str, decodings: Any) -> list[Held]:
    """The run with that fingerprint and its children, if they are all there; else nothing."""
    for parent in held:
        if parent.tags.get(COMPLETE) != fingerprint:
            continue
        children = [run for run in held if run.tags.get(PARENT) == parent.run_id]
        if sorted(run.tags.get(STRATEGY, "") for run in children) == sorted(decodings):
            return [parent, *children]
    return []


def lost_files(run: Held) -> Iterator[Path]:
    """Artifacts that are not there in the size in which they were logged."""
    folder = local_path(run.artifacts)
    for name, size in json.loads(run.tags.get(FILES, "{}")).items():
        try:
            there = (folder / name).stat().st_size
        except OSError:
            there = -1
        if there != size:
            yield folder / name


def runs(at: Place, corpus: str) -> list[Held]:
    """Our finished runs in the experiment of a corpus, deleted ones left out. Raises
    sqlite3.Error.
    """
    marks = ", ".join("?" * len(_TAGS))
    query = f"""
        SELECT runs.run_uuid, runs.artifact_uri, tags.key, tags.value
        FROM experiments JOIN runs USING (experiment_id) JOIN tags USING (run_uuid)
        WHERE experiments.name = ? AND experiments.lifecycle_stage = 'active'
          AND runs.lifecycle_stage = 'active' AND runs.status = 'FINISHED' AND tags.key IN ({marks})
    """  # noqa: S608 (question marks alone)
    found: dict[str, tuple[str, dict[str, str]]] = {}
    with _reading(at) as connection:
        for run_id, artifacts, key, value in connection.execute(query, (corpus, *_TAGS)):
            found.setdefault(run_id, (artifacts, {}))[1][key] = value
    return [Held(run_id, artifacts, tags) for run_id, (artifacts, tags) in found.items()]


def runs_of(client: Any, experiment: str) -> list[Held]:
    """The same from any store, through mlflow's client."""
    query = f"tags.`{FINGERPRINT}` LIKE '%' AND attributes.status = 'FINISHED'"
    found: list[Held] = []
    page = None
    while page is None or page.token:
        token = page.token if page else None
        page = client.search_runs([experiment], query, max_results=1000, page_token=token)
        found += [Held(run.info.run_id, run.info.artifact_uri, run.data.tags) for run in page]
    return found


def experiments(at: Place) -> dict[str, str]:
    """Our experiments, corpus -> id; none where the store is no sqlite file or cannot be read."""
    if not at.database or not at.database.is_file():
        return {}
    try:
        with _reading(at) as connection:
            rows = connection.execute(
                "SELECT experiments.name, experiment_id FROM experiments JOIN experiment_tags "
                "USING (experiment_id) WHERE experiment_tags.key = ? AND lifecycle_stage = "
                "'active' "
                "ORDER BY experiments.name",
                (CORPUS,),
            )
            return {name: str(number) for name, number in rows}
    except sqlite3.Error:
        return {}


# ---------------------------------------------------------------- a folder that was moved or copied


def is_moved(at: Place) -> bool:
    """Whether a sqlite store says that our artifacts lie elsewhere than beside it."""
    return bool(_former_roots(at))


def settle_in(at: Place) -> str:
    """Have a store that was moved or copied point to the artifacts beside it; says in a line from
    where they came.

    Empty where nothing was to be done. In one transaction; the lock must be held.
    """
    roots = _former_roots(at)
    if not roots:
        return ""
    assert at.database and at.artifacts
    here = at.artifacts.as_uri()
    try:
        with closing(sqlite3.connect(at.database, timeout=BUSY_S)) as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            for root in roots:
                for table, column in _LOCATED:
                    connection.execute(
                        f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608 (names above)
                        f"WHERE substr({column}, 1, ?) = ?",
                        (here, len(root) + 1, len(root) + 1, f"{root}/"),
                    )
            connection.execute(
                "UPDATE experiments SET artifact_location = ? WHERE experiment_id = 0",
                (f"{here}/0",),
            )
    except sqlite3.Error as error:
        raise RecurrenceError(f"{at.database}: {error}; {aside(at)}") from error
    former = ", ".join(str(local_path(root)) for root in sorted(roots))
    return f"MLflow: the store came from {former}; its artifacts are now those in {at.artifacts}"


def _former_roots(at: Place) -> set[str]:
    """Addresses of the folders, other than the one beside the file, in which it says that our
    artifacts lie.
    """
    if not at.database or not at.artifacts or not at.database.is_file():
        return set()
    query = """
        SELECT DISTINCT name, artifact_location FROM experiments
        WHERE experiment_id IN (SELECT experiment_id FROM experiment_tags WHERE key = ?)
           OR experiment_id IN
              (SELECT experiment_id FROM runs JOIN tags USING (run_uuid) WHERE key = ?)
    """
    try:
        with _reading(at) as connection:
            found = connection.execute(query, (CORPUS, FINGERPRINT)).fetchall()
    except sqlite3.Error:
        return set()  # whoever opens it for mlflow says what is wrong
    roots = set()
    for name, location in found:
        root = location.removesuffix(f"/{quote(name)}")
        if location.startswith("file:") and root.endswith("/artifacts"):
            roots.add(root)
    return roots - {at.artifacts.as_uri()}


@contextmanager
def _reading(at: Place) -> Iterator[sqlite3.Connection]:
    assert at.database
    address = f"{at.database.as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True, timeout=BUSY_S)) as connection:
        yield connection


def local_path(address: str) -> Path:
    """The path of a file: address."""
    return Path(unquote(urlsplit(address).path))
