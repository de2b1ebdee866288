"""Near loops: what was planted is found wherever it stands, what people write is not, and nothing
else matters.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loops.made_text import chars, prose, words
from recurrence.loops import Near, find_near
from recurrence.loops.near import copies as near
from recurrence.loops.near.copies import find_nears

TEXT = prose(0, 1_200)
CHARS, WORDS = chars(TEXT), words(TEXT)


def edited(unit: np.ndarray, copies: float, every: int, seed: int = 0) -> np.ndarray:
    """Copies of a unit; one token in so many is changed, dropped, or doubled."""
    rng = np.random.default_rng(seed)
    loop = np.resize(unit, int(len(unit) * copies)).tolist()
    out = []
    for token in loop:
        kind = rng.integers(3) if rng.random() < 1 / every else None
        out += {None: [token], 0: [int(rng.integers(900, 999))], 1: [], 2: [token, token]}[kind]
    return np.array(out)


def placed(loop: np.ndarray, human: np.ndarray, place: str, length: int) -> tuple[np.ndarray, int]:
    """The loop in human text, and where it starts."""
    after = {"tail": 0, "gap": 20, "middle": length // 2, "head": length}[place]
    cut = length - after
    return np.concatenate([human[:cut], loop, human[cut:length]]), cut


# ---------------------------------------------------------------- found


@pytest.mark.parametrize("place", ["tail", "gap", "middle", "head"])
@pytest.mark.parametrize(
    ("period", "copies"), [(13, 8), (40, 3), (40, 5), (85, 2.5), (150, 2), (401, 3)]
)
@pytest.mark.parametrize("every", [20, 10])
def test_loops_with_edits_are_found_wherever_they_stand(
    place: str, period: int, copies: float, every: int
) -> None:
    for floor, seed, text in ((40, 6, CHARS), (20, 3, WORDS)):
        loop = edited(text[600 : 600 + period], copies, every)
        ids, start = placed(loop, text, place, 400)
        found = find_near(ids, floor, seed=seed)
        assert found is not None
        assert abs(found.start - start) <= max(period // 2, 8)
        assert abs(found.end - start - len(loop)) <= max(period // 2, 8)
        turns = max(
            round(found.period / period), 1
        )  # two short copies may be more like two others than one is like one
        assert abs(found.period - turns * period) <= max(2, period // 10)
        assert turns == 1 or period < 40
        assert 1 - 4 / every < found.identity < 1


def test_the_parts_of_a_near_loop() -> None:
    """Five copies of forty tokens, one in the third copy changed: it differs from the second and
    from the fourth.
    """
    unit = np.arange(40)
    ids = np.concatenate([np.arange(100, 130), np.resize(unit, 200), np.arange(200, 230)])
    ids[30 + 95] = 999
    found = find_near(ids, 40)
    assert found == Near(start=30, period=40, end=230, edits=2)
    assert (found.copies, found.aligned, found.matched, found.weight) == (5, 160, 158, 158)
    assert found.identity == 158 / 160


def test_a_line_that_counts_is_a_near_loop() -> None:
    """One word in ten changes."""
    days = ["one", "two", "three", "four", "five", "six"]
    text = " ".join(f"and on day {day} we ate nothing at all ." for day in days)
    found = find_near(words(text), 20)
    assert found is not None
    assert (found.start, found.period, found.end) == (0, 10, 60)
    assert found.edits == 5


def test_the_period_may_drift() -> None:
    """Every copy is one token longer than the one before."""
    ids = np.concatenate([np.r_[np.arange(30), np.arange(100, 100 + extra)] for extra in range(8)])
    found = find_near(ids, 40)
    assert found is not None
    assert found.start == 0
    assert found.end >= len(ids) - 8
    assert 31 <= found.period <= 36


def test_an_exact_loop_is_a_near_loop_without_edits() -> None:
    ids = np.concatenate([WORDS[:100], np.resize([1001, 1002, 1003], 60), WORDS[100:150]])
    assert find_near(ids, 20) == Near(100, 3, 160, 0)


def test_in_long_texts_up_to_the_largest_period(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near, "_SPAN", 200)
    loop = edited(WORDS[600:640], 8, 15)
    for start in (0, 150, 390, 700):
        ids = np.concatenate([WORDS[:start], loop, WORDS[700:1000]])
        found = find_near(ids, 20)
        assert found is not None
        assert abs(found.start - start) <= 10
        assert abs(found.end - start - len(loop)) <= 10
    periods = {
        period: find_near(np.resize(np.arange(period), 3 * period), 20) for period in (200, 201)
    }
    assert periods == {200: Near(0, 200, 600, 0), 201: None}


def test_among_any_number_of_seeds_that_lead_nowhere() -> None:
    """A hundred phrases of nine words come again, which is more than the loop leaves whole."""
    phrases = np.arange(1000, 1900).reshape(100, 9)
    again = np.random.default_rng(0).permutation(phrases)
    rows = [np.r_[phrase, 2000 + i] for i, phrase in enumerate([*phrases, *again])]
    loop = np.resize(np.arange(8), 96)
    loop[3::8] = np.arange(3000, 3012)
    found = find_near(np.concatenate([*rows, loop]), 20)
    assert found == Near(start=2000, period=8, end=2096, edits=11)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 300), st.sampled_from([0, 0, 2, 4]), st.integers(0, 99)),
        max_size=8,
    )
)
def test_many_at_once_as_one_by_one(made: list[tuple[int, int, int]]) -> None:
    samples = [
        np.concatenate(
            [
                WORDS[seed : seed + before],
                edited(WORDS[600:640], copies, 15, seed),
                WORDS[700 : 700 + seed],
            ]
        )
        for before, copies, seed in made
    ]
    with pytest.MonkeyPatch.context() as patch:
        for at_once in (1, 500, 10**6):
            patch.setattr(near, "_TOGETHER", at_once)
            assert find_nears(samples, 20) == [find_near(ids, 20) for ids in samples]


# ---------------------------------------------------------------- not found


def test_no_false_alarm_on_text_that_does_not_loop() -> None:
    long = prose(1, 32_000)
    for ids, floor, seed, length in ((chars(long), 40, 6, 1000), (words(long), 20, 3, 500)):
        cut = [ids[low : low + length] for low in range(0, len(ids) - length, length)]
        assert len(cut) >= 60
        assert [find_near(each, floor, seed=seed) for each in cut] == [None] * len(cut)


def test_a_passage_that_comes_again_later_is_no_loop() -> None:
    """It is one where little else stands between: at most two fifths of the period."""
    again = {
        between: np.r_[WORDS[:150], WORDS[300 : 300 + between], WORDS[:150]]
        for between in (0, 90, 110, 300)
    }
    assert {between: find_near(ids, 20) is not None for between, ids in again.items()} == {
        **dict.fromkeys((0, 90), True),
        **dict.fromkeys((110, 300), False),
    }


def test_more_edits_than_delta_are_no_loop() -> None:
    """Every fifth token differs, in each copy another one: two edits in five are 0.4 a token."""
    unit, rng = np.arange(50), np.random.default_rng(0)
    copies = [
        np.where(np.arange(50) % 5 == rng.permutation(5)[0], 1000 + 50 * k + unit, unit)
        for k in range(6)
    ]
    assert find_near(np.concatenate(copies), 20, delta=0.5) is not None
    assert find_near(np.concatenate(copies), 20, delta=0.15) is None


@pytest.mark.parametrize(("copies", "weight"), [(3, 76), (2, 19), (2.7, 64), (1.5, 0)])
def test_two_copies_weigh_half(copies: float, weight: int) -> None:
    """Three copies of which one token was edited away at the end still are three."""
    end = int(40 * copies)
    assert Near(0, 40, end, 4 if copies == 3 else 2 if copies == 2 else 4).weight == weight


def test_the_floor_is_the_least_weight_that_counts() -> None:
    ids = np.concatenate([np.arange(100, 120), np.resize(np.arange(30), 120), np.arange(200, 220)])
    ids[75] = 999
    found = find_near(ids, 1)
    assert found is not None
    assert find_near(ids, found.weight) == found
    assert find_near(ids, found.weight + 1) is None


@pytest.mark.parametrize("ids", [[], [1], [1, 1], [1, 2, 3], list(range(100))])
def test_nothing_to_find(ids: list[int]) -> None:
    assert find_near(np.array(ids, np.int64), 1) is None


def test_what_is_no_sequence_is_named() -> None:
    with pytest.raises(ValueError, match=r"1-D sequence, got shape \(2, 3\)"):
        find_near(np.zeros((2, 3), int), 20)


# ---------------------------------------------------------------- what must not matter


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_names_of_tokens_do_not_matter(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ids, _ = placed(edited(WORDS[600:630], 4, 12, seed), WORDS, "gap", 200)
    known, codes = np.unique(ids, return_inverse=True)
    other = rng.choice(2**40, len(known), replace=False) - 2**39
    assert find_near(other[codes], 20) == find_near(ids, 20)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 300))
def test_text_before_only_shifts_the_start(seed: int, before: int) -> None:
    loop = edited(np.arange(2000, 2040), 4, 15, seed)
    alone, later = find_near(loop, 20), find_near(np.concatenate([WORDS[:before], loop]), 20)
    assert alone is not None
    assert later == Near(alone.start + before, alone.period, alone.end + before, alone.edits)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_another_copy_only_adds_to_it(seed: int) -> None:
    loop = edited(np.arange(2000, 2040), 3, 15, seed)
    found, more = find_near(loop, 20), find_near(np.concatenate([loop, loop[-40:]]), 20)
    assert found is not None
    assert more is not None
    assert more.matched >= found.matched + 30


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_backwards_it_is_found_as_well(seed: int) -> None:
    ids, start = placed(edited(np.arange(2000, 2040), 4, 15, seed), WORDS, "middle", 200)
    found, mirrored = find_near(ids, 20), find_near(ids[::-1], 20)
    assert found is not None
    assert mirrored is not None
    assert abs(len(ids) - mirrored.end - found.start) <= 8
    assert abs(mirrored.matched - found.matched) <= 12
