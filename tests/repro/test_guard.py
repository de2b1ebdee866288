"""A guarded command is the command; and it is gone with who asked for it, whichever of them is
killed.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from faults.processes import alive
from patience import until
from recurrence.repro.on_ray import guard

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="Linux alone has pidfd")
ASK = """
import subprocess, sys
from recurrence.repro.on_ray.guard import guarded
sys.exit(subprocess.run(["sh", "-c", guarded(sys.argv[1])], start_new_session=True).returncode)
"""


def test_code_and_output_are_the_commands() -> None:
    done = subprocess.run([sys.executable, "-c", ASK, "echo one; exit 3"], capture_output=True)
    assert (done.returncode, done.stdout) == (3, b"one\n")


@pytest.mark.parametrize("victim", ["asker", "command"])
def test_nothing_outlives_either(tmp_path: Path, victim: str) -> None:
    inside = f"echo $$ > {tmp_path}/pid; sh -c 'echo $$ >> {tmp_path}/pid; sleep 100'; :"
    asker = subprocess.Popen([sys.executable, "-c", ASK, inside], stderr=subprocess.DEVNULL)
    until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().count("\n") == 2)
    command, child = map(int, (tmp_path / "pid").read_text().split())
    os.kill({"asker": asker.pid, "command": command}[victim], signal.SIGKILL)
    until(lambda: not alive(command) and not alive(child))
    asker.wait()


def test_who_asked_may_be_gone_already() -> None:
    gone = subprocess.run(["true"], check=True)
    assert gone.returncode == 0
    ended = subprocess.run(
        [sys.executable, "-m", guard.__name__, str(2**22 - 1), "echo one"], capture_output=True
    )
    assert (ended.returncode, ended.stdout) == (1, b"")
