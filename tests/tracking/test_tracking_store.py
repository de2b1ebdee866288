"""Where the store is, who may use it, and that a stop is orderly."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from recurrence.errors import RecurrenceError
from recurrence.tracking import store
from recurrence.tracking.patience import Stalled, patient, stoppable
from recurrence.tracking.place import Place, place


def test_the_default_store_is_absolute_wherever_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    at = place(Path(".mlflow"))
    assert at.uri == f"sqlite:///{tmp_path}/.mlflow/mlflow.db"
    assert at.artifacts == tmp_path / ".mlflow/artifacts"


def test_a_server_decides_on_artifacts_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@box:5000/mlflow")
    at = place(tmp_path)
    assert at.artifacts is None
    assert at.shown == "https://box:5000/mlflow"


def test_an_sqlite_file_elsewhere_has_its_artifacts_and_its_lock_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So projects that share the file neither destroy it nor disagree on where artifacts are."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/shared.db?timeout=5")
    at = place(tmp_path / "project/.mlflow")
    assert at.database == tmp_path / "shared.db"
    assert at.artifacts == tmp_path / "artifacts"
    assert at.lock == tmp_path / "shared.db.lock"


def test_another_database_has_artifacts_in_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://me:secret@box/runs")
    at = place(tmp_path)
    assert at.database is None
    assert at.artifacts == tmp_path / "artifacts"
    assert at.shown == "postgresql://box/runs"


def test_a_database_whose_driver_is_missing_is_named_without_its_password(tmp_path: Path) -> None:
    at = Place("postgresql://me:secret@box/runs", tmp_path)
    with (
        pytest.raises(RecurrenceError, match="box/runs: needs .* pip install psycopg") as told,
        store.explained(at, lambda: "Not imported: toy.", "again"),
    ):
        raise ModuleNotFoundError("No module named 'psycopg'", name="psycopg")
    assert "secret" not in str(told.value)


def test_a_second_import_waits_for_the_first(tmp_path: Path) -> None:
    order = []

    def second() -> None:
        with store.locked(place(tmp_path)):
            order.append("second")

    with store.locked(place(tmp_path)):
        other = threading.Thread(target=second)
        other.start()
        other.join(0.2)
        order.append("first")
    other.join()
    assert order == ["first", "second"]


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGTERM, SystemExit), (signal.SIGINT, KeyboardInterrupt)]
)
def test_a_stop_unwinds_like_an_exit_and_only_within(
    number: signal.Signals, error: type[BaseException]
) -> None:
    before = signal.getsignal(number)
    with pytest.raises(error) as caught, stoppable():
        os.kill(os.getpid(), number)
    if isinstance(caught.value, SystemExit):
        assert caught.value.code == 143
    assert signal.getsignal(number) == before


def test_a_stop_that_was_ignored_is_heeded_later() -> None:
    """As in a destructor, where Python prints the exception and goes on."""
    with pytest.raises(SystemExit), stoppable() as heed, patient(heed=heed) as go_on:
        go_on()
        with suppress(SystemExit):
            os.kill(os.getpid(), signal.SIGTERM)
        go_on()
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_wait_without_progress_ends_and_progress_prolongs_it() -> None:
    with (
        pytest.raises(Stalled, match="nothing came to be in 0.2 seconds"),
        patient(0.2) as go_on,
    ):
        for _ in range(4):
            time.sleep(0.1)
            go_on()
        time.sleep(5)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_swallowed_end_of_patience_comes_again() -> None:
    with pytest.raises(Stalled), patient(0.1):
        with suppress(Exception):
            time.sleep(5)
        time.sleep(5)


def test_an_interrupted_creation_leaves_no_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A half-migrated one would refuse every later start."""
    import mlflow

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    class Interrupted:
        def __init__(self, tracking_uri: str) -> None:
            Path(tracking_uri.removeprefix("sqlite:///")).write_text("half")
            raise KeyboardInterrupt

    monkeypatch.setattr(mlflow, "MlflowClient", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.client(place(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_mlflow_is_not_loaded_before_it_is_needed() -> None:
    code = "import sys, recurrence.stages.track; print('mlflow' in sys.modules)"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        == "False\n"
    )
