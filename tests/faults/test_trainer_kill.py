"""The real train stage, killed at random until it gets through: the bytes of an undisturbed run,
and no orphan.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path

import pytest

from recurrence import paths
from small_project import PARAMS, project_in

pytestmark = pytest.mark.slow

MODELS = """
recipes:
  net: {batches: {loader: lanes, size: 2, bptt: 16, state: reset},
       phases: [{epochs: 25, optimizer: {weight_decay: 0.1, decoupled: true},
                 schedule: {kind: one_cycle, lr: 1.0e-2}}]}
  awd: {clip: 0.3, ar: 2.0, tar: 1.0, batches: {loader: variable_bptt, size: 2, bptt: 16},
       phases: [{epochs: 10, optimizer: {}, schedule: {kind: constant, lr: 1.0e-2}},
                {epochs: 10, schedule: {kind: cosine_restarts, lr: 1.0e-2, cycle_mult: 2}}]}
  windows: {batches: {loader: windows, size: 32, bptt: 8, stride: 1, targets: last, state: zero,
                      notebook_split: random_windows},
       phases: [{epochs: 10, optimizer: {}, schedule: {kind: constant, lr: 1.0e-2}},
                {epochs: 10, optimizer: {}, schedule: {kind: constant, lr: 1.0e-3}}]}
models:
  mine-net:
    {corpus: mine, name: net, core: lstm, embedding: 8, hidden: 16, dropout: {plain_output: 0.2}, seeds: [0, 3],
     recipe: net}
  mine-awd:
    {corpus: mine, name: awd, core: awd_lstm, layers: 2, embedding: 8, hidden: 16, tied: true, init_range: 0.1,
     dropout: {embedding: 0.05, input: 0.1, weight: 0.2, hidden: 0.1, output: 0.1},
     recipe: awd}
  mine-windows:
    {corpus: mine, name: windows, core: rnn, embedding: 8, hidden: 16, context: 8,
     recipe: windows}
sampling"""
NAMES = ("net", "awd", "windows")
KILLS = 5
GONE_ON = re.compile("resumed at epoch [0-9]+, step [0-9]+$|was trained to its end before$")


@contextmanager
def project(root: Path) -> Iterator[None]:
    """The small project with models that take some seconds, up to `train`."""
    with project_in(root):
        head, rest = PARAMS.split("recipes:\n")
        tail = rest.split("protocol:\n")[1].replace(
            ", threads: 1", ""
        )  # threads by size: seeds go side by side
        sampling = (
            ": {mine-net: {corpus: mine, name: net, reference: awd, amateur: awd}}\nprotocol:\n"
        )
        (root / "params.yaml").write_text(head + MODELS + sampling + tail, encoding="utf-8")
        for stage in ("download", "split", "build_vocab", "numericalize"):
            import_module(f"recurrence.stages.{stage}").main("mine")
        yield


def outputs(root: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    """Weights, history, config and scores of the models; not wall times."""
    for name in names:
        import_module("recurrence.stages.evaluate").main(f"mine-{name}")
    files = [
        file
        for part in ("models", "scores")
        for file in (root / "data" / part).rglob("*")
        if file.is_file()
    ]
    return {str(file.relative_to(root)): file.read_bytes() for file in files}


def stage(name: str) -> subprocess.Popen[str]:
    """The stage as dvc starts it, in a session of its own, so that its processes can be counted."""
    command = [sys.executable, "-m", "recurrence.stages", "train", f"mine-{name}"]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)


def ended(name: str) -> None:
    """The stage run to its end. Not in this process, whose numerics may be others than a
    stage's.
    """
    with stage(name) as process:
        said = process.communicate()[1]
    assert process.returncode == 0, said


def begun(process: subprocess.Popen[str]) -> subprocess.Popen[str]:
    """The same once it is past its imports."""
    assert process.stderr is not None
    while "running on" not in process.stderr.readline():
        assert process.poll() is None
    return process


def snapshots(name: str) -> set[Path]:
    return set(paths.checkpoints("mine", name).glob("*/*/*/facts.json"))


def kill_at(process: subprocess.Popen[str], name: str, chance: random.Random) -> None:
    """Kill it some time after it has kept a snapshot, so that it gets on; now and then before. It
    may end by itself.
    """
    before, early = snapshots(name), chance.random() < 0.2
    while process.poll() is None and not early and not snapshots(name) - before:
        time.sleep(0.01)
    with suppress(subprocess.TimeoutExpired):
        process.wait(chance.uniform(0.0, 0.7))
    process.kill()
    process.wait()


def all_end(session: int, seconds: float = 2.0) -> None:
    """Fail where a process of the session is alive after so long."""
    deadline = time.monotonic() + seconds
    while left := alive(session):
        assert time.monotonic() < deadline, f"outlives its stage: {left}"
        time.sleep(0.02)


def alive(session: int) -> list[str]:
    """The processes of a session, but for those that are dead and only not yet buried."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()  # state, parent, group, session
            if int(fields[3]) == session and fields[0] not in "ZX":
                found.append(path.read_text())
    return found


def killed_and_finished(name: str, chance: random.Random) -> tuple[int, list[str]]:
    """How often the stage was killed before it was left to end, and what it said of going on."""
    said: list[str] = []
    for kills in range(KILLS + 1):
        with begun(stage(name)) as process:
            if kills < KILLS:
                kill_at(process, name, chance)
            assert process.stderr is not None
            said += [line for line in process.stderr.read().splitlines() if GONE_ON.search(line)]
        all_end(process.pid)
        if process.returncode == 0:
            return kills, said
    raise AssertionError(f"the stage ended with {process.returncode}")


@pytest.mark.timeout(
    1800
)  # it is started ten times and more, which on a busy machine takes its time
@pytest.mark.parametrize("names", [NAMES[:1], pytest.param(NAMES, marks=pytest.mark.nightly)])
def test_killed_at_random_it_leaves_the_bytes_of_an_undisturbed_run(
    names: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "straight").mkdir()
    (tmp_path / "killed").mkdir()
    with project(tmp_path / "straight"):
        for name in names:
            ended(name)
        expected = outputs(tmp_path / "straight", names)
    monkeypatch.setenv("RECURRENCE_SNAPSHOT_S", "0.1")
    chance, counts = random.Random(0), {}
    with project(tmp_path / "killed"):
        for name in names:
            kills, said = killed_and_finished(name, chance)
            counts[name] = f"{kills} kills, {len(said)} times gone on"
            assert kills and said
            assert not paths.checkpoints("mine", name).exists()
        assert outputs(tmp_path / "killed", names) == expected
    with capsys.disabled():
        print(f"\n{counts}")


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGINT, marks=pytest.mark.nightly), signal.SIGTERM]
)
def test_a_signal_ends_it_at_once_and_quietly(tmp_path: Path, number: signal.Signals) -> None:
    with project(tmp_path):
        for to_all in (False, True):  # `kill`, and a terminal's Ctrl-C
            with begun(stage("net")) as process:
                time.sleep(0.5)
                (os.killpg if to_all else os.kill)(process.pid, number)
                assert process.wait(timeout=2) == 128 + number
                all_end(process.pid)
                assert process.stderr is not None and "Traceback" not in process.stderr.read()


@pytest.mark.nightly
def test_a_second_stage_says_who_is_the_first_and_leaves_it_alone(tmp_path: Path) -> None:
    with project(tmp_path), begun(stage("net")) as first:
        second = subprocess.run([*first.args], capture_output=True, text=True, timeout=60)  # type: ignore[misc]
        assert (
            second.returncode == 2
            and f"train@mine-net: process {first.pid} is at work on it" in second.stderr
        )
        shutil.rmtree(tmp_path / "data/vocab")  # the first one has read what it needs
        assert first.wait(timeout=120) == 0
