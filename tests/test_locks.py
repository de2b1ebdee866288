"""The lock of a stage: one at a time, by name, gone with its holder."""

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from recurrence import lifeline, locks, paths
from recurrence.errors import RecurrenceError

HOLD = """
import time
from recurrence import locks
with locks.only_writer("train", "toy-net"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECURRENCE_ROOT", str(tmp_path))
    monkeypatch.setattr(locks, "WAIT_S", 0.2)
    return tmp_path


def test_the_second_is_told_who_is_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE, text=True)
    named = f"train@toy-net: process {holder.pid} is at work on it; wait for it, or end it"
    with holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(RecurrenceError, match=named), locks.only_writer("train", "toy-net"):
            pass
        assert f"waits for process {holder.pid}" in capsys.readouterr().err
        holder.kill()
    with locks.only_writer("train", "toy-net"):  # a lock ends with its holder
        held = locks.read(paths.lock("train", "toy-net"))
        assert held == locks.Holder(os.getpid(), lifeline.start_of(os.getpid()))
    assert not paths.lock("train", "toy-net").exists()


def test_other_stages_and_keys_are_free() -> None:
    with ExitStack() as held:
        for stage, key in (("train", "a-x"), ("train", "a-y"), ("evaluate", "a-x")):
            held.enter_context(locks.only_writer(stage, key))


def test_processes_that_train_together_share_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with locks.only_writer("train", "a-x"):
        monkeypatch.setenv("RANK", "1")
        with locks.only_writer("train", "a-x"):
            pass
        assert paths.lock("train", "a-x").exists()
    monkeypatch.setenv("RANK", "0")


@pytest.mark.parametrize("left", [{"start": 1}, {"pid": 2**22 + 1}, None, [], {"pid": "x"}])
def test_what_is_not_the_holder_is_not_named(left: object) -> None:
    """Another process has its number now; or the file is odd; and its own children hold the lock
    still.
    """
    with locks.only_writer("train", "a-x"):
        own = {"pid": os.getpid(), "start": lifeline.start_of(os.getpid())}
        content = own | left if isinstance(left, dict) else left
        paths.lock("train", "a-x").write_text(json.dumps(content))
        with (
            pytest.raises(RecurrenceError, match="a run of it that was killed has not ended"),
            locks.only_writer("train", "a-x"),
        ):
            pass


@pytest.mark.parametrize("content", ["", "{", "4711", '{"pid": 1, "start": 1}'])
def test_a_file_that_nobody_holds_stops_nobody(content: str) -> None:
    path = paths.lock("train", "a-x")
    path.parent.mkdir(parents=True)
    path.write_text(content)
    with locks.only_writer("train", "a-x"):
        pass


def test_many_take_turns_though_each_removes_the_lock_when_it_is_done() -> None:
    """A lock that is removed must not be held by two: one on the old file, and one on the new."""
    inside, most, done = [0], [0], []

    def work() -> None:
        while len(done) < 40:
            try:
                with locks.only_writer("train", "a-x"):
                    inside[0] += 1
                    most[0] = max(most[0], inside[0])
                    time.sleep(0.001)
                    inside[0] -= 1
                    done.append(1)
            except RecurrenceError:  # the others are in it
                pass

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1]


def test_a_place_that_cannot_be_written_is_named(project: Path) -> None:
    (project / ".recurrence").write_text("a file")
    with pytest.raises(RecurrenceError, match=r"\.recurrence"), locks.only_writer("train", "a-x"):
        pass
