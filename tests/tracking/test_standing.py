"""A receipt counts only while the store bears it out: nothing deleted, moved, copied or damaged
goes unseen.
"""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from recurrence import paths
from recurrence.errors import RecurrenceError
from recurrence.stages import check_store, track
from recurrence.tracking import receipts
from recurrence.tracking.place import home, place
from tracked_project import client, contents_of, experiment, forget_stores, ids, runs

ODD = ["a%41b's", '"q#h?x" ünï 日本', "a%b;c&d $x {y} [z]"]


def files(root: Path) -> dict[str, bytes]:
    """Artifacts by path within the folder of artifacts."""
    folder = root / ".mlflow/artifacts"
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def is_tracked() -> bool:
    """Whether dvc would find the receipt after its look at the store."""
    check_store.main("toy")
    return paths.receipt("toy").exists()


# ---------------------------------------------------------------- deleted and damaged


def test_a_store_that_is_whole_bears_its_receipt_out_and_nothing_changes(imported: Path) -> None:
    before = paths.receipt("toy").read_bytes()
    assert is_tracked()
    text = paths.checked("toy").read_bytes()
    assert is_tracked()
    assert paths.checked("toy").read_bytes() == text
    assert paths.receipt("toy").read_bytes() == before


def no_database(root: Path) -> None:
    (root / ".mlflow/mlflow.db").unlink()


def no_tables(root: Path) -> None:
    (root / ".mlflow/mlflow.db").write_bytes(b"")


def no_artifacts(root: Path) -> None:
    shutil.rmtree(root / ".mlflow/artifacts")


def one_artifact_less(root: Path) -> None:
    next((root / ".mlflow/artifacts").rglob("samples.jsonl")).unlink()


def an_empty_artifact(root: Path) -> None:
    next((root / ".mlflow/artifacts").rglob("rates.json")).write_bytes(b"")


def a_deleted_run(root: Path) -> None:
    client(root).delete_run(ids(root)["poor / greedy"])


def a_deleted_experiment(root: Path) -> None:
    client(root).delete_experiment(experiment(root))


def no_store(root: Path) -> None:
    shutil.rmtree(root / ".mlflow")


HARM = [
    no_database,
    no_tables,
    no_artifacts,
    one_artifact_less,
    an_empty_artifact,
    a_deleted_run,
    a_deleted_experiment,
    no_store,
]


@pytest.mark.parametrize("harm", HARM, ids=lambda harm: harm.__name__)
def test_what_was_deleted_is_seen_and_tracked_again(
    tracked: Path, harm: Callable[[Path], None], fresh_store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents_of(tracked)
    harm(tracked)
    assert not is_tracked()
    forget_stores()
    if not (tracked / ".mlflow/mlflow.db").exists() or harm is no_tables:
        (tracked / ".mlflow").mkdir(exist_ok=True)
        shutil.copy(fresh_store, tracked / ".mlflow/mlflow.db")  # to make one takes seconds
    track.main("toy")
    assert is_tracked()
    assert contents_of(tracked) == before
    assert len(runs(tracked)) == 6


def test_artifacts_that_are_gone_come_back_into_the_same_runs(tracked: Path) -> None:
    before = ids(tracked)
    held = files(tracked)
    shutil.rmtree(tracked / ".mlflow/artifacts")
    track.main("toy")
    assert files(tracked) == held
    assert ids(tracked) == before


def test_an_import_at_work_is_not_disturbed(imported: Path) -> None:
    from recurrence.tracking import store

    with store.locked(place(home())):
        (imported / ".mlflow/mlflow.db").rename(imported / "aside")
        assert is_tracked()
        (imported / "aside").rename(imported / ".mlflow/mlflow.db")


def test_a_receipt_of_another_store_does_not_count(
    tracked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tracked}/another.db")
    assert not is_tracked()


def test_a_receipt_is_the_same_wherever_and_whenever_it_is_written(
    imported: Path, tracked: Path
) -> None:
    """dvc.lock has its digest, and must be the same on every machine."""
    assert (tracked / ".mlflow/receipts/toy.json").read_bytes() == (
        imported / ".mlflow/receipts/toy.json"
    ).read_bytes()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"models": 3}', '{"models": {"good": {}}}'])
def test_a_receipt_that_is_none_does_not_count(tracked: Path, text: str) -> None:
    paths.receipt("toy").write_text(text, encoding="utf-8")
    assert not is_tracked()


# ---------------------------------------------------------------- moved, copied, linked


def moved_to(target: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root.rename(target)
    forget_stores()
    monkeypatch.setenv("RECURRENCE_ROOT", str(target))
    return target


def locations(root: Path) -> set[str]:
    with closing(sqlite3.connect(root / ".mlflow/mlflow.db")) as database:
        columns = ("artifact_location FROM experiments", "artifact_uri FROM runs")
        columns += ("artifact_location FROM logged_models",)
        return {row[0] for each in columns for row in database.execute(f"SELECT {each}")}


@pytest.mark.parametrize("name", ["moved", "a%41 b's?#ü"])
def test_a_moved_project_keeps_its_runs_and_their_artifacts(
    tracked: Path, monkeypatch: pytest.MonkeyPatch, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = ids(tracked)
    held = files(tracked)
    root = moved_to(tracked.parent / f"{tracked.name} {name}", tracked, monkeypatch)
    assert not is_tracked()
    track.main("toy")
    assert f"came from {tracked}/.mlflow/artifacts" in capsys.readouterr().err
    assert is_tracked()
    assert ids(root) == before
    assert files(root) == held
    own = (root / ".mlflow/artifacts").as_uri()
    assert {each.startswith(f"{own}/") for each in locations(root)} == {True}
    assert client(root).list_artifacts(before["good"])


def test_a_copy_neither_reads_nor_writes_the_artifacts_of_the_original(
    tracked: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    copy = tmp_path_factory.mktemp("copy") / "project"
    shutil.copytree(tracked, copy)
    forget_stores()
    database = (tracked / ".mlflow/mlflow.db").read_bytes()
    held = files(tracked)
    monkeypatch.setenv("RECURRENCE_ROOT", str(copy))
    assert not is_tracked()
    assert receipts.complaints()[0].startswith(f"{copy}/.mlflow/mlflow.db: moved or copied")
    shutil.rmtree(copy / ".mlflow/artifacts")
    track.main("toy")
    assert files(copy) == held
    assert files(tracked) == held
    assert (tracked / ".mlflow/mlflow.db").read_bytes() == database
    monkeypatch.setenv("RECURRENCE_ROOT", str(tracked))
    assert is_tracked()


def test_a_store_under_a_link_is_one_store(
    results: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    disk = tmp_path_factory.mktemp("disk") / "mlflow"
    (results / ".mlflow").rename(disk)
    (results / ".mlflow").symlink_to(disk)
    track.main("toy")
    assert is_tracked()
    assert (disk / "artifacts").as_uri() in str(locations(results))
    disk.rename(disk.with_name("elsewhere"))
    assert not (results / ".mlflow/receipts/toy.json").exists()


def test_artifacts_under_a_link_are_refused(results: Path) -> None:
    (results / "artifacts").mkdir()
    (results / ".mlflow/artifacts").symlink_to(results / "artifacts")
    with pytest.raises(RecurrenceError, match=r"must be a folder, got a link.*link the whole of"):
        track.main("toy")


# ---------------------------------------------------------------- odd places


@pytest.mark.parametrize("name", ODD)
def test_a_project_may_lie_anywhere(
    results: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    root = moved_to(results.parent / f"{results.name}-{name}", results, monkeypatch)
    around = set(results.parent.iterdir())
    track.main("toy")
    assert is_tracked()
    assert len(runs(root)) == 6
    assert files(root)
    with closing(sqlite3.connect(root / ".mlflow/mlflow.db")) as database:
        assert database.execute("SELECT count(*) FROM runs").fetchone() == (6,)
    assert set(results.parent.iterdir()) == around


@pytest.mark.parametrize(
    "uri",
    [
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///file::memory:?uri=true",
        "sqlite:///file:x?mode=memory&uri=true",
        "sqlite:",
    ],
)
def test_a_store_in_memory_is_refused(
    results: Path, monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(RecurrenceError, match=r"must name a file.*gone at the end; unset MLFLOW"):
        track.main("toy")
    assert not is_tracked()


@pytest.mark.parametrize("uri", ["http://", "http://[::1", "https://:80", "http://box:port"])
def test_what_is_no_address_is_refused(
    results: Path, monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(RecurrenceError, match="must be an address such as http://box:5000"):
        track.main("toy")


def test_a_database_that_cannot_be_used_names_file_and_remedy(results: Path) -> None:
    file = results / ".mlflow/mlflow.db"
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 'of the future'")
    with pytest.raises(RecurrenceError, match=r"mlflow does not take it.*move it aside: mv "):
        track.main("toy")
    file.unlink()
    file.mkdir()
    with pytest.raises(RecurrenceError, match=r"must be MLflow's database, a file; move it aside"):
        track.main("toy")


def test_a_database_that_another_program_keeps_is_not_waited_for_long(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from recurrence.tracking import store

    monkeypatch.setattr(store, "BUSY_S", 0.1)
    with closing(sqlite3.connect(results / ".mlflow/mlflow.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(RecurrenceError, match="another program has kept it to itself"):
            track.main("toy")
