"""A dataset of Hugging Face on disk, where `datasets` is there; without it, what to install."""

import sys
from pathlib import Path
from typing import Any

import pytest

from recurrence.corpora import dataset
from recurrence.errors import RecurrenceError
from recurrence.params import Source


def read(folder: Path, **fields: object) -> dict[str, str]:
    given = {"kind": "dataset", "addresses": ["texts/mine"], **fields}
    parts = dataset.read(Source.model_validate(given), folder)
    return {name: "".join(text) for name, text in parts.items()}


@pytest.fixture
def datasets() -> Any:
    return pytest.importorskip("datasets")


def test_rows_become_documents(
    datasets: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset, "ROWS", 2)
    rows = datasets.Dataset.from_dict({"text": ["a\nb", "c", "d"], "id": [1, 2, 3]})
    rows.save_to_disk(tmp_path / "mine")
    assert read(tmp_path) == {"whole": "a b\nc\nd\n"}
    assert read(tmp_path, newlines="keep") == {"whole": "a\nb\nc\nd\n"}


def test_its_own_parts_stay(datasets: Any, tmp_path: Path) -> None:
    one = datasets.Dataset.from_dict({"text": ["a"]})
    other = datasets.Dataset.from_dict({"text": ["b"]})
    datasets.DatasetDict({"train": one, "test": other}).save_to_disk(tmp_path / "mine")
    assert read(tmp_path) == {"train": "a\n", "valid": "b\n"}


def test_parts_of_other_names_are_refused(datasets: Any, tmp_path: Path) -> None:
    one = datasets.Dataset.from_dict({"text": ["a"]})
    datasets.DatasetDict({"one": one, "two": one}).save_to_disk(tmp_path / "mine")
    with pytest.raises(
        RecurrenceError, match="must have the parts train and one of .*, has one, two"
    ):
        read(tmp_path)


def test_a_folder_that_is_none_is_refused(datasets: Any, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(RecurrenceError, match="must be a folder that save_to_disk"):
        read(tmp_path)


def test_without_the_library_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(RecurrenceError, match=r"pip install 'recurrence-lab\[datasets\]'"):
        read(tmp_path)
