"""The planted results of results_tree, loaded once."""

from pathlib import Path

import pytest

from recurrence.results.corpus import Results, load
from reporting import results_tree


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder, to read only."""
    return results_tree.build(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="session")
def toy(tree: Path) -> Results:
    """The results of that project."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RECURRENCE_ROOT", str(tree))
        return load("toy")


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder to change, and to work in."""
    monkeypatch.setenv("RECURRENCE_ROOT", str(tmp_path))
    return results_tree.build(tmp_path)
