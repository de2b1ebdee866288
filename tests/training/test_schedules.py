import math

import pytest

from recurrence.params import Schedule
from recurrence.training import schedules


def test_cosine_restarts_by_hand() -> None:
    at = schedules.cosine_restarts(1e-2, cycle=4, mult=2, warm_fraction=0.0)
    half = 1e-2 / 2
    first = [half * (1 + math.cos(math.pi * i / 4)) for i in range(4)]
    second = [half * (1 + math.cos(math.pi * i / 8)) for i in range(8)]
    got = [at(step)[0] for step in range(13)]
    assert got == pytest.approx(
        [*first, *second, 1e-2]
    )  # cycles of 4 and 8, then again from the top


def test_cosine_restarts_begin_at_a_hundredth_and_the_cycle_goes_on() -> None:
    at = schedules.cosine_restarts(1e-2, cycle=100, mult=2, warm_fraction=0.05)
    assert [at(step)[0] for step in range(5)] == pytest.approx([1e-4] * 5)
    assert at(5)[0] == pytest.approx(5e-3 * (1 + math.cos(math.pi * 5 / 100)))
    assert at(100)[0] == pytest.approx(1e-2)  # a restart does not warm up again


def test_one_cycle_ends_and_peak() -> None:
    rule = Schedule(kind="one_cycle", lr=1e-2, moms=(0.95, 0.85, 0.95))
    at = schedules.build(rule, epoch_batches=20, epochs=5, leftover_lr=None)
    assert at(0) == pytest.approx((1e-2 / 25, 0.95))
    assert at(25) == pytest.approx((1e-2, 0.85))
    lr, mom = at(12)  # 12/25 of the way up, by a half cosine
    up = (1 - math.cos(math.pi * 12 / 25)) / 2
    assert lr == pytest.approx(4e-4 + up * (1e-2 - 4e-4)) and mom == pytest.approx(0.95 - up * 0.1)
    assert at(100) == pytest.approx((1e-7, 0.95))


def test_leftover_is_what_the_phase_before_left() -> None:
    rule = Schedule(kind="cosine_restarts", lr="leftover", cycle_mult=2)
    assert schedules.build(rule, 10, 1, leftover_lr=1.7e-4)(0)[0] == pytest.approx(1.7e-4)


def test_the_long_run_of_the_notebook_started_at_a_leftover() -> None:
    # lstm-b: about 905 real batches an epoch against 947 nominal, 15 epochs: the last cycle is cut
    # off before its end
    at = schedules.cosine_restarts(1e-2, cycle=947, mult=2, warm_fraction=0.05)
    assert 0.8e-4 < at(15 * 905)[0] < 2.9e-4
