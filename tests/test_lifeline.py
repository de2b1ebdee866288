"""Who a process is, and whom dvc has down as at work."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from patience import until
from recurrence import lifeline

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")


def test_a_process_is_known_by_its_command_and_its_start() -> None:
    with subprocess.Popen(["sleep", "60"]) as process:
        until(lambda: b"60" in Path(f"/proc/{process.pid}/cmdline").read_bytes())
        start = lifeline.start_of(process.pid)
        assert lifeline.name_and_parent(process.pid) == ("sleep", os.getpid())
        assert next(iter(lifeline.ancestors(process.pid))) == process.pid
        assert lifeline.runs(process.pid, "/usr/bin/dvc repro 60")
        assert not lifeline.runs(process.pid, "/usr/bin/dvc repro")
        assert lifeline.runs(process.pid, f"recurrence repro (a@b){lifeline.STARTED}{start}")
        assert not lifeline.runs(process.pid, f"recurrence repro 60{lifeline.STARTED}{start - 1}")
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)  # dead, and not yet buried
        assert not lifeline.lives(process.pid)
    assert not lifeline.lives(process.pid)
    assert (lifeline.start_of(process.pid), lifeline.name_and_parent(process.pid)) == (0, ("", 0))


def test_dvcs_list_is_looked_for_upwards(tmp_path: Path) -> None:
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    (tmp_path / "sub").mkdir()
    assert lifeline.writers(tmp_path / "sub") is None
    holders = [{"pid": 7, "cmd": "dvc repro"}, {"pid": 7, "cmd": "dvc exp run"}]
    content = {"write": dict(zip("ab", holders, strict=True)), "read": {"c": [{"pid": 8}]}}
    (tmp_path / lifeline.RWLOCK).write_text(json.dumps(content))
    assert lifeline.writers(tmp_path / "sub") == {7: ["dvc repro", "dvc exp run"]}


def test_what_a_stage_imports_before_it_is_tied_to_dvc_is_light() -> None:
    """A stage is an orphan's candidate until then; with all of numpy, rich and torch that would be
    a second.
    """
    code = "import sys\nfrom recurrence.stages import __main__\n"
    code += "print(*(name for name in sys.modules if name.startswith('recurrence')))\n"
    code += "print(*({'numpy', 'rich', 'torch', 'difflib', 'subprocess'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    ours, slow = done.stdout.splitlines()
    assert ours.split() == [
        "recurrence",
        "recurrence.stages",
        "recurrence.lifeline",
        "recurrence.stages.__main__",
    ]
    assert slow == ""
