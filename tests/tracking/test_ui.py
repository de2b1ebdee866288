"""The server that `make ui` becomes: light, on loopback, with addresses that answer."""

import socket
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from recurrence.errors import RecurrenceError
from recurrence.tracking import ui
from recurrence.tracking.ui import serve_ui

STORE = """
    CREATE TABLE experiments (experiment_id, name, artifact_location, lifecycle_stage);
    CREATE TABLE experiment_tags (experiment_id, key, value);
    CREATE TABLE runs (run_uuid, experiment_id, artifact_uri);
    CREATE TABLE tags (run_uuid, key, value);
    CREATE TABLE logged_models (model_id, artifact_location);
    CREATE TABLE model_versions (name, version, source, storage_location);
    INSERT INTO experiments VALUES (3, 'toy', 'file:///gone/.mlflow/artifacts/toy', 'active');
    INSERT INTO experiment_tags VALUES (3, 'recurrence.corpus', 'toy');
"""
"""As much of MLflow's tables as is read without it."""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a store that was filled once, and nothing that could start a server."""
    monkeypatch.setenv("RECURRENCE_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(ui.os, "execve", lambda *_: None)
    (tmp_path / ".mlflow").mkdir()
    with closing(sqlite3.connect(tmp_path / ".mlflow/mlflow.db")) as database, database:
        database.executescript(STORE)
    return tmp_path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_server_is_light_and_on_loopback(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Any] = []
    monkeypatch.setattr(ui.os, "execve", lambda *arguments: started.append(arguments))
    port = free_port()
    serve_ui(port)
    _, command, environment = started[0]
    assert command[1:10] == [
        "-m",
        "mlflow",
        "server",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",
    ]
    assert f"sqlite:///{project}/.mlflow/mlflow.db" in command
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"


def test_the_addresses_of_the_views_are_printed(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    port = free_port()
    serve_ui(port)
    shown = capsys.readouterr().err
    assert f"http://127.0.0.1:{port}/#/experiments?workflowType=machine_learning in" in shown
    assert f"toy, models: http://127.0.0.1:{port}/#/experiments/3/runs?workflowType=" in shown
    assert "viewStateShareKey=decoding" in shown


def test_a_store_that_came_from_elsewhere_points_to_its_own_artifacts(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    serve_ui(free_port())
    assert "the store came from /gone/.mlflow/artifacts;" in capsys.readouterr().err
    with closing(sqlite3.connect(project / ".mlflow/mlflow.db")) as database:
        found = database.execute("SELECT artifact_location FROM experiments").fetchall()
    assert found == [((project / ".mlflow/artifacts/toy").as_uri(),)]


def test_a_damaged_store_is_not_served(project: Path) -> None:
    (project / ".mlflow/mlflow.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(RecurrenceError, match=r"mlflow\.db: damaged .* move it aside: mv "):
        serve_ui(free_port())


def test_a_taken_port_is_named_with_the_remedy(project: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(
            RecurrenceError, match=rf"port {port} .*in use; choose another: make ui PORT={port + 1}"
        ):
            serve_ui(port)


def test_a_port_beyond_the_last_is_refused(project: Path) -> None:
    with pytest.raises(RecurrenceError, match="port 70000"):
        serve_ui(70_000)


def test_where_a_server_is_named_none_is_started(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://box:5000")
    monkeypatch.setattr(ui.os, "execve", lambda *_: pytest.fail("started a server"))
    serve_ui(free_port())
    assert "http://box:5000" in capsys.readouterr().err
