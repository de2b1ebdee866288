"""Bounds that hold for every input: of the near search how much is aligned; of the exact one that
it is right.
"""

from typing import Any

import numpy as np
import pytest

from loops.hard_texts import FIRST, HARD
from recurrence.loops import TextDetector, find_run
from recurrence.loops.near import columns, copies
from recurrence.loops.near.alignment import Reach, reach

MOST = 20
"""Tokens aligned for each token of a text, at most."""


@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("size", [3_000, 24_000])
def test_what_is_aligned_grows_with_the_text_alone(
    name: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    aligned = 0

    def counted(*asked: Any) -> Reach:
        nonlocal aligned
        found = reach(*asked)
        aligned += found.tokens
        return found

    monkeypatch.setattr(copies, "reach", counted)
    monkeypatch.setattr(columns, "reach", counted)
    TextDetector().judge(HARD[name](size).tobytes().decode("ascii"))
    assert aligned <= MOST * size


@pytest.mark.parametrize("name", HARD)
def test_the_best_run_is_the_one_that_comparing_at_every_lag_finds(name: str) -> None:
    ids = HARD[name](1_200)
    best = 0
    for lag in range(1, len(ids) // 2 + 1):
        breaks = np.flatnonzero(ids[lag:] != ids[:-lag])
        longest = int(np.diff(breaks, prepend=-1, append=len(ids) - lag).max()) - 1
        if longest >= max(lag, 20):
            best = max(best, longest)
    run = find_run(ids, 20)
    assert (run.matched if run else 0) == best


def test_the_families_are_what_they_say() -> None:
    assert all(len(make(500)) == 500 and make(500).min() >= FIRST for make in HARD.values())
    assert find_run(HARD["square-free"](3_000)) is None
