"""The train stage under torchrun, two processes on the CPU: what it writes is what one process
writes, to rounding.
"""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import torch
import yaml

from recurrence import paths
from recurrence.files import read_json
from recurrence.model.checkpoint import load_model
from recurrence.stages import evaluate, train

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

KEY, MODEL = "mine-rnn", ("mine", "rnn")


def torchrun(root: Path, **env: str) -> subprocess.Popen[str]:
    """Two ranks that train the model of `root`."""
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        "2",
    ]
    there = (
        os.environ
        | {"RECURRENCE_ROOT": str(root), "RECURRENCE_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}
        | env
    )
    return subprocess.Popen(
        [*command, "-m", "recurrence.stages", "train", KEY], cwd=root, env=there, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def weights() -> list[torch.Tensor]:
    return list(load_model(paths.model(*MODEL), 0).state_dict().values())


def history() -> pd.DataFrame:
    return pd.read_csv(paths.model(*MODEL) / "history.csv")


def longer(root: Path) -> None:
    tree = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    tree["recipes"]["short"]["phases"][0]["epochs"] = 5
    tree["compute"]["numerics"] = "fast"  # as in this process: snapshots of others are left alone
    (root / "params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")


def ranks_of(agent: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{agent}/task/{agent}/children").read_text().split()]


def wait_for_snapshot(root: Path, running: subprocess.Popen[str]) -> None:
    while not list(root.glob(".checkpoints/*/*/*/0*/facts.json")):
        assert running.poll() is None, running.communicate()[0]
        time.sleep(0.05)


def test_the_model_of_two_ranks_is_that_of_one(trained_project: Path) -> None:
    alone, rows, scores = weights(), history(), read_json(paths.scores(*MODEL))
    running = torchrun(trained_project)
    said = running.communicate(timeout=200)[0]
    assert running.returncode == 0, said
    assert said.count("running on") == 1  # rank 0 alone speaks
    torch.testing.assert_close(weights(), alone, rtol=1e-4, atol=1e-5)
    pd.testing.assert_frame_equal(history(), rows, rtol=1e-4)
    evaluate.main(KEY)
    again = read_json(paths.scores(*MODEL))["seeds"][0]["exact"]
    assert again == pytest.approx(scores["seeds"][0]["exact"], rel=1e-4)


@pytest.mark.skipif(sys.platform != "linux", reason="looks for the ranks in /proc")
def test_a_rank_that_is_killed_stops_all_and_one_process_goes_on_from_there(
    trained_project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    longer(trained_project)
    before = weights()
    running = torchrun(trained_project, RECURRENCE_SNAPSHOT_S="0")
    wait_for_snapshot(trained_project, running)
    ranks = ranks_of(running.pid)
    assert len(ranks) == 2
    os.kill(ranks[1], signal.SIGKILL)
    running.communicate(timeout=60)
    assert running.returncode != 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in ranks)
    assert all(map(torch.equal, weights(), before))  # what was there is as it was

    capsys.readouterr()
    train.main(KEY)
    assert "resumed at epoch" in capsys.readouterr().err
    resumed = history()
    train.main(KEY)
    pd.testing.assert_frame_equal(resumed, history(), rtol=1e-2)
