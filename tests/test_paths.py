from pathlib import Path

import pytest

from recurrence import paths
from recurrence.errors import RecurrenceError


@pytest.fixture(autouse=True)
def _no_root_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RECURRENCE_ROOT", raising=False)


def test_the_root_is_found_upwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "params.yaml").touch()
    (tmp_path / "a/b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a/b")
    assert paths.root() == tmp_path.resolve()
    assert paths.model("mine", "rnn") == tmp_path.resolve() / "data/models/mine/rnn"
    assert paths.checkpoints("mine", "rnn") == tmp_path.resolve() / ".checkpoints/mine-rnn"


def test_the_environment_names_the_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECURRENCE_ROOT", str(tmp_path))
    assert paths.params() == tmp_path.resolve() / "params.yaml"


def test_outside_a_project_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecurrenceError, match=r"no params\.yaml here or above; .*RECURRENCE_ROOT"):
        paths.root()
