"""Shows MLflow in a browser, on this machine only and with little memory."""

import os
import sys

from recurrence.console import say
from recurrence.ports import HOST, check_free
from recurrence.tracking import notes, standing, store
from recurrence.tracking.place import NAMED, Place, home, place

LIGHT = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
"""2 processes and 0.5 GB instead of 10 and 2 GB."""


def serve_ui(port: int = 5000) -> None:
    """Become MLflow's server on the loopback address until Ctrl-C; does not return where it starts
    one.

    Raises RecurrenceError when the port is taken or the store is damaged. With MLFLOW_TRACKING_URI
    on a server, only says where that is.
    """
    at = place(home())
    if at.artifacts is None:
        return say(f"MLflow: served at {at.shown} ({NAMED})")
    check_free(port, f"make ui PORT={port + 1}")
    _make_ready(at)
    start = f"http://{HOST}:{port}/#/experiments?workflowType=machine_learning"
    say(f"MLflow: {start} in about ten seconds; Ctrl-C stops it")
    for line in _views(at, port):
        say(line)
    command = ["-m", "mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", at.uri, "--no-serve-artifacts"]
    command += ["--default-artifact-root", at.artifacts.as_uri()]
    os.execve(
        sys.executable, [sys.executable, *command], store.ENVIRONMENT | dict(os.environ) | LIGHT
    )


def _make_ready(at: Place) -> None:
    """A sqlite store that is there, whole, and points to its own artifacts."""
    if not at.database:
        return
    with store.locked(at):
        if not at.database.exists():
            store.failures()  # says it if mlflow is missing
            store.client(at)
            return
        store.examine(at)
        if said := standing.settle_in(at):
            say(said)


def _views(at: Place, port: int) -> list[str]:
    """The addresses that answer "which model" and "which decoding", and show what was, for each
    corpus imported.
    """
    return [
        f"  {corpus}, {name}: http://{HOST}:{port}/{notes.view_link(experiment, name)}"
        for corpus, experiment in standing.experiments(at).items()
        for name in notes.VIEWS
    ]
