"""Rows of machine.csv: one per stage and key, the last run's, whoever writes beside."""

import os
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from recurrence import machine, paths
from recurrence.errors import RecurrenceError
from small_project import PARAMS


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECURRENCE_ROOT", str(tmp_path))
    text = PARAMS.replace("mine", "toy")  # rows are of corpora that there are
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")


def row(stage: str, key: str, **facts: str) -> machine.Row:
    return dict.fromkeys(machine.COLUMNS, "") | {"stage": stage, "key": key} | facts


def test_a_stage_that_ends_well_leaves_a_row() -> None:
    with machine.recorded("train", "toy-net"):
        machine.note(threads=1, device="cpu", numerics="portable", seconds=90.0)
    found = machine.row("toy", "train", "toy-net")
    assert found is not None and tuple(found) == machine.COLUMNS
    assert (found["seconds"], found["threads"], found["numerics"]) == ("90.00", "1", "portable")
    assert found["processor"] and found["python"] and found["started"].endswith("+00:00")
    assert machine.seconds("toy", "train", "toy-net") == 90


def test_a_stage_that_fails_leaves_the_row_before() -> None:
    machine.put("toy", row("train", "toy-net", seconds="3"))
    with pytest.raises(RecurrenceError), machine.recorded("train", "toy-net"):
        raise RecurrenceError("the disk is full")
    assert machine.seconds("toy", "train", "toy-net") == 3


def test_what_one_stage_noted_is_not_said_of_the_next() -> None:
    with machine.recorded("train", "toy-net"):
        machine.note(device="cuda: a card")
    with machine.recorded("split", "toy"):
        pass
    assert [each["device"] for each in machine.rows("toy")] == ["", "cuda: a card"]


def test_of_several_ranks_the_first_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    with machine.recorded("train", "toy-net"):
        pass
    assert machine.rows("toy") == []


def test_a_row_takes_the_place_of_its_own_alone_and_the_order_is_always_the_same() -> None:
    names = [("train", "toy-b"), ("evaluate", "toy-a"), ("train", "toy-a"), ("train", "toy-b")]
    for i, (stage, key) in enumerate(names):
        machine.put("toy", row(stage, key, seconds=str(i + 1)))
    found = [(each["stage"], each["key"], each["seconds"]) for each in machine.rows("toy")]
    assert found == [("evaluate", "toy-a", "2"), ("train", "toy-a", "3"), ("train", "toy-b", "4")]


def write_ten(process: int) -> None:
    for i in range(10):
        machine.put("toy", row("train", f"toy-{process}-{i}"))


def test_of_many_that_write_at_once_none_is_lost() -> None:
    with ProcessPoolExecutor(4, get_context("fork")) as pool:
        list(pool.map(write_ten, range(4)))
    assert len(machine.rows("toy")) == 40
    assert os.listdir(paths.report("toy")) == ["machine.csv"]


def test_a_table_that_somebody_edited_is_read_as_far_as_it_can_be() -> None:
    path = paths.machine("toy")
    path.parent.mkdir(parents=True)
    head = b"stage,key,seconds,other\n"
    path.write_bytes(head + b"<<<<<<< ours\ntrain,toy-net,soon,x\nsplit,toy\nsplit,top,nan\n")
    kept = [(each["stage"], each["key"]) for each in machine.rows("toy")]
    assert kept == [("train", "toy-net"), ("split", "toy"), ("split", "top")]
    assert [machine.seconds("toy", *name) for name in kept] == [None, None, None]
    path.write_bytes(b"\xff\xfe")
    machine.put("toy", row("split", "toy", seconds="1"))
    assert machine.seconds("toy", "split", "toy") == 1


def test_a_time_that_cannot_be_written_costs_no_result(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise RecurrenceError("the disk is full")

    monkeypatch.setattr("recurrence.files.write_text", full)
    with machine.recorded("split", "toy"):
        pass
    assert "split@toy: its time is not recorded (the disk is full)" in capsys.readouterr().err
