"""Whole runs of small pipelines of shell commands, in a process of their own, against dvc where it
can do the same.
"""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from patience import until
from shell_pipeline import PARAMS, REPRO, Project, made_in, told

pytest.importorskip("dvc")


@pytest.fixture(autouse=True)
def nowhere_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DVC_STAGE", raising=False)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return made_in(tmp_path / "project")


def test_all_that_is_left_is_as_dvc_leaves_it(project: Project, tmp_path: Path) -> None:
    """First run, one param changed, a fresh lock and outputs gone: outputs, dvc.lock and run cache,
    byte for byte.
    """
    peer = made_in(tmp_path / "peer")
    changed = PARAMS.replace("two", "four")
    for params in (PARAMS, changed):
        for each in (peer, project):
            each.write(params_yaml=params)
        assert peer.dvc("repro").returncode == 0
        assert told(project.repro()) == (
            {"ran": 7} if params == PARAMS else {"ran": 3, "up to date": 4}
        )
        assert project.files() == peer.files()
    for each in (peer, project):
        (each.root / "dvc.lock").unlink()
        (each.root / "out/b.txt").unlink()
    assert peer.dvc("repro").returncode == 0
    done = project.repro()
    assert told(done) == {"restored": 6, "ran": 1}  # gather: what it makes is not cached
    assert "skipping" not in done.stdout + done.stderr  # in dvc's own words
    assert project.files() == peer.files()
    assert "didn't change" in peer.dvc("repro").stdout
    assert told(project.repro()) == {"up to date": 7}
    status = Project(project.root).dvc("status", "--json")
    assert json.loads(status.stdout) == {}


def test_targets_are_stages_with_all_that_they_need(project: Project) -> None:
    assert told(project.repro("fill@a")) == {"ran": 2}
    assert told(project.repro("make")) == {"ran": 2, "up to date": 1}
    done = project.repro("fil@b")
    assert "fil@b: no such stage; did you mean 'fill@b'?" in done.stderr


def test_a_failure_stops_only_what_needs_it(project: Project) -> None:
    pipeline = yaml.safe_load((project.root / "dvc.yaml").read_text())
    pipeline["stages"]["make"]["do"]["cmd"] = "mkdir -p out && ${item.word} > out/${key}.txt"
    project.write(
        dvc_yaml=yaml.safe_dump(pipeline),
        params_yaml=PARAMS.replace("one", "ls").replace("three", "pwd"),
    )
    done = project.repro()
    assert (done.returncode, told(done)) == (255, {"ran": 4, "left out": 2, "failed": 1})
    assert re.search(
        r"^  make@b: .*two: (command )?not found\nMend that, then: recurrence repro make@b ",
        done.stdout,
        re.M,
    )
    project.write(
        params_yaml=PARAMS.replace("one", "ls").replace("three", "pwd").replace("two", "date")
    )
    assert told(project.repro()) == {"ran": 3, "up to date": 4}


def slow_pipeline(project: Project, names: str, command: str) -> None:
    """Stages that need nothing."""
    stages: dict[str, Any] = {
        "foreach": list(names),
        "do": {"cmd": command, "outs": ["${item}"], "deps": ["make.txt"]},
    }
    project.write(dvc_yaml=yaml.safe_dump({"stages": {"wait": stages}}))


def test_as_many_run_at_a_time_as_there_are_jobs(project: Project) -> None:
    """Each of three waits until it has seen two others begin; that works out with three jobs
    only.
    """
    meet = (
        "touch began-${item}; for i in $(seq 500); do [ $(ls began-* | wc -l) = 3 ] && break; "
        "sleep 0.02; done;"
    )
    slow_pipeline(project, "xyz", f"{meet} ls began-* | wc -l > ${{item}}")
    assert told(project.repro(jobs=3)) == {"ran": 3}
    assert [(project.root / name).read_text().strip() for name in "xyz"] == ["3"] * 3


def test_files_that_another_dvc_holds_are_waited_for(project: Project) -> None:
    """dvc itself gives up at once; and of what the other one made nothing is made again."""
    slow_pipeline(
        project,
        "x",
        "touch began; until [ -e go ]; do sleep 0.02; done; echo >> ran; echo done > ${item}",
    )
    other = subprocess.Popen(
        [sys.executable, "-m", "dvc", "repro"], cwd=project.root, stdout=subprocess.DEVNULL
    )
    until((project.root / "began").exists)
    said = project.root / "said"
    with said.open("w") as file:
        ours = subprocess.Popen(
            [sys.executable, "-c", REPRO, "2"],
            cwd=project.root,
            env=project.env,
            stdout=file,
            stderr=file,
        )
    until(lambda: "x: waits for process " in said.read_text())
    (project.root / "go").touch()
    assert (other.wait(), ours.wait()) == (0, 0)
    assert re.search(r"^restored +1", said.read_text(), re.M)
    assert (project.root / "ran").read_text() == "\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_all_stages_and_the_next_run_goes_on(
    project: Project, number: signal.Signals
) -> None:
    slow_pipeline(
        project, "xyz", "echo $$ > pid-${item}; sleep $(cat seconds-${item}); echo done > ${item}"
    )
    for name, seconds in zip("xyz", (0, 60, 60), strict=True):
        (project.root / f"seconds-{name}").write_text(str(seconds))
    process = subprocess.Popen(
        [sys.executable, "-c", REPRO, "2"],
        cwd=project.root,
        env=project.env,
        stdout=subprocess.PIPE,
        text=True,
    )
    until(
        lambda: (
            (project.root / "x").exists()
            and all((project.root / f"pid-{name}").exists() for name in "yz")
        )
    )
    time.sleep(0.2)
    process.send_signal(number)
    out, _ = process.communicate(timeout=15)
    assert process.returncode == 128 + number
    assert re.findall(r"^(?:ran|stopped) +\d", out, re.M) == ["ran           1", "stopped       2"]
    assert json.loads((project.root / ".dvc/tmp/rwlock").read_text()) == {}
    for name in "yz":
        (project.root / f"seconds-{name}").write_text("0")
    assert told(project.repro()) == {"ran": 2, "up to date": 1}
