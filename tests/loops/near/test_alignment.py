"""The bit-parallel banded alignment against rapidfuzz's edit distance, and where it ends."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from recurrence.loops.near.alignment import Reach, matches, reach, slack

ON = {"cost": 0.001, "drop": 1e9}  # goes on to the end


@st.composite
def repeated(draw: st.DrawFn) -> tuple[list[int], int]:
    """A sequence and a lag: a unit over and over with some tokens changed, dropped and added."""
    unit = draw(st.lists(st.integers(0, 5), min_size=1, max_size=30))
    ids = unit * draw(st.integers(2, 4))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(len(unit), len(ids) - 1))
        ids[at : at + draw(st.integers(0, 1))] = draw(st.lists(st.integers(0, 5), max_size=1))
        ids += draw(st.lists(st.integers(0, 5), min_size=1, max_size=3))
    return ids, len(unit)


def distance(ids: list[int], place: int, lag: int, found: Reach) -> int:
    """By the oracle: between the stretch and the one it was aligned with."""
    end = place + found.tokens
    return Levenshtein.distance(ids[place:end], ids[place - lag : end - (found.lags or [lag])[-1]])


@settings(max_examples=300, deadline=None)
@given(repeated(), st.integers(0, 5))
def test_edits_are_the_edit_distance_where_it_fits_the_band(
    made: tuple[list[int], int], more: int
) -> None:
    ids, lag = made
    place = min(lag + more, len(ids) - 1)
    found = reach(np.array(ids), place, lag, **ON)
    assert found.tokens == len(found.lags) == len(ids) - place
    true = distance(ids, place, lag, found)
    assert found.edits >= true
    if true + abs(found.lags[-1] - lag) <= slack(lag):
        assert found.edits == true


@settings(max_examples=200, deadline=None)
@given(repeated(), st.sampled_from([2.5, 5.0, 7.0]), st.integers(2, 20))
def test_it_ends_where_it_gained_most(made: tuple[list[int], int], cost: float, drop: int) -> None:
    """No shorter prefix of it, as far as the oracle can tell, gains more."""
    ids, lag = made
    found = reach(np.array(ids), lag, lag, cost, drop)
    assert found.edits >= distance(ids, lag, lag, found)
    assert found.tokens == 0 or found.tokens > cost * found.edits
    assert all(1 <= each <= lag + slack(lag) for each in found.lags)
    for tokens in range(found.tokens):
        shorter = reach(np.array(ids[: lag + tokens]), lag, lag, cost, drop)
        assert shorter.tokens - cost * shorter.edits <= found.tokens - cost * found.edits


@pytest.mark.parametrize(
    ("text", "lag", "tokens", "edits", "last"),
    [
        ("abcdefabcdef", 6, 6, 0, 6),
        ("abcdefabXdefabcdef", 6, 12, 2, 6),  # the odd one is held against twice
        ("abcdefgabcdfgabcdfg", 7, 12, 1, 6),  # one dropped: the lag is one less from there
        ("abcdefghijklabcdefgXhijkl", 12, 13, 1, 13),  # one more
        ("abcdefuvwxyz", 6, 0, 0, None),
    ],
)
def test_by_hand(text: str, lag: int, tokens: int, edits: int, last: int | None) -> None:
    found = reach(np.array([ord(c) for c in text]), lag, lag, 2.5, 8.0)
    assert (found.tokens, found.edits, found.lags[-1] if found.lags else None) == (
        tokens,
        edits,
        last,
    )


def test_it_gives_up_after_too_many_edits_in_a_row() -> None:
    """Twenty tokens fit, ten do not, twenty fit again: 10 edits cost 15 tokens."""
    unit = list(range(50))
    ids = np.array(unit + unit[:20] + list(range(100, 110)) + unit[30:])
    near: dict[str, Any] = {"ids": ids, "place": 50, "lag": 50, "cost": 2.5}
    assert reach(**near, drop=14).tokens == 20
    assert (reach(**near, drop=16).tokens, reach(**near, drop=16).edits) == (50, 10)


def test_a_lag_never_drifts_to_nothing() -> None:
    """Else everything would equal itself."""
    rng = np.random.default_rng(0)
    assert [slack(lag) for lag in (1, 2, 3, 8, 12, 100, 1000)] == [0, 1, 2, 2, 3, 25, 64]
    for lag in (1, 2, 3, 4):
        found = reach(rng.integers(0, 100, 300), lag, lag, **ON)
        assert found.edits > 200
        assert min(found.lags) >= 1


# ---------------------------------------------------------------- many at once


@settings(max_examples=200, deadline=None)
@given(
    st.lists(repeated(), min_size=1, max_size=4),
    st.sampled_from([2.0, 2.5, 7.0]),
    st.integers(1, 31),
    st.data(),
)
def test_many_in_step_match_as_much_as_one_by_one(
    made: list[tuple[list[int], int]], cost: float, enough: int, data: st.DataObject
) -> None:
    """Each within its own text, at any of its lags."""
    texts = [np.array(ids) for ids, _ in made]
    asked, alone = [], []
    for low, ids in zip(np.cumsum([0, *map(len, texts)]), texts, strict=False):
        for place in data.draw(st.lists(st.integers(1, len(ids)), max_size=4)):
            lag = data.draw(st.integers(1, place))
            asked.append((low + place, lag, len(ids) - place))
            found = reach(ids, place, lag, cost, 5 * (cost - 1))
            alone.append(found.tokens - found.edits)
    rows = np.array(asked, np.int64).reshape(-1, 3)
    together = matches(np.concatenate(texts), rows, cost, 5 * (cost - 1), enough)
    assert np.minimum(together, enough).tolist() == np.minimum(alone, enough).tolist()


def test_in_step_long_lags_drift_as_far_as_alone() -> None:
    """A lag of 400 may drift by 64 to each side, here by 27: the same from a band of 31."""
    for more in (-3, 3):
        ends = [20 * k + 20 + min(more, 0) for k in range(10)]
        parts = [
            np.r_[np.arange(20 * k, end), np.full(max(more, 0), 900 + k)]
            for k, end in enumerate(ends)
        ]
        ids = np.concatenate([np.arange(400), *parts])
        found = reach(ids, 400, 400, 2.0, 20.0)
        assert found.lags[-1] == 400 + 9 * more
        assert (
            matches(ids, np.array([[400, 400, len(ids) - 400]]), 2.0, 20.0, 400)
            == found.tokens - found.edits
        )
