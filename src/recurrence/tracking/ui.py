"""Shows MLflow in a browser, on this machine only and with little memory."""

import os
import socket
import sys
from pathlib import Path

from recurrence import paths
from recurrence.console import say
from recurrence.errors import RecurrenceError
from recurrence.files import read_json
from recurrence.tracking import notes, store

HOST = "127.0.0.1"


def serve_ui(port: int = 5000) -> None:
    """Become MLflow's server on the loopback address until Ctrl-C; does not return where it starts one.

    Raises RecurrenceError when the port is taken. With MLFLOW_TRACKING_URI on a server, only says where that is.
    """
    home = paths.mlflow()
    at = store.place(home)
    if at.artifacts is None:
        return say(f"MLflow: served at {at.shown} (MLFLOW_TRACKING_URI)")
    _check_free(port)
    if at.database and not at.database.exists():
        with store.locked(at):
            store.client(at)
    say(f"MLflow: http://{HOST}:{port} in about ten seconds; Ctrl-C stops it")
    for line in _views(home, port):
        say(line)
    command = ["-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        at.uri,
        "--no-serve-artifacts",
        "--default-artifact-root",
        at.artifacts.as_uri(),
    ]
    light = {
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"
    }  # 2 processes and 0.5 GB instead of 10 and 2 GB
    os.execve(
        sys.executable, [sys.executable, *command], store.ENVIRONMENT | dict(os.environ) | light
    )


def _check_free(port: int) -> None:
    try:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
    except (OSError, OverflowError) as error:
        raise RecurrenceError(
            f"port {port} on {HOST}: {error}; choose another: make ui PORT={port + 1}"
        ) from error


def _views(home: Path, port: int) -> list[str]:
    """The addresses that answer "which model" and "which decoding", for each corpus imported here."""
    lines = []
    for receipt in sorted((home / "receipts").glob("*.json")):
        experiment = read_json(receipt)["experiment_id"]
        for name in notes.VIEWS:
            lines.append(
                f"  {receipt.stem}, {name}: http://{HOST}:{port}/{notes.view_link(experiment, name)}"
            )
    return lines
