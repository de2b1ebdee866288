"""The stage: reads results, names what is missing, writes the receipt."""

from pathlib import Path

import pytest

from recurrence import paths
from recurrence.errors import RecurrenceError
from recurrence.stages import track


def test_a_missing_result_is_named_before_anything_is_imported(results: Path) -> None:
    paths.loops("toy", "poor").unlink()
    with pytest.raises(RecurrenceError, match=r"loops/toy/poor\.parquet: not there; .* dvc repro track@toy"):
        track.main("toy")
    assert not paths.receipt("toy").exists()


def test_an_unknown_corpus_is_met_with_the_nearest(results: Path) -> None:
    with pytest.raises(RecurrenceError, match="did you mean 'toy'"):
        track.main("toys")


def test_every_file_of_a_model_is_in_its_digests(results: Path) -> None:
    """A result that no digest covers could change without being imported again."""
    read = {path for path in track._digests("toy", "good")}
    data = {path.relative_to(results).as_posix() for path in (results / "data").rglob("*") if path.is_file()}
    assert read == {path for path in data if "/good" in path or path.startswith(("data/counts/", "data/ids/"))}
