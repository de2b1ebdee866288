"""Processes side by side: results as they are ready, and none that outlives the one that started
it.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from recurrence import processes
from recurrence.errors import RecurrenceError


def squared(number: int) -> int:
    return number**2


def test_every_result_comes_with_what_it_is_of() -> None:
    assert dict(processes.side_by_side(squared, [1, 2, 3], 2)) == {1: 1, 2: 4, 3: 9}


def test_what_is_to_follow_is_done_after_what_waits() -> None:
    """4 is put off: it comes again as 40, when 1 and 2 have begun."""
    done = list(
        processes.side_by_side(
            squared, [4, 1, 2], 1, lambda given, result: 40 if given == 4 else None
        )
    )
    assert done == [(4, 16), (1, 1), (2, 4), (40, 1600)]


def stuck_but_for_two(number: int) -> None:
    if number != 2:
        time.sleep(60)
    raise RecurrenceError("two is wrong")


def test_where_one_fails_the_others_are_not_waited_for() -> None:
    began = time.monotonic()
    with pytest.raises(RecurrenceError, match="two is wrong"):
        list(processes.side_by_side(stuck_but_for_two, [1, 2], 2))
    assert time.monotonic() - began < 30


def killed(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_process_that_is_killed_is_an_error_for_people() -> None:
    with pytest.raises(RecurrenceError, match="a process was killed"):
        list(processes.side_by_side(killed, [1], 1))


PARENT = """
import os, signal, sys, time
from recurrence import processes
signal.signal(signal.SIGINT, signal.default_int_handler)  # else ignored where these tests run in a shell's background
def work(folder):
    open(f"{folder}/{os.getpid()}", "w").close()
    time.sleep(60)
list(processes.side_by_side(work, [sys.argv[1]] * 2, 2))
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_outlives_the_one_that_started_it(
    tmp_path: Path, number: signal.Signals
) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stderr=subprocess.DEVNULL
    )
    with parent:
        children = [
            int(path.name)
            for path in within(30, lambda: len(list(tmp_path.iterdir())) == 2, tmp_path)
        ]
        parent.send_signal(number)
        parent.wait(timeout=10)
    within(10, lambda: not any(Path(f"/proc/{pid}").exists() for pid in children), tmp_path)


def within(seconds: float, holds, folder: Path) -> list[Path]:  # type: ignore[no-untyped-def]
    """The folder's files once something holds; fails where it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return list(folder.iterdir())


COMPUTING = """
import signal, sys, threading, time
import torch
from recurrence import processes

begun = threading.Event()

def receive() -> None:
    begun.wait()
    if len(sys.argv) == 2:
        time.sleep(0.3)
        signal.pthread_kill(threading.get_ident(), int(sys.argv[1]))
    time.sleep(60)

threading.Thread(target=receive, daemon=True).start()  # before, as those of numpy and OpenMP are
processes.end_at_once()
wide = torch.ones(9000, 9000)
print("begun", flush=True)
begun.set()
while True:
    wide @ wide  # seconds in which no handler of Python's is called
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("to_another_thread", [False, True])
def test_a_signal_ends_a_process_in_the_middle_of_a_computation(
    number: signal.Signals, to_another_thread: bool
) -> None:
    command = [sys.executable, "-c", COMPUTING, *([str(int(number))] if to_another_thread else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "begun\n"
        if not to_another_thread:
            time.sleep(0.3)
            process.send_signal(number)
        assert process.wait(timeout=10) == 128 + number
