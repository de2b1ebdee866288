"""Planted texts hold what their cell says, where they say, and are the same every time."""

import numpy as np
import pytest

from loops.made_text import chars, prose, words
from recurrence.loops import find_run
from recurrence.study.planted import GRID, Cell, plant

HUMAN = words(prose(5, 6_000))
LENGTH = 300


def planted(cell: Cell, seed: int = 0, **how: int) -> tuple[np.ndarray, int, int]:
    made = plant(np.random.default_rng(seed), HUMAN, cell, LENGTH, **how)
    return made.ids, made.start, made.end


def test_the_grid_is_the_one_agreed_on() -> None:
    assert {cell.period for cell in GRID} == {1, 2, 3, 8, 13, 40, 85, 150, 401}
    assert {cell.copies for cell in GRID} == {2, 2.5, 3, 5, 10}
    assert {cell.edits for cell in GRID} == {0, 0.05, 0.1, 0.15, 0.2}
    assert {cell.place for cell in GRID} == {"tail", "gap", "middle"}
    assert len(GRID) == len(set(GRID)) == 9 * 5 * 5 * 3 + 6 * 5 * 5 * 3
    assert {cell.period for cell in GRID if cell.nested} == {
        8,
        13,
        40,
        85,
        150,
        401,
    }  # shorter units have no room


@pytest.mark.parametrize("cell", [cell for cell in GRID if not cell.edits], ids=str)
def test_without_edits_the_run_is_there_and_no_shorter_one(cell: Cell) -> None:
    ids, start, end = planted(cell)
    loop = ids[start:end]
    assert len(loop) == int(cell.period * cell.copies) == cell.period + cell.matched
    run = find_run(loop)
    assert run is not None
    assert (run.start, run.period, run.end) == (0, cell.period, len(loop))
    inner = find_run(loop[: cell.period])
    if cell.nested:
        assert inner is not None
        assert inner.copies >= 2
        assert inner.end - inner.start >= cell.period // 2


@pytest.mark.parametrize(
    "cell", [cell for cell in GRID if cell.copies in (2, 10) and not cell.nested], ids=str
)
def test_the_loop_stands_where_it_should_in_text_of_the_length_asked_for(cell: Cell) -> None:
    ids, start, end = planted(cell)
    around = max(LENGTH - (end - start), LENGTH // 4)
    assert len(ids) == end - start + around
    after = {"tail": 0, "gap": around // 25, "middle": around // 2}[cell.place]
    assert len(ids) - end == after
    human = np.concatenate([ids[:start], ids[end:]])
    assert any(
        np.array_equal(HUMAN[low : low + around], human) for low in range(len(HUMAN) - around + 1)
    )


@pytest.mark.parametrize("edits", [0.05, 0.2])
def test_edits_are_as_many_as_the_cell_says_and_of_every_kind(edits: float) -> None:
    cell = Cell(401, 10.0, edits, "tail", False)
    shorter, longer, same = [], [], []
    for seed in range(20):
        ids, start, end = planted(cell, seed)
        loop, plain = ids[start:end], planted(Cell(401, 10.0, 0.0, "tail", False), seed)
        unit = plain[0][plain[1] : plain[2]]
        first = int(
            np.argmax(loop[: len(unit)] != unit[: len(loop)])
        )  # the first edit decides what kind it is
        rest = unit[first + 1 : first + 9], unit[first : first + 8]
        shorter.append(np.array_equal(loop[first : first + 8], rest[0]))
        longer.append(np.array_equal(loop[first + 1 : first + 9], rest[1]))
        same.append(len(loop) / len(unit))
    assert np.mean(same) == pytest.approx(1, abs=0.01)  # as many come as go
    if edits == 0.05:
        assert 2 <= sum(shorter) <= 12
        assert 2 <= sum(longer) <= 12
        assert sum(shorter) + sum(longer) <= 18


def test_the_same_text_every_time() -> None:
    cell = Cell(40, 3.0, 0.1, "gap", True)
    one, again, other = planted(cell), planted(cell), planted(cell, seed=1)
    assert np.array_equal(one[0], again[0])
    assert one[1:] == again[1:]
    assert not np.array_equal(one[0], other[0])


def test_a_unit_has_no_unknown_word() -> None:
    unknown = int(np.bincount(HUMAN).argmax())
    for seed in range(5):
        ids, start, end = planted(Cell(85, 2.0, 0.05, "middle", False), seed, unknown=unknown)
        assert unknown not in ids[start:end]
        assert unknown in ids


def test_human_text_is_left_alone() -> None:
    before = HUMAN.copy()
    planted(Cell(40, 3.0, 0.1, "gap", True))
    assert np.array_equal(HUMAN, before)


def test_text_too_short_or_too_plain_for_a_unit_is_named() -> None:
    for human, period in ((np.arange(30), 40), (np.zeros(50, int), 2), (chars("ab" * 30), 8)):
        with pytest.raises(
            ValueError, match=f"no stretch of {period} tokens that is not a shorter one repeated"
        ):
            plant(np.random.default_rng(0), human, Cell(period, 2.0, 0.0, "tail", False), 20)
