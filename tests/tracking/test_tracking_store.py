"""Where the store is, who may use it, and that a stop is orderly."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from recurrence.tracking import store


def test_the_default_store_is_absolute_wherever_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    at = store.place(Path(".mlflow"))
    assert at.uri == f"sqlite:///{tmp_path}/.mlflow/mlflow.db"
    assert at.artifacts == tmp_path / ".mlflow/artifacts"


def test_a_server_decides_on_artifacts_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@box:5000/mlflow")
    at = store.place(tmp_path)
    assert at.artifacts is None
    assert at.shown == "https://box:5000/mlflow"


def test_a_second_import_waits_for_the_first(tmp_path: Path) -> None:
    order = []

    def second() -> None:
        with store.locked(tmp_path):
            order.append("second")

    with store.locked(tmp_path):
        other = threading.Thread(target=second)
        other.start()
        other.join(0.2)
        order.append("first")
    other.join()
    assert order == ["first", "second"]


def test_terminate_unwinds_like_an_exit_and_only_within() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as caught, store.terminable():
        os.kill(os.getpid(), signal.SIGTERM)
    assert caught.value.code == 143
    assert signal.getsignal(signal.SIGTERM) == before


def test_an_interrupted_creation_leaves_no_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A half-migrated one would refuse every later start."""
    import mlflow

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    class Interrupted:
        def __init__(self, tracking_uri: str) -> None:
            Path(tracking_uri.removeprefix("sqlite:///")).write_text("half")
            raise KeyboardInterrupt

    monkeypatch.setattr(mlflow, "MlflowClient", Interrupted)
    with pytest.raises(KeyboardInterrupt):
        store.client(store.place(tmp_path), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_mlflow_is_not_loaded_before_it_is_needed() -> None:
    code = "import sys, recurrence.stages.track; print('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
