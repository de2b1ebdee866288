"""Commands of stages as processes: what they say, how they end, and that nothing is left of
them.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("dvc")
from faults.processes import alive, marked  # noqa: E402
from one_stage import SPEAK, STAGE, package_in  # noqa: E402
from patience import until  # noqa: E402
from recurrence.repro.commands import Commands  # noqa: E402
from recurrence.repro.executor import Task  # noqa: E402

Said = list[tuple[str, str]]


@pytest.fixture
def said() -> Said:
    return []


@pytest.fixture
def commands(tmp_path: Path, said: Said) -> Iterator[Commands]:
    made = Commands(tmp_path, lambda name, line: said.append((name, line)))
    yield made
    made.stop()
    made.close()


def own_command() -> str:
    """As dvc would write it down; sys.argv is another where tests run in several processes."""
    return Path("/proc/self/cmdline").read_text().replace("\0", " ").strip()


def run(commands: Commands, command: str, **env: str) -> int:
    return commands.run(Task("make@a", command, str(commands.root), os.environ | env)).code


def test_lines_of_both_outputs_are_told_by_name(commands: Commands, said: Said) -> None:
    assert (
        run(commands, "echo one; echo two >&2; printf '3\\r4'; echo $WORD; cat", WORD="five") == 0
    )
    assert said == [("make@a", line) for line in ("one", "two", "3", "4five")]


@pytest.mark.parametrize(
    ("command", "code"), [("exit 3", 3), ("kill -9 $$", -9), ("nothing 2> /dev/null", 127)]
)
def test_the_code_says_how_it_ended(commands: Commands, command: str, code: int) -> None:
    assert run(commands, command) == code


def test_nothing_that_a_command_started_outlives_it(commands: Commands, said: Said) -> None:
    assert run(commands, "sleep 60 & echo $!") == 0
    until(lambda: not alive(int(said[0][1])))


@pytest.mark.parametrize("deaf_to", ["''", "'' INT", "'' INT TERM"])
def test_all_are_stopped_whatever_they_listen_to(
    commands: Commands, deaf_to: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = f"trap {deaf_to}; sleep 60; sleep 60"
    steps = ((signal.SIGINT, 0.3), (signal.SIGTERM, 0.3), (signal.SIGKILL, 5.0))
    monkeypatch.setattr("recurrence.repro.commands.STOPPING", steps)
    codes: list[int] = []
    threads = [
        threading.Thread(target=lambda: codes.append(run(commands, command))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    while len(commands.alive) < 2:
        time.sleep(0.01)
    time.sleep(0.2)  # until the traps are set
    commands.stop()
    for thread in threads:
        thread.join()
    assert not commands.alive
    assert len(codes) == 2 and all(codes)


def test_what_begins_after_the_stop_ends_at_once(commands: Commands) -> None:
    commands.stop()
    assert run(commands, "sleep 60") == -signal.SIGKILL


# ---------------------------------------------------------------- fork server


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder, env = package_in(tmp_path)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("DVC_STAGE", raising=False)
    return folder


linux = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="only on Linux")
ENDINGS = [
    ("good", 0, "five"),
    ("bad", 2, "error: no good word"),
    ("broken", 1, "KeyError: 'broken'"),
]


@linux
@pytest.mark.parametrize("is_warm", [True, False])
@pytest.mark.parametrize(("key", "code", "line"), ENDINGS)
def test_a_stage_from_the_warm_process_is_as_one_by_the_shell(  # noqa: PLR0913
    commands: Commands, said: Said, package: Path, is_warm: bool, key: str, code: int, line: str
) -> None:
    """As dvc has it: no key on the command line, but in the environment."""
    if is_warm:
        commands.prepare([SPEAK])
    (commands.root / ".dvc/tmp").mkdir(parents=True)
    held = {"/x": {"pid": os.getpid(), "cmd": own_command()}}
    (commands.root / ".dvc/tmp/rwlock").write_text(json.dumps({"write": held}))
    assert run(commands, SPEAK, WORD="five", DVC_STAGE=f"speak@{key}") == code
    lines = [line for _, line in said]
    assert {f"{key} 1", f"in {commands.root}", "on stdout", line} <= {*lines, "five"}


@linux
def test_code_that_changed_runs_as_it_is_now(commands: Commands, said: Said, package: Path) -> None:
    """dvc records the code that it finds when the stage begins."""
    commands.prepare([SPEAK])
    assert run(commands, f"{SPEAK} good", WORD="five") == 0
    (package / "stages/speak.py").write_text(STAGE.replace("VALUE = 1", "VALUE = 12"))
    assert run(commands, f"{SPEAK} good", WORD="five") == 0
    assert [line for _, line in said if line.startswith("good")] == ["good 1", "good 12"]


def test_what_the_warm_process_imports_makes_no_cuda_call() -> None:
    """After one, a child could not use the GPU."""
    code = (
        "import importlib, pkgutil, torch\n"
        "def refuse(*_): raise AssertionError\n"
        "torch._C._cuda_init = torch._C._cuda_getDeviceCount = torch.cuda._lazy_init = refuse\n"
        "from recurrence import stages\n"
        "for each in pkgutil.iter_modules(stages.__path__): "
        "importlib.import_module(f'recurrence.stages.{each.name}')\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@linux
def test_without_its_warm_process_a_stage_runs_by_the_shell(
    commands: Commands, package: Path
) -> None:
    commands.prepare([SPEAK])
    assert commands.forkserver
    commands.forkserver.process.kill()
    assert run(commands, f"{SPEAK} good", WORD="five") == 0


@linux
def test_stages_show_their_names_and_die_with_the_warm_process(
    commands: Commands, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_MARK", str(package))
    commands.prepare([SPEAK])
    assert commands.forkserver
    codes: list[int] = []
    long = threading.Thread(
        target=lambda: codes.append(run(commands, f"{SPEAK} long", WORD="five"))
    )
    long.start()
    until(
        lambda: [each for each in marked(str(package), "TEST_MARK") if each.stage == "speak long"]
    )
    commands.forkserver.process.kill()
    long.join()
    assert codes == [-signal.SIGKILL]
    until(lambda: not marked(str(package), "TEST_MARK"))
