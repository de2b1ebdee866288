"""Outputs against a committed dvc.lock, and the report's figures against the committed ones."""

import hashlib
import subprocess
from pathlib import Path

import pytest
import yaml

from recurrence.errors import RecurrenceError
from recurrence.results.places import Revision
from recurrence.results.verification import verify

REPORT = "model,strategy,loop_rate,loop_lo,loop_hi\nrnn,greedy,{rate},{low},{high}\n"
OUTPUTS = {
    "split@toy": "data/text/toy",
    "train@toy-rnn": "data/models/toy/rnn",
    "report@toy": "reports/toy/decoding.csv",
    "split@other": "data/text/other",
    "track@toy": ".mlflow/receipts/toy.json",
}


def git(root: Path, *words: str) -> None:
    name = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *name, *words], cwd=root, check=True, capture_output=True)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose outputs are as committed; data/ is not part of the commit."""
    for path in OUTPUTS.values():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(path)
    (tmp_path / "reports/toy/decoding.csv").write_text(REPORT.format(rate=0.5, low=0.3, high=0.7))
    stages = {
        name: {"outs": [{"path": path, "md5": md5(tmp_path / path)}]}
        for name, path in OUTPUTS.items()
    }
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "dvc.lock", "reports")
    git(tmp_path, "commit", "-qm", "results")
    return tmp_path


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def found_in(project: Path) -> tuple[dict[str, str], bool]:
    (found,) = verify(project, Revision("HEAD", project), ["toy"])
    return {output.stage: output.bytes for output in found.outputs}, found.holds


def test_the_same_bytes_hold(project: Path) -> None:
    assert found_in(project) == ({"split": "same", "train": "same", "report": "same"}, True)


def test_what_is_missing_does_not_hold(project: Path) -> None:
    (project / "data/models/toy/rnn").unlink()
    assert found_in(project) == ({"split": "same", "train": "not here", "report": "same"}, False)


def test_other_weights_hold_where_the_figures_lie_in_their_intervals(project: Path) -> None:
    (project / "data/models/toy/rnn").write_text("another net")
    (project / "reports/toy/decoding.csv").write_text(REPORT.format(rate=0.6, low=0.4, high=0.8))
    assert found_in(project) == ({"split": "same", "train": "other", "report": "other"}, True)


def test_figures_beyond_their_intervals_do_not_hold(project: Path) -> None:
    (project / "reports/toy/decoding.csv").write_text(REPORT.format(rate=0.9, low=0.8, high=1.0))
    assert found_in(project)[1] is False


def test_another_text_does_not_hold_whatever_the_figures_say(project: Path) -> None:
    (project / "data/text/toy").write_text("another text")
    assert found_in(project) == ({"split": "other", "train": "same", "report": "same"}, False)


def test_a_revision_without_a_lock_is_said_to_have_none(project: Path) -> None:
    git(project, "rm", "-q", "--cached", "dvc.lock")
    git(project, "commit", "-qm", "no lock")
    with pytest.raises(RecurrenceError, match="HEAD: has no dvc.lock"):
        verify(project, Revision("HEAD", project), ["toy"])


def test_a_lock_that_is_no_lock_is_named(project: Path) -> None:
    (project / "dvc.lock").write_text("<<<<<<< ours\n")
    git(project, "commit", "-qam", "a merge gone wrong")
    with pytest.raises(RecurrenceError, match="its dvc.lock cannot be read"):
        verify(project, Revision("HEAD", project), ["toy"])
