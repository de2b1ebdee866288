"""Facts of the machine are read where they are, and missed by nobody where they are not."""

from pathlib import Path

import pytest

from recurrence import machine
from recurrence.tracking.machine import machine_of


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECURRENCE_ROOT", str(tmp_path))


def test_nothing_is_known_of_a_training_that_wrote_nothing_down() -> None:
    assert machine_of("toy", "small") == {}


def test_the_row_of_the_training_is_read_and_what_it_leaves_open_is_not_there() -> None:
    known = {"stage": "train", "key": "toy-small", "seconds": "3.50", "processor": "a chip"}
    machine.put("toy", dict.fromkeys(machine.COLUMNS, "") | known | {"numerics": "portable"})
    assert machine_of("toy", "small") == {
        "device": "cpu, a chip, portable numerics",
        "train_seconds": 3.5,
    }
    assert machine_of("toy", "other") == {}
