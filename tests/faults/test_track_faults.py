"""What `track` meets in the wild: kills at any moment, six first users at once, a server that loses
its answers.
"""

import functools
import http.client
import multiprocessing
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from faults import aftermath
from faults.limits import files_at_most
from recurrence import paths
from recurrence.errors import RecurrenceError
from recurrence.stages import track
from recurrence.tracking import patience
from recurrence.tracking.place import place
from tracked_project import DECODINGS, IN_MLFLOW

pytestmark = pytest.mark.slow

WHOLE = Counter(
    {*IN_MLFLOW, *(f"{model} / {strategy}" for model in IN_MLFLOW for strategy in DECODINGS)}
)
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["recurrence.stages.track", "mlflow"])


def held(uri: str) -> tuple[Counter[str], Counter[str]]:
    """Names of the current runs and their logged models, and the states of all; superseded ones
    must be whole.
    """
    names, states, superseded = aftermath.held(uri, "toy")
    for model, *children in superseded:
        assert sorted(children) == [f"{model} / {strategy}" for strategy in DECODINGS]
    return names, states


def imported(root: Path, environment: dict[str, str]) -> None:
    """`track`, in a process of its own."""
    os.environ.update(environment, RECURRENCE_ROOT=str(root))
    os.chdir(root)
    track.main("toy")


def started(root: Path, **environment: str) -> BaseProcess:
    process = PROCESSES.Process(target=imported, args=(root, environment))
    process.start()
    return process


@pytest.mark.parametrize("kills", [4, pytest.param(16, marks=pytest.mark.nightly)])
def test_a_killed_import_leaves_neither_doubles_nor_running_runs(results: Path, kills: int) -> None:
    uri, rng = place(paths.mlflow()).uri, random.Random(0)
    started(results).join()  # the first one starts the server of processes
    takes_s, codes = duration_s(results), Counter[int | None]()
    for _ in range(kills):
        change(results)
        process = started(results)
        time.sleep(rng.uniform(0, 1.2 * takes_s))
        if process.is_alive():
            os.kill(process.pid or 0, rng.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
        process.join()
        codes[process.exitcode] += 1
        if paths.receipt("toy").exists():
            assert held(uri)[0] == WHOLE + Counter(f"model {name}" for name in IN_MLFLOW)
    assert codes.total() - codes[0] > kills // 8, codes
    track.main("toy")
    names, states = held(uri)
    assert names == WHOLE + Counter(f"model {name}" for name in IN_MLFLOW)
    assert states["RUNNING"] == 0, states


def test_a_disk_that_is_full_is_said_and_the_next_import_completes(results: Path) -> None:
    """The database cannot grow, then it can, but no artifact can be written."""
    for size in (os.stat(results / ".mlflow/mlflow.db").st_size, 100):
        with (
            files_at_most(size),
            pytest.raises(RecurrenceError, match="Not imported: toy: good, poor. The result"),
        ):
            track.main("toy")
        assert not paths.receipt("toy").exists()
    track.main("toy")
    names, states = held(place(paths.mlflow()).uri)
    assert names == WHOLE + Counter(f"model {name}" for name in IN_MLFLOW)
    assert states["RUNNING"] == 0, states


def change(root: Path) -> None:
    """Every result is another one, so that there is all to import anew."""
    for path in (root / "data/scores/toy").glob("*.json"):
        path.write_text(path.read_text(encoding="utf-8") + " ", encoding="utf-8")


def duration_s(root: Path) -> float:
    change(root)
    began = time.monotonic()
    whole = started(root)
    whole.join()
    assert whole.exitcode == 0
    return time.monotonic() - began


@pytest.mark.nightly
def test_six_first_users_of_a_store_share_it(results: Path) -> None:
    """mlflow alone would destroy the database: it makes its tables without a lock."""
    shared = results / "elsewhere/shared.db"
    roots = [results / str(index) for index in range(6)]
    for root in roots:
        root.mkdir()
        for name in ("data", "params.yaml"):
            (root / name).symlink_to(results / name)
    users = [started(root, MLFLOW_TRACKING_URI=f"sqlite:///{shared}") for root in roots]
    for user in users:
        user.join()
    assert [user.exitcode for user in users] == [0] * 6
    assert held(f"sqlite:///{shared}")[0] == WHOLE + Counter(f"model {name}" for name in IN_MLFLOW)


@pytest.mark.nightly
@pytest.mark.parametrize("trouble", ["refuses", "is silent"])
def test_a_server_that_is_not_there_costs_less_than_a_minute_and_a_half(
    results: Path, trouble: str
) -> None:
    """With the limits as they are for everyone; mlflow's own would be four minutes for each
    request, or more.
    """
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1] if trouble == 'is silent' else 9}"
        command = [sys.executable, "-m", "recurrence.stages", "track", "toy"]
        env = {**os.environ, "MLFLOW_TRACKING_URI": address}
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=90)
    assert done.returncode == 2
    assert "Not imported: toy: good, poor. The result files are safe;" in done.stderr
    assert "Traceback" not in done.stderr
    assert not paths.receipt("toy").exists()


@pytest.mark.nightly
def test_answers_that_get_lost_make_no_doubles(
    results: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The server has done what it was asked, and is asked again."""
    with mlflow_server(tmp_path) as port, losing_answers(port, every=4) as (address, lost):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0")
        monkeypatch.setattr(patience, "patient", functools.partial(patience.patient, seconds=300.0))
        track.main("toy")
        names, states = held(f"http://127.0.0.1:{port}")
    assert lost["runs/create"] and lost["runs/log-batch"] and lost["logged-models"]
    assert names == WHOLE + Counter(f"model {name}" for name in IN_MLFLOW)
    assert states["RUNNING"] == 0, states


@contextmanager
def mlflow_server(project: Path) -> Iterator[int]:
    """The port of MLflow's own server on the project's store."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", f"sqlite:///{project}/.mlflow/mlflow.db"]
    command += ["--artifacts-destination", str(project / "served")]
    env = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (project / "server.log").open("w") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait(lambda: _answers(port), 200)
        yield port
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait(for_what: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not for_what():
        assert time.monotonic() < until
        time.sleep(0.2)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@contextmanager
def losing_answers(port: int, every: int) -> Iterator[tuple[str, Counter[str]]]:
    """The address of a go-between that passes every request on but loses every fourth or so answer;
    what it lost.
    """
    lost: Counter[str] = Counter()
    asked = iter(range(1, 1_000_000))

    class GoBetween(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            connection = http.client.HTTPConnection("127.0.0.1", port)
            connection.request(
                self.command, self.path, body, dict(self.headers) | {"Host": f"127.0.0.1:{port}"}
            )
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            if next(asked) % every == 0:
                lost.update(
                    name
                    for name in ("runs/create", "runs/log-batch", "logged-models")
                    if name in self.path
                )
                self.close_connection = True
                return
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_PATCH = do_PUT = do_DELETE = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    made = ThreadingHTTPServer(("127.0.0.1", 0), GoBetween)
    made.daemon_threads = True
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{made.server_port}", lost
    finally:
        made.shutdown()
        made.server_close()
        thread.join()
