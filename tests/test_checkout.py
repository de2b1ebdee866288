"""Code of another checkout is refused, but for what DVC copies for an experiment."""

import os
import sys
from pathlib import Path

import pytest

from recurrence import checkout
from recurrence.errors import RecurrenceError

RUNS = Path(checkout.__file__).parent


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECURRENCE_ROOT", str(tmp_path))
    return tmp_path


def test_a_project_without_code_of_its_own_uses_what_is_installed(root: Path) -> None:
    checkout.insist()


def test_a_projects_own_code_may_run(root: Path) -> None:
    (root / "src").symlink_to(RUNS.parent)
    checkout.insist()


def test_other_code_is_refused_and_both_folders_are_named(root: Path) -> None:
    own = root / "src/recurrence"
    own.mkdir(parents=True)
    with pytest.raises(RecurrenceError) as caught:
        checkout.insist(["-m", "recurrence.stages", "train"])
    assert str(own) in str(caught.value) and str(RUNS) in str(caught.value)


def test_an_experiments_copy_is_begun_with_its_own_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / ".dvc/tmp/exps/tmp12"
    (root / "src/recurrence").mkdir(parents=True)
    monkeypatch.setenv("RECURRENCE_ROOT", str(root))
    monkeypatch.setenv("PYTHONPATH", "elsewhere")
    begun: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda path, words: begun.append(words))
    with pytest.raises(RecurrenceError):  # as nothing took this process's place
        checkout.insist(["-m", "recurrence.stages", "train"])
    assert begun == [[sys.executable, "-m", "recurrence.stages", "train"]]
    assert os.environ["PYTHONPATH"] == f"{root / 'src'}{os.pathsep}elsewhere"
    with pytest.raises(RecurrenceError):
        checkout.insist(["-m", "recurrence.stages", "train"])  # which did not help: not again
    assert len(begun) == 1
