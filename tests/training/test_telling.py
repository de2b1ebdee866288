"""What jobs tell from other processes, added up in one."""

import os
from collections.abc import Callable

import pytest

from recurrence.training import telling
from recurrence.training.telling import Teller, heard


def added_up(tell: Callable[[int], object]) -> list[tuple[float, str, bool]]:
    heard_of: list[tuple[float, str, bool]] = []
    with heard(
        lambda amount, note="", earlier=False: heard_of.append((amount, note, earlier))
    ) as h:
        tell(h)
    return heard_of


def test_amounts_of_several_jobs_come_as_they_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "EVERY_S", 0.0)

    def two(handle: int) -> None:
        a, b = Teller(handle, "a"), Teller(handle, "b")
        a(2.0, earlier=True)
        b(0.5)
        a(0.25, "loss 1.5")

    assert added_up(two) == [(2.0, "", True), (0.5, "", False), (0.25, "loss 1.5", False)]


def test_a_part_that_is_told_again_by_who_takes_over_counts_once() -> None:
    def legs(handle: int) -> None:
        first, second = Teller(handle, "a"), Teller(handle, "a")
        first(1.0, "epoch 1")
        second(1.0, earlier=True)
        second(1.0, "epoch 2")

    assert sum(amount for amount, _, _ in added_up(legs)) == 2.0


def test_most_steps_are_told_together() -> None:
    def steps(handle: int) -> None:
        tell = Teller(handle, "a", spoke=float("inf"))
        for _ in range(1000):
            tell(0.001)
        tell(0.0, "x" * 10_000)

    ((amount, note, _),) = added_up(steps)
    assert amount == pytest.approx(1.0) and note == "x" * telling.NOTE_CHARACTERS


def test_another_process_tells() -> None:
    def forked(handle: int) -> None:
        if not (child := os.fork()):
            Teller(handle, "a")(3.0, "done")
            os._exit(0)
        os.waitpid(child, 0)

    assert added_up(forked) == [(3.0, "done", False)]
