"""How a stage begins and ends: its errors, and that it does not outlive whoever started it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from faults.processes import alive
from patience import until
from recurrence import stages
from recurrence.errors import RecurrenceError

linux = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the kernel's help is Linux's"
)
STAGE = """
import os, sys, time
from pathlib import Path
from recurrence.stages import run

def main(key):
    Path(key).write_text(str(os.getpid()))
    time.sleep(60)

run(main)
"""


def test_an_error_for_people_is_a_line_and_exit_code_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stage(key: str) -> None:
        raise RecurrenceError(f"{key}: the disk is full")

    monkeypatch.setattr(sys, "argv", ["stage.py", "a"])
    monkeypatch.delenv("DVC_STAGE", raising=False)
    with pytest.raises(SystemExit) as ended:
        stages.run(stage)
    assert (ended.value.code, capsys.readouterr().err) == (2, "error: a: the disk is full\n")


def test_a_stage_wants_one_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["stage.py"])
    with pytest.raises(SystemExit, match="usage"):
        stages.run(lambda key: None)


def started(folder: Path, *shell: str, **env: str) -> tuple[subprocess.Popen[bytes], int]:
    """A process that starts a stage as dvc does, through `shell` if given; and the stage's pid."""
    (folder / "stage.py").write_text(STAGE)
    command = (
        [*shell, f"{sys.executable} stage.py pid; true"]
        if shell
        else [sys.executable, "stage.py", "pid"]
    )
    starter = f"import subprocess; subprocess.run({command!r})"
    inherited = {name: value for name, value in os.environ.items() if name != "DVC_STAGE"}
    process = subprocess.Popen([sys.executable, "-c", starter], cwd=folder, env=inherited | env)
    until(lambda: (folder / "pid").exists() and (folder / "pid").read_text())
    return process, int((folder / "pid").read_text())


@linux
@pytest.mark.parametrize(
    "shell", [(), ("/bin/sh", "-c"), ("/bin/bash", "--noprofile", "--norc", "-c")]
)
def test_a_stage_dies_with_the_dvc_that_started_it(shell: tuple[str, ...], tmp_path: Path) -> None:
    if shell and not Path(shell[0]).exists():
        pytest.skip(f"no {shell[0]} here")
    dvc, stage = started(tmp_path, *shell, DVC_STAGE="train@a-x")
    dvc.kill()
    dvc.wait()
    until(lambda: not alive(stage))


@linux
def test_a_stage_started_by_hand_is_left_alone(tmp_path: Path) -> None:
    """`nohup python -m recurrence.stages.train KEY &`, and then the terminal closes."""
    starter, stage = started(tmp_path)
    starter.kill()
    starter.wait()
    time.sleep(0.3)
    assert alive(stage)
    os.kill(stage, signal.SIGKILL)
