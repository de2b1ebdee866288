"""What a person sees of a run."""

import io

import pytest
from rich.console import Console

from recurrence.console import MARK, SILENT_S
from recurrence.repro.progress import Log, Screen

NAMES = ["split@a", "train@a-x", "train@a-y", "evaluate@a-x", "evaluate@a-y", "report@a"]


def test_lines_say_when_a_stage_starts_speaks_and_ends(capsys: pytest.CaptureFixture[str]) -> None:
    log = Log(NAMES)
    with log:
        log.ended("split@a", "restored")
        log.started("train@a-x")
        log.told("train@a-x", "running on cpu")
        log.told("train@a-x", "")
        log.ended("train@a-x", "ran")
        log.ended("train@a-y", "failed", "the disk is full")
        log.ended("evaluate@a-y", "left out")
        log.ended("evaluate@a-x", "up to date")
    assert capsys.readouterr().err.splitlines() == [
        "split@a: restored",
        "train@a-x: started",
        "train@a-x: running on cpu",
        "train@a-x: ran in 0:00:00",
        "train@a-y: failed: the disk is full",
    ]
    assert log.how["evaluate@a-y"] == "left out" and log.why == {"train@a-y": "the disk is full"}


def shown(screen: Screen) -> str:
    console = Console(file=io.StringIO(), width=100)
    console.print(screen.table())
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_table_shows_what_runs_what_comes_next_and_what_failed() -> None:
    screen = Screen(NAMES)
    screen.ended("split@a", "restored")
    screen.started("train@a-x")
    screen.told("train@a-x", f"{MARK}0.500 50% of 4 epochs, 0:00:30 left (seed 0: [x])")
    screen.ended("train@a-y", "failed", "the disk is full")
    screen.ended("evaluate@a-y", "left out")
    lines = shown(screen).splitlines()
    assert lines[0] == "1 running, 2 queued, about 0:00:03 left, 1 restored, 1 left out, 1 failed"
    assert "train@a-x" in lines[1] and "50% of 4 epochs, 0:00:30 left (seed 0: [x])" in lines[1]
    assert [line.split()[0] for line in lines[2:]] == ["evaluate@a-x", "report@a", "train@a-y"]
    assert "queued" in lines[2] and "the disk is full" in lines[4]


def test_what_says_nothing_for_long_is_named_and_the_time_left_is_of_those_at_work(
    capsys: pytest.CaptureFixture[str],
) -> None:
    cost = {"train@a-x": 100.0, "evaluate@a-x": 30.0}
    log = Log(["train@a-x", "evaluate@a-x", "evaluate@a-y"], lambda name: cost.get(name, 1.0))
    log.started("train@a-x")
    log.beat()
    log.running["train@a-x"].began -= 60
    log.shown -= SILENT_S
    log.beat()
    log.beat()
    assert capsys.readouterr().err.splitlines() == [
        "train@a-x: started",
        "running: train@a-x (0:01:00); 2 queued, about 0:01:11 left",
    ]


def test_a_stage_that_does_not_know_how_much_there_is_shows_that_it_moves() -> None:
    screen = Screen(NAMES)
    screen.started("train@a-x")
    screen.told("train@a-x", f"{MARK} 3 MB after 0:00:01")
    assert screen.running["train@a-x"].share is None
    assert "3 MB after 0:00:01" in shown(screen)


def test_lines_stand_above_the_table(capsys: pytest.CaptureFixture[str]) -> None:
    with Screen(NAMES) as screen:
        screen.started("train@a-x")
        screen.told("train@a-x", "running on [cpu]")
    err = capsys.readouterr().err
    assert "train@a-x: started" in err and "train@a-x: running on [cpu]" in err
