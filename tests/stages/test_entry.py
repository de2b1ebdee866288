"""How a stage begins and ends: its arguments, its errors, its lock, and that it does not outlive
its dvc.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from faults.processes import alive
from one_stage import SPEAK, package_in
from patience import until
from recurrence.errors import RecurrenceError
from recurrence.stages.__main__ import asked

linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the kernel's help is Linux's"
)


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """A project whose one stage writes its pid; and what its commands find around them."""
    _, found = package_in(tmp_path)
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    return {name: value for name, value in os.environ.items() if name != "DVC_STAGE"} | found


def run(env: dict[str, str], root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "recurrence.stages", *words]
    return subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, timeout=60)


# ---------------------------------------------------------------- arguments


def test_the_key_is_given_or_comes_from_dvc() -> None:
    assert asked(["train", "a-x"], "") == ("train", "a-x")
    assert asked(["train"], "train@a-x") == ("train", "a-x")
    assert asked(["train"], "sub/dvc.yaml:train@a-x") == ("train", "a-x")


@pytest.mark.parametrize(
    ("words", "by_dvc"), [([], ""), (["train"], ""), (["train"], "split@a"), (["a", "b", "c"], "")]
)
def test_a_stage_wants_a_verb_and_a_key(words: list[str], by_dvc: str) -> None:
    with pytest.raises(SystemExit, match="usage"):
        asked(words, by_dvc)


@pytest.mark.parametrize("key", ["x; touch y", "../../x", "a/b", "a\nb", "$(id)", "..", "a\0", "ä"])
def test_a_key_that_is_no_name_is_refused(key: str) -> None:
    for words, by_dvc in ((["split", key], ""), (["split"], f"split@{key}")):
        with pytest.raises(RecurrenceError, match="no such key in params.yaml"):
            asked(words, by_dvc)


@pytest.mark.parametrize("verb", ["__main__", "os", "../split", "splt"])
def test_a_verb_that_is_no_stage_is_refused(verb: str) -> None:
    with pytest.raises(RecurrenceError, match="no such stage"):
        asked([verb, "a"], "")


# ---------------------------------------------------------------- errors and the lock


def test_an_error_for_people_is_a_line_and_exit_code_2(env: dict[str, str], tmp_path: Path) -> None:
    done = run(env, tmp_path, "speak", "bad")
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == "error: no good word"


def test_one_runs_at_a_time_and_the_next_says_for_whom_it_waits(
    env: dict[str, str], tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "recurrence.stages", "speak", "long"]
    with subprocess.Popen(command, cwd=tmp_path, env=env, stdout=subprocess.DEVNULL) as first:
        until((tmp_path / "pid").exists)
        second = subprocess.Popen(
            command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL,
            text=True,
        )  # fmt: skip
        with second:
            assert second.stderr is not None
            said = second.stderr.readline()
            assert said == f"speak@long: waits for process {first.pid}, which is at work on it\n"
            assert run(env, tmp_path, "speak", "good").returncode == 0  # another key
            (tmp_path / "pid").unlink()
            first.kill()
            until((tmp_path / "pid").exists)
            assert (tmp_path / "pid").read_text() == str(second.pid)
            second.kill()


# ---------------------------------------------------------------- the dvc that started it

DVC = """
import json, os, subprocess, sys, time
holder = {"pid": os.getpid(), "cmd": " ".join(sys.argv)}
open(".dvc/tmp/rwlock", "w").write(json.dumps({"write": {"/x": holder}}))
subprocess.run(sys.argv[1].split("|"))
"""
"""What dvc does: it writes itself down, then starts the command."""


def started(env: dict[str, str], root: Path, *command: str) -> tuple[subprocess.Popen[bytes], int]:
    """A process that starts a stage as dvc does; and the stage's pid."""
    words = [sys.executable, "-c", DVC, "|".join(command)]
    dvc = subprocess.Popen(words, cwd=root, env=env | {"DVC_STAGE": "speak@long"})
    until(lambda: (root / "pid").exists() and (root / "pid").read_text())
    return dvc, int((root / "pid").read_text())


@linux
@pytest.mark.parametrize(
    "shell", [(), ("/bin/sh", "-c"), ("/bin/bash", "--noprofile", "--norc", "-c")]
)
def test_a_stage_dies_with_the_dvc_that_started_it(
    env: dict[str, str], tmp_path: Path, shell: tuple[str, ...]
) -> None:
    if shell and not Path(shell[0]).exists():
        pytest.skip(f"no {shell[0]} here")
    command = (*shell, f"{SPEAK}; true") if shell else tuple(SPEAK.split())
    dvc, stage = started(env, tmp_path, *command)
    assert alive(stage)
    dvc.kill()
    dvc.wait()
    until(lambda: not alive(stage))


def orphan(env: dict[str, str], root: Path) -> str:
    """What a stage says whose dvc was killed before its first instruction: its parent is whoever
    takes in orphans.
    """
    command = f"(while [ ! -e go ]; do sleep 0.02; done; exec {SPEAK}) 2> said & "
    subprocess.run(
        ["/bin/sh", "-c", command], cwd=root, env=env | {"DVC_STAGE": "speak@long"}, check=True
    )
    (root / "go").touch()  # the shell above is gone
    until(lambda: (root / "said").exists() and (root / "said").read_text().endswith("\n"))
    assert not (root / "pid").exists()
    return (root / "said").read_text()


GONE = "the process that started this one is gone; ended\n"


@linux
def test_a_stage_whose_dvc_is_gone_before_it_begins_ends_at_once(
    env: dict[str, str], tmp_path: Path
) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    held = {"write": {"/x": {"pid": gone.pid, "cmd": "dvc repro"}}}
    (tmp_path / ".dvc/tmp/rwlock").write_text(json.dumps(held))
    assert orphan(env, tmp_path) == GONE


@linux
def test_it_does_so_too_where_a_newer_dvc_is_at_work(env: dict[str, str], tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as newer:
        held = {"write": {"/x": {"pid": newer.pid, "cmd": "sleep 60"}}}
        (tmp_path / ".dvc/tmp/rwlock").write_text(json.dumps(held))
        assert orphan(env, tmp_path) == GONE
        newer.kill()


@linux
@pytest.mark.parametrize("content", [None, "", "[]", '{"write": 3}'])
def test_and_where_dvc_keeps_no_list(
    env: dict[str, str], tmp_path: Path, content: str | None
) -> None:
    if Path("/proc/1/comm").read_text().startswith("python"):
        pytest.skip("what takes in orphans here cannot be told from a dvc")
    if content is not None:
        (tmp_path / ".dvc/tmp/rwlock").write_text(content)
    assert orphan(env, tmp_path) == GONE


@linux
def test_a_stage_started_by_hand_is_left_alone(env: dict[str, str], tmp_path: Path) -> None:
    """`nohup python -m recurrence.stages train KEY &`, and then the terminal closes."""
    command = [sys.executable, "-m", "recurrence.stages", "speak", "long"]
    starter = f"import subprocess; subprocess.run({command!r})"
    process = subprocess.Popen([sys.executable, "-c", starter], cwd=tmp_path, env=env)
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    stage = int((tmp_path / "pid").read_text())
    process.kill()
    process.wait()
    time.sleep(0.3)
    assert alive(stage)
    os.kill(stage, signal.SIGKILL)
