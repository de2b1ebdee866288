"""`recurrence repro` on a small pipeline of real stages: as dvc does it, and killed in the midst of
it.
"""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from faults.processes import marked
from faults.small_pipeline import Pipeline, build
from patience import until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
TARGETS = ("evaluate@mine-rnn", "evaluate@mine-unigram")


def begun(pipeline: Pipeline, stage: str, mark: str) -> subprocess.Popen[bytes]:
    """`recurrence repro` that has come as far as this stage."""
    process = subprocess.Popen(
        ["recurrence", "repro", "--jobs", "2", *TARGETS],
        cwd=pipeline.root,
        env=pipeline.env | {"SOAK": mark},
        start_new_session=True,
    )
    until(lambda: [each for each in marked(mark) if each.stage == stage], 120)
    time.sleep(0.5)
    return process


@pytest.mark.nightly
def test_outputs_and_lock_are_those_of_dvc(tmp_path: Path) -> None:
    ours, theirs = build(tmp_path / "ours"), build(tmp_path / "theirs")
    targets = (*TARGETS, "detect_loops@mine-rnn", "detect_loops@mine-unigram")
    ours.run("recurrence", "repro", "--jobs", "2", *targets)
    theirs.run("dvc", "repro", *targets)
    made = [each.outputs() for each in (ours, theirs)]
    assert made[0] == made[1] and made[0]
    keys = [
        sorted(path.name for path in (each.root / ".dvc/cache/runs").glob("*/*"))
        for each in (ours, theirs)
    ]
    assert keys[0] == keys[1] and len(keys[0]) > 10
    assert "Running stage" not in ours.run("dvc", "repro", "--dry", *targets).stdout


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, marks=pytest.mark.nightly),
        pytest.param(signal.SIGTERM, marks=pytest.mark.nightly),
        signal.SIGKILL,
    ],
)
def test_killed_in_training_nothing_is_left_and_the_next_run_goes_on(
    number: signal.Signals, tmp_path: Path
) -> None:
    pipeline = build(tmp_path / "project", epochs=100000)
    mark = str(tmp_path)
    process = begun(pipeline, "train mine-rnn", mark)
    killed = time.monotonic()
    process.send_signal(number)
    until(lambda: not [each for each in marked(mark) if each.stage], 5)
    assert time.monotonic() - killed < 5
    process.wait(20)
    until(lambda: not marked(mark), 10)
    params = pipeline.root / "params.yaml"
    params.write_text(params.read_text().replace("epochs: 100000", "epochs: 1"))
    done = pipeline.run("recurrence", "repro", "--jobs", "2", *TARGETS)
    assert "download@mine: started" not in done.stderr  # it had ended before
    assert "Running stage" not in pipeline.run("dvc", "repro", "--dry", *TARGETS).stdout


@pytest.mark.nightly
def test_a_trainer_that_is_killed_fails_alone(tmp_path: Path) -> None:
    pipeline = build(tmp_path / "project", epochs=100000)
    mark = str(tmp_path)
    process = begun(pipeline, "train mine-rnn", mark)
    trainer = next(each.pid for each in marked(mark) if each.stage == "train mine-rnn")
    os.kill(trainer, signal.SIGKILL)
    assert process.wait(300) == 255
    until(lambda: not marked(mark), 10)
    assert json.loads((pipeline.root / ".dvc/tmp/rwlock").read_text()) == {}
    made = pipeline.outputs()
    assert "data/scores/mine/unigram.json" in made
    assert not [
        name for name in made if name.startswith(("data/models/mine/rnn/", "data/scores/mine/rnn"))
    ]
