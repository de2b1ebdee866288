"""The online detector against the offline one, on every prefix."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurrence.loops import DEFAULT_FLOORS, Run, find_run, online
from recurrence.loops.online import OnlineDetector

small = st.integers(1, 4).flatmap(
    lambda size: st.lists(st.integers(0, size - 1), min_size=1, max_size=40)
)


@st.composite
def texts(draw: st.DrawFn) -> list[int]:
    """Units repeated, cut and joined, so that runs begin, break off and begin again."""
    ids = draw(small)
    for _ in range(draw(st.integers(0, 3))):
        unit = draw(small)
        ids += (unit * 4)[: draw(st.integers(0, 4 * len(unit)))]
        ids += ids[: draw(st.integers(0, len(ids)))]
    return ids[:120]


def told(detector: OnlineDetector, ids: list[int]) -> int | None:
    """How many tokens a detector of one lane is told when it fires."""
    return next((n for n, token in enumerate(ids, 1) if detector.update([token])[0]), None)


def looped(ids: list[int], floor: int) -> tuple[int, Run] | None:
    """By the definition: the shortest prefix with a run at its end that has enough evidence, and
    the best such run.
    """
    for end in range(1, len(ids) + 1):
        found = []
        for period in range(1, end // 2 + 1):
            matched = 0
            while (
                matched < end - period and ids[end - 1 - matched] == ids[end - 1 - matched - period]
            ):
                matched += 1
            if matched >= max(period, floor):
                found.append(Run(end - matched - period, period, end))
        if found:
            return end, min(found, key=lambda run: (-run.matched, run.period))
    return None


@settings(max_examples=300, deadline=None)
@given(texts(), st.integers(1, 12))
def test_fires_at_the_token_that_makes_it_a_loop(ids: list[int], floor: int) -> None:
    detector = OnlineDetector(1, floor=floor)
    expected = looped(ids, floor)
    assert told(detector, ids) == (expected and expected[0])
    if expected:
        assert (detector.start[0], detector.period[0]) == (expected[1].start, expected[1].period)
    assert (detector.fired[0] and detector.start[0] >= 0) or (
        detector.start[0],
        detector.period[0],
    ) == (-1, -1)


@settings(max_examples=40, deadline=None)
@given(texts(), st.integers(1, 12))
def test_equals_the_offline_search_on_every_prefix(ids: list[int], floor: int) -> None:
    detector = OnlineDetector(1, floor=floor)
    for end, token in enumerate(ids, 1):
        fired, run = detector.update([token])[0], find_run(ids[:end], floor)
        assert fired == (run is not None)
        if run and end - run.end == 0 and not find_run(ids[: end - 1], floor):
            assert (detector.start[0], detector.period[0]) == (run.start, run.period)


@settings(max_examples=60, deadline=None)
@given(st.lists(texts(), min_size=1, max_size=12), st.integers(1, 8), st.integers(0, 3))
def test_lanes_are_independent(rows: list[list[int]], floor: int, unknown: int) -> None:
    length = min(map(len, rows))
    detector = OnlineDetector(len(rows), floor=floor, unknown=unknown)
    alone = [OnlineDetector(1, floor=floor, unknown=unknown) for _ in rows]
    for t in range(length):
        together = detector.update([row[t] for row in rows])
        assert together.tolist() == [
            bool(each.update([row[t]])[0]) for each, row in zip(alone, rows, strict=True)
        ]
    assert detector.start.tolist() == [int(each.start[0]) for each in alone]
    assert detector.period.tolist() == [int(each.period[0]) for each in alone]


@settings(max_examples=60, deadline=None)
@given(texts(), st.integers(1, 6))
def test_an_unknown_id_repeats_nothing(ids: list[int], floor: int) -> None:
    different = [1000 + i if token == 0 else token for i, token in enumerate(ids)]
    assert told(OnlineDetector(1, floor=floor, unknown=0), ids) == told(
        OnlineDetector(1, floor=floor), different
    )


@settings(max_examples=60, deadline=None)
@given(texts(), st.integers(1, 6))
def test_colliding_fingerprints_change_nothing(ids: list[int], floor: int) -> None:
    """Modulo 3 nearly all windows have the fingerprint of some other."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(online, "_PRIME", 3)
        found = told(OnlineDetector(1, floor=floor), ids)
    assert found == told(OnlineDetector(1, floor=floor), ids)


def fibonacci(length: int) -> list[int]:
    one, two = [0], [0, 1]
    while len(two) < length:
        one, two = two, two + one
    return two[:length]


@pytest.mark.parametrize("floor", [1, 2, 5, 13, 40])
def test_words_with_runs_on_every_scale(floor: int) -> None:
    for ids in ([7] * 100, [0, 1] * 60, fibonacci(300), [*range(60), *fibonacci(200)]):
        expected = looped(ids, floor)
        assert told(OnlineDetector(1, floor=floor), ids) == (expected and expected[0])


@pytest.mark.parametrize("period", [1, 3, 13, 85, 401, 2000])
@pytest.mark.parametrize("onset", [0, 22, 500])
@pytest.mark.parametrize("lanes", [1, 9])
def test_no_period_is_too_long(period: int, onset: int, lanes: int) -> None:
    """Fires when the second copy is complete, or has 40 tokens, whichever is later."""
    before, unit = list(range(10_000, 10_000 + onset)), list(range(period))
    ids = (before + unit * (2 + 80 // period))[: onset + 2 * period + 50]
    detector = OnlineDetector(lanes, "char")
    fired = next(n for n, token in enumerate(ids, 1) if detector.update([token] * lanes).all())
    assert fired == onset + period + max(period, 40)
    assert set(detector.start.tolist()) == {onset}
    assert set(detector.period.tolist()) == {period}


def test_a_phrase_that_comes_back_is_no_loop() -> None:
    rng = np.random.default_rng(0)
    phrase = rng.integers(0, 50, 60).tolist()
    ids = [token for _ in range(40) for token in phrase + rng.integers(0, 50, 30).tolist()]
    assert find_run(ids, 40) is None
    assert told(OnlineDetector(1), ids) is None


@pytest.mark.parametrize("lanes", [3, 20])
def test_a_lane_starts_anew_and_the_others_go_on(lanes: int) -> None:
    detector = OnlineDetector(lanes, floor=4)
    for _ in range(5):
        fired = detector.update([1] * lanes)
    assert fired.all()
    detector.reset(1)
    assert detector.fired.tolist() == [lane != 1 for lane in range(lanes)]
    assert detector.period.tolist() == [1 if lane != 1 else -1 for lane in range(lanes)]
    for count in range(1, 6):
        assert bool(detector.update([2] * lanes)[1]) is (count == 5)


def test_a_lane_that_fired_stays_so() -> None:
    detector = OnlineDetector(1, floor=3)
    assert told(detector, [5] * 4) == 4
    assert all(detector.update([token])[0] for token in range(100))
    assert (detector.start[0], detector.period[0]) == (0, 1)


def test_what_is_returned_is_the_callers() -> None:
    detector = OnlineDetector(2, floor=1)
    detector.update([0, 0])[:] = True
    assert detector.fired.tolist() == [False, False]


def test_floors_by_default_and_by_name() -> None:
    assert {unit: OnlineDetector(1, unit).floor for unit in DEFAULT_FLOORS} == DEFAULT_FLOORS
    assert OnlineDetector(1, "word", 7).floor == 7


@pytest.mark.parametrize("tokens", [[1], [1, 2, 3], 1, [1.0, 2.0], [[1, 2]]])
def test_anything_but_an_integer_per_lane_is_refused(tokens: object) -> None:
    with pytest.raises(ValueError, match="one per lane"):
        OnlineDetector(2).update(tokens)  # type: ignore[arg-type]
