"""A server that is down, broken, silent or slow costs `track` seconds, and the next run completes
what it could not.
"""

import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from pathlib import Path

import pytest

from recurrence import paths
from recurrence.errors import RecurrenceError
from recurrence.stages import check_store, track
from recurrence.tracking import patience

Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def server(answer: Answer) -> Iterator[str]:
    """The address of a server on this machine that answers everything in that way."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        do_POST = do_GET

        def log_message(self, *_: object) -> None:
            pass

    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.daemon_threads = True
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://me:secret@127.0.0.1:{made.server_port}"
    finally:
        made.shutdown()
        made.server_close()
        thread.join()


def fails(handler: BaseHTTPRequestHandler) -> None:
    handler.send_error(500)


def is_busy(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(503)
    handler.send_header("Retry-After", "3600")
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def says_nothing(handler: BaseHTTPRequestHandler) -> None:
    time.sleep(5)


def drops_the_connection(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


def trickles(handler: BaseHTTPRequestHandler) -> None:
    """Every byte comes in time for a limit on the time between two of them; the answer never
    ends.
    """
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(b" ")
            time.sleep(0.1)
    except OSError:
        pass


def answering(text: str, code: int = 200, kind: str = "application/json") -> Answer:
    """Everything is answered with that."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        body = text.encode()
        handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        handler.send_response(code)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


EXPERIMENT = '{"experiment": {"experiment_id": "1", "name": "toy", "lifecycle_stage": "active"}}'
WRONG = {
    "another page": answering("<html>Sign in</html>", kind="text/html"),
    "not found": answering("<html>404</html>", code=404, kind="text/html"),
    "forbidden": answering('{"detail": "no"}', code=403),
    "nothing": answering(""),
    "null": answering("null"),
    "a list": answering("[]"),
    "a number": answering("3"),
    "an empty object": answering("{}"),
    "a text for an experiment": answering('{"experiment": "toy"}'),
    "a list for an experiment": answering('{"experiment": [1]}'),
    "an object for an id": answering('{"experiment": {"experiment_id": {"a": 1}}}'),
    "an experiment, whatever is asked": answering(EXPERIMENT),
    "the same page of runs again and again": answering(
        EXPERIMENT[:-1] + ', "next_page_token": "x"}'
    ),
    "a number for runs": answering(EXPERIMENT[:-1] + ', "runs": 3}'),
    "runs without anything": answering(EXPERIMENT[:-1] + ', "runs": [{}]}'),
    "half a text": answering('{"experiment": {"experiment_id": "1", "na'),
    "no text": answering("\x00\x01\x02", kind="application/octet-stream"),
    "a deep list": answering("[" * 100_000),
    "an unknown error": answering('{"error_code": [1], "message": {"a": 1}}', code=400),
}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("kind", WRONG)
def test_answers_of_the_wrong_kind_end_in_one_line(
    results: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    with server(WRONG[kind]) as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        with pytest.raises(RecurrenceError) as caught:
            track.main("toy")
    said = str(caught.value)
    assert said.startswith("MLflow") and "127.0.0.1" in said
    assert "Not imported: toy: " in said
    assert "secret" not in said and "\n" not in said
    assert not paths.receipt("toy").exists()


@pytest.mark.usefixtures("impatient")
def test_a_receipt_is_held_against_what_a_server_has(
    tracked: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    nothing = answering('{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": ""}', code=404)
    with server(fails) as address, monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", address)
        check_store.main("toy")
    assert "not asked whether it holds toy" in capsys.readouterr().err
    assert paths.receipt("toy").exists()
    with server(nothing) as address, monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", address)
        check_store.main("toy")
    assert not paths.receipt("toy").exists()


def is_no_mlflow(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "13")
    handler.end_headers()
    handler.wfile.write(b"<html></html>")


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits of a second, where the real ones are ten and sixty."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    patient = patience.patient
    monkeypatch.setattr(
        patience, "patient", lambda seconds=3.0, **rest: patient(min(seconds, 3.0), **rest)
    )


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "answer",
    [fails, is_busy, says_nothing, drops_the_connection, trickles, is_no_mlflow],
    ids=lambda f: f.__name__,
)
def test_a_bad_server_is_given_up_and_the_next_run_completes(
    results: Path, monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    with server(answer) as address, monkeypatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", address)
        with pytest.raises(RecurrenceError) as caught:
            track.main("toy")
    said = str(caught.value)
    assert "Not imported: toy: good, poor." in said
    assert "then run `dvc repro track@toy`" in said
    assert "secret" not in said
    assert not paths.receipt("toy").exists()
    track.main("toy")
    assert list(json.loads(paths.receipt("toy").read_text(encoding="utf-8"))["models"]) == [
        "good",
        "poor",
    ]


def test_the_receipt_of_another_store_does_not_outlive_a_failure(
    imported_anew: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """dvc would take it for the sign that all is done."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RecurrenceError, match="Not imported"):
        track.main("toy")
    assert not paths.receipt("toy").exists()


@pytest.fixture
def imported_anew(results: Path) -> Path:
    track.main("toy")
    assert paths.receipt("toy").exists()
    return results


@pytest.mark.parametrize("stage", ["train", "evaluate", "generate"])
def test_stages_with_models_neither_need_mlflow_nor_talk_to_anyone(
    trained_project: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("asked for a connection")

    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    for name in [name for name in sys.modules if name.split(".")[0] in ("mlflow", "dvc")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setitem(sys.modules, "dvc", None)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    import_module(f"recurrence.stages.{stage}").main("mine-rnn")
    assert not (trained_project / ".mlflow").exists()


def test_without_mlflow_it_is_said_what_is_missing(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "mlflow"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(
        RecurrenceError, match=r"MLflow is needed to track .* pip install 'recurrence-lab\[lab\]'"
    ):
        track.main("toy")
    assert not paths.receipt("toy").exists()
