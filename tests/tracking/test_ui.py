"""The server that `make ui` becomes: light, on loopback, with addresses that answer."""

import socket
from pathlib import Path
from typing import Any

import pytest

from recurrence.errors import RecurrenceError
from recurrence.files import write_json
from recurrence.tracking import serve_ui, ui


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a store that was filled once, and nothing that could start a server."""
    monkeypatch.setenv("RECURRENCE_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(ui.os, "execve", lambda *_: None)
    write_json(tmp_path / ".mlflow/receipts/toy.json", {"experiment_id": "3"})
    (tmp_path / ".mlflow/mlflow.db").touch()
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
    assert f"http://127.0.0.1:{port} in" in shown
    assert f"toy, models: http://127.0.0.1:{port}/#/experiments/3/runs?workflowType=" in shown
    assert "viewStateShareKey=decoding" in shown


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
