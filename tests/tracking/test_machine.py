"""Facts of the machine are read where they are, and missed by nobody where they are not."""

import json
from pathlib import Path

import pytest

from recurrence import paths
from recurrence.tracking.machine import machine_of


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECURRENCE_ROOT", str(tmp_path))


def test_nothing_is_known_of_a_training_that_wrote_nothing_down() -> None:
    assert machine_of("toy", "small") == {}


def test_the_file_of_a_training_is_read() -> None:
    place = paths.wall("toy", "small")
    place.parent.mkdir(parents=True)
    place.write_text(json.dumps({"device": "cpu", "train_seconds": 3.5}), encoding="utf-8")
    assert machine_of("toy", "small") == {"device": "cpu", "train_seconds": 3.5}


def test_the_table_of_a_corpus_is_read_by_model_and_goes_first() -> None:
    place = paths.report("toy") / "machine.csv"
    place.parent.mkdir(parents=True)
    rows = "model,started,train_seconds,device\nbig,,9,gpu\nsmall,2020-01-01T00:00:10,3.5,\n"
    place.write_text(rows, encoding="utf-8")
    assert machine_of("toy", "small") == {
        "started": "2020-01-01T00:00:10",
        "train_seconds": 3.5,
        "model": "small",
    }
    assert machine_of("toy", "other") == {}
