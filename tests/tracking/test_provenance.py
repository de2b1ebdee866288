"""Tags on where results come from."""

import subprocess
from pathlib import Path

import pytest

from recurrence.tracking import provenance

GIT = ["git", "-c", "user.name=n", "-c", "user.email=e", "-c", "commit.gpgsign=false"]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "params.yaml").write_text("a: 1\n", encoding="utf-8")
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "first"]):
        subprocess.run([*GIT, *words], cwd=tmp_path, check=True)
    return tmp_path


def test_a_commit_is_named_and_clean_whatever_the_results(repository: Path) -> None:
    (repository / "dvc.lock").write_text("stages: {}\n", encoding="utf-8")
    tags = provenance.git_tags(repository)
    assert len(tags["mlflow.source.git.commit"]) == 40
    assert tags["recurrence.git_dirty"] == "false"


def test_changed_params_make_it_dirty(repository: Path) -> None:
    (repository / "params.yaml").write_text("a: 2\n", encoding="utf-8")
    assert provenance.git_tags(repository)["recurrence.git_dirty"] == "true"


def test_outside_a_repository_there_is_no_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert provenance.git_tags(tmp_path) == {}


def test_the_lock_digest_is_of_the_models_own_entries(tmp_path: Path) -> None:
    entries = {
        f"{stage}@toy-good": {"outs": [1]} for stage in provenance.SCORED + provenance.SAMPLED
    }
    digest = provenance.lock_tags(entries, "toy-good", is_sampled=True)
    assert digest == provenance.lock_tags(
        entries | {"train@toy-poor": {"outs": [2]}}, "toy-good", is_sampled=True
    )
    assert digest != provenance.lock_tags(
        entries | {"train@toy-good": {"outs": [2]}}, "toy-good", is_sampled=True
    )
    assert provenance.lock_tags(entries, "toy-poor", is_sampled=True) == {}


def test_a_model_that_is_not_sampled_has_fewer_entries(tmp_path: Path) -> None:
    entries = {f"{stage}@toy-good": {"outs": [1]} for stage in provenance.SCORED}
    assert provenance.lock_tags(entries, "toy-good", is_sampled=False)
    assert provenance.lock_tags(entries, "toy-good", is_sampled=True) == {}


@pytest.mark.parametrize("text", [None, "", "stages: [", "nothing: 1\n"])
def test_a_lock_that_is_not_there_or_half_written_is_no_lock(
    tmp_path: Path, text: str | None
) -> None:
    if text is not None:
        (tmp_path / "dvc.lock").write_text(text, encoding="utf-8")
    assert provenance.read_lock(tmp_path) == {}


def test_a_digest_is_the_files_md5(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert provenance.md5(tmp_path / "file") == "900150983cd24fb0d6963f7d28e17f72"
