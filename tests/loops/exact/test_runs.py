"""The run search against a quadratic search from the definition, on what happens to it and on what
was planted.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product

import numpy as np
import pydivsufsort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurrence.loops import Run, all_runs, find_run, find_runs, fingerprints, nested_run
from recurrence.loops.exact import anchors, lags, runs

short = st.integers(1, 4).flatmap(lambda size: st.lists(st.integers(0, size - 1), max_size=40))


@st.composite
def planted(draw: st.DrawFn) -> list[int]:
    """A unit repeated, perhaps cut, perhaps itself with a run inside, between other tokens."""
    unit = draw(st.lists(st.integers(0, 2), min_size=1, max_size=6)) * draw(st.integers(1, 3))
    unit += draw(st.lists(st.integers(0, 2), max_size=6))
    times, cut = draw(st.integers(1, 5)), draw(st.integers(0, len(unit)))
    return draw(short) + unit * times + unit[:cut] + draw(short)


def all_slowly(ids: list[int], least: int) -> list[Run]:
    """Every maximal run, by the definition alone; of equal stretches the smallest period."""
    found: dict[tuple[int, int], Run] = {}
    for period in range(1, len(ids)):
        first = period
        while first < len(ids):
            end = first
            while end < len(ids) and ids[end] == ids[end - period]:
                end += 1
            if end - first >= max(period, least):
                found.setdefault((first - period, end), Run(first - period, period, end))
            first = end + 1
    return [found[place] for place in sorted(found)]


def best(found: list[Run]) -> Run | None:
    """The run with the most evidence; of equal ones that with the smallest period, then the
    earliest.
    """
    return min(found, key=lambda r: (-r.matched, r.period, r.start), default=None)


def slowly(ids: list[int]) -> Run | None:
    return best(all_slowly(ids, 1))


def words(text: str) -> list[int]:
    return [ord(letter) for letter in text]


# ---------------------------------------------------------------- equal to the definition


@settings(max_examples=300, deadline=None)
@given(short | planted(), st.integers(1, 12))
def test_equals_the_slow_search(ids: list[int], least: int) -> None:
    expected = slowly(ids)
    assert find_run(ids) == expected
    assert find_run(ids, least) == (expected if expected and expected.matched >= least else None)


@pytest.mark.parametrize("size", range(13))
def test_equals_the_slow_search_on_all_binary_sequences(size: int) -> None:
    texts = [list(ids) for ids in product((0, 1), repeat=size)]
    assert find_runs(texts) == [slowly(ids) for ids in texts]


@contextmanager
def small_parts(least_for_anchors: int = 3) -> Iterator[None]:
    """Blocks so small that these texts have many, and anchors for nearly everything."""
    with pytest.MonkeyPatch.context() as patch:
        for place in (anchors, fingerprints):
            patch.setattr(place, "BLOCK", 4)
        patch.setattr(anchors, "_PAIRS", 3)
        patch.setattr(lags, "_STRIP", 4)
        patch.setattr(lags, "_AHEAD", 2)
        patch.setattr(runs, "_TOGETHER", 50)
        patch.setattr(runs, "_BRIEF", 1)
        patch.setattr(runs, "_ANCHORED", (least_for_anchors, least_for_anchors))
        fingerprints._powers.cache_clear()
        yield
    fingerprints._powers.cache_clear()


@settings(max_examples=100, deadline=None)
@given(planted(), st.integers(1, 8), st.integers(2, 6))
def test_equals_the_slow_search_however_it_is_cut_into_blocks(
    ids: list[int], least: int, split: int
) -> None:
    with small_parts(split):
        assert all_runs(ids, least) == all_slowly(ids, least)
        assert find_run(ids, least) == best(all_slowly(ids, least))


@pytest.mark.parametrize("size", range(9))
def test_anchors_equal_the_slow_search_on_all_binary_sequences(size: int) -> None:
    with small_parts():
        for ids in product((0, 1), repeat=size):
            assert all_runs(ids, 3) == all_slowly(list(ids), 3), ids


@pytest.mark.parametrize("size", range(10))
def test_all_runs_of_all_binary_sequences(size: int) -> None:
    for ids in product((0, 1), repeat=size):
        assert all_runs(ids, 1) == all_slowly(list(ids), 1), ids


@settings(max_examples=200, deadline=None)
@given(short | planted(), st.integers(1, 20))
def test_all_runs_equal_the_slow_search(ids: list[int], least: int) -> None:
    assert all_runs(ids, least) == all_slowly(ids, least)


@settings(max_examples=60, deadline=None)
@given(st.lists(short | planted(), max_size=8), st.integers(1, 20))
def test_many_texts_are_searched_as_each_alone(texts: list[list[int]], least: int) -> None:
    expected = [find_run(ids, least) for ids in texts]
    assert find_runs(texts, least) == expected
    with small_parts():
        assert find_runs(texts, least) == expected


def test_texts_of_a_batch_do_not_touch() -> None:
    """Each ends as the next begins, so that together they loop."""
    assert find_runs([[1, 2, 3]] * 50) == [None] * 50
    assert find_runs([[7] * 30, [7] * 30], least=29) == [Run(0, 1, 30)] * 2
    loop = [*range(90), *range(90), *[0, 1] * 40]
    alone = find_run(loop, 40)
    assert (
        find_runs([loop, loop[1:], loop, loop] * 3, 40)
        == [alone, find_run(loop[1:], 40), alone, alone] * 3
    )
    assert find_runs([], least=3) == []
    assert find_runs(np.array([[5] * 9, [1, 2, 3] * 3])) == [Run(0, 1, 9), Run(0, 3, 9)]


# ---------------------------------------------------------------- long texts, where anchors choose among themselves


def repetitive(rng: np.random.Generator) -> np.ndarray:
    """Parts that repeat on several scales, some broken by single tokens."""
    one, two = [0], [0, 1]
    while len(two) < 3000:
        one, two = two, two + one
    unit = np.concatenate([np.resize([0, 1], rng.integers(20, 900)), [rng.integers(0, 3)]])
    phrase = rng.integers(0, 4, rng.integers(20, 300))
    parts = [
        np.array(two[: rng.integers(100, 3000)]),
        np.zeros(rng.integers(1, 2000), int),
        np.resize(unit, 3 * len(unit) // int(rng.integers(1, 3))),
        np.concatenate(
            [np.append(phrase, rng.integers(0, 4, rng.integers(0, 30))) for _ in range(8)]
        ),
        np.resize(rng.integers(0, 2, rng.integers(1, 1000)), 1500),
    ]
    ids = np.concatenate([parts[i] for i in rng.integers(0, len(parts), 4)])
    ids = np.concatenate([ids, ids[: rng.integers(0, len(ids))]])
    ids[rng.integers(0, len(ids), 2)] = 3
    return ids


def by_lags(ids: np.ndarray, least: int) -> list[Run]:
    """Every run, each lag compared in whole."""
    found: dict[tuple[int, int], int] = {}
    for period in range(1, len(ids) // 2 + 1):
        same = np.concatenate([[0], ids[period:] == ids[:-period], [0]]).astype(np.int8)
        edges = np.flatnonzero(np.diff(same))
        for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            if end - first >= max(period, least):
                found.setdefault((first, end + period), period)
    return [Run(start, period, end) for (start, end), period in sorted(found.items())]


@pytest.mark.parametrize("seed", range(6))
def test_repetitive_texts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    ids = repetitive(rng)[:6_000]
    least = int(rng.integers(15, 60))
    everything = by_lags(ids, least)
    assert all_runs(ids, least) == everything
    assert find_run(ids, least) == best(everything)


@pytest.mark.parametrize("copies", [2, 2.3])
def test_a_run_of_runs_of_runs(copies: float) -> None:
    """Loops inside loops on four scales, the largest of 200,000 tokens, so that all tiers of
    anchors are used.
    """
    rng = np.random.default_rng(0)
    unit = rng.integers(0, 3, 20)
    for size in (300, 8_000, 100_000):
        unit = np.append(np.resize(unit, size), rng.integers(0, 3, 5))
    unit[-1] = 9
    ids = np.concatenate([[7, 8], np.resize(unit, int(copies * len(unit))), [7]])
    assert find_run(ids, 20) == Run(2, len(unit), len(ids) - 1)


# ---------------------------------------------------------------- fingerprints that collide


@settings(max_examples=100, deadline=None)
@given(planted(), st.integers(1, 6))
def test_colliding_fingerprints_change_nothing(ids: list[int], least: int) -> None:
    """With base 1 a fingerprint is a sum, so any two windows with the same tokens in any order
    collide.
    """
    with small_parts(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(runs, "_FIRST_BASE", 1)
        assert find_run(ids, least) == best(all_slowly(ids, least))
        assert all_runs(ids, least) == all_slowly(ids, least)


def test_base_one_does_collide() -> None:
    """The test above would prove nothing if checks of what is found were never needed."""
    with small_parts():
        ids = np.array([0, 1, 1, 0, 0, 1, 0, 1, 5])
        first = runs._best([ids], 3, 1)
        assert first != [find_run(ids, 3)]


# ---------------------------------------------------------------- what the words mean


def test_the_parts_of_a_run() -> None:
    run = find_run(words("xabcabcaby"))
    assert run == Run(start=1, period=3, end=9)
    assert (run.copies, run.matched, run.first_repeat) == (8 / 3, 5, 4)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("a", None),
        ("ab", None),
        ("aa", Run(0, 1, 2)),
        ("abab", Run(0, 2, 4)),  # a period of exactly half the length
        ("abcab", None),  # fewer than two copies
        ("aaaaaa", Run(0, 1, 6)),  # primitive: not period 2 or 3
        ("abcc" * 2 + "d", Run(0, 4, 8)),  # the doubled last token is the smaller run
        ("aab" * 3, Run(0, 3, 9)),  # a unit that contains a run
        ("aaabbb", Run(0, 1, 3)),  # a tie of period and evidence: the earliest
        ("abcdabcd" + "x" + "eeeee", Run(9, 1, 14)),  # a tie of evidence: the smallest period
    ],
)
def test_small_cases(text: str, expected: Run | None) -> None:
    assert find_run(words(text)) == expected


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([1, 2, 3] * 3, Run(0, 3, 9)),
        ([1, 2, 3] * 2, Run(0, 3, 6)),
        ([1, 2, 3, 1, 2, 3, 1, 2, 4], Run(0, 3, 8)),  # a tail that breaks off
        ([7, 8, 9] + [5] * 12, Run(3, 1, 15)),  # not "a 4-token pattern three times"
    ],
)
def test_sequences_that_serving_systems_are_tested_with(ids: list[int], expected: Run) -> None:
    """vLLM's repetition_detection tests have such vectors; ours says what is there and leaves the
    threshold apart.
    """
    assert find_run(ids) == expected


def test_ids_may_be_of_any_integer_type_and_sign() -> None:
    text = words("xxhello hello hellyy")
    for kind in (np.uint8, np.uint16, np.int32, np.int64, np.uint64):
        assert find_run(np.array(text, kind)) == Run(2, 6, 18)
    assert find_run(np.array(text) - 105) == Run(2, 6, 18)
    assert find_run(np.array(text, np.int64) << 50) == Run(2, 6, 18)


@pytest.mark.parametrize("ids", [[0.5, 1.0], [[1, 2], [1, 2]], ["a", "b"]])
def test_anything_but_a_row_of_integers_is_refused(ids: object) -> None:
    with pytest.raises(ValueError, match="1-D sequence of integers"):
        find_run(ids)  # type: ignore[arg-type]


# ---------------------------------------------------------------- what must not matter


@settings(max_examples=100, deadline=None)
@given(planted(), st.permutations(range(4)))
def test_names_of_tokens_do_not_matter(ids: list[int], names: list[int]) -> None:
    assert find_run([names[i] for i in ids]) == find_run(ids)


@settings(max_examples=100, deadline=None)
@given(planted())
def test_reversed_text_has_the_mirrored_evidence_and_period(ids: list[int]) -> None:
    run, mirrored = find_run(ids), find_run(ids[::-1])
    assert (run and (run.matched, run.period)) == (mirrored and (mirrored.matched, mirrored.period))


@settings(max_examples=100, deadline=None)
@given(planted())
def test_one_more_period_at_the_end_of_a_terminal_run_adds_a_copy(ids: list[int]) -> None:
    run = find_run(ids)
    if run and run.end == len(ids):
        unit = ids[-run.period :]
        longer = find_run(ids + unit)
        assert longer == Run(run.start, run.period, run.end + run.period)


@settings(max_examples=100, deadline=None)
@given(planted(), st.integers(1, 30))
def test_other_tokens_in_front_shift_the_start_alone(ids: list[int], size: int) -> None:
    run = find_run(ids)
    moved = run and Run(run.start + size, run.period, run.end + size)
    assert find_run([*range(100, 100 + size), *ids]) == moved


@settings(max_examples=100, deadline=None)
@given(planted())
def test_reversed_text_has_all_runs_mirrored(ids: list[int]) -> None:
    mirrored = [
        Run(len(ids) - run.end, run.period, len(ids) - run.start) for run in all_runs(ids, 2)
    ]
    assert all_runs(ids[::-1], 2) == sorted(mirrored, key=lambda run: (run.start, run.end))


@settings(max_examples=100, deadline=None)
@given(planted())
def test_without_its_last_token_a_text_has_the_same_runs_a_token_shorter_at_the_end(
    ids: list[int],
) -> None:
    cut = [
        run if run.end < len(ids) else Run(run.start, run.period, run.end - 1)
        for run in all_runs(ids, 1)
    ]
    assert all_runs(ids[:-1], 1) == [run for run in cut if run.matched >= run.period]


@settings(max_examples=100, deadline=None)
@given(planted())
def test_evidence_is_what_the_suffix_array_says_two_suffixes_share(ids: list[int]) -> None:
    text = np.array(ids, np.uint8)
    if len(text) < 2:
        return
    suffixes = pydivsufsort.divsufsort(text)
    shared = pydivsufsort.kasai(text, suffixes)
    rank = np.argsort(suffixes)
    for run in all_runs(text, 1):
        low, high = sorted((rank[run.start], rank[run.first_repeat]))
        assert shared[low:high].min() == run.matched


# ---------------------------------------------------------------- lengths as they occur


@pytest.mark.parametrize("period", [1, 2, 3, 13, 85, 401, 1500])
@pytest.mark.parametrize("copies", [2, 2.5, 10])
@pytest.mark.parametrize("before", (0, 22, 5000))
def test_planted_runs_are_found_whole(period: int, copies: float, before: int) -> None:
    rng = np.random.default_rng(period)
    unit, length = rng.permutation(5000)[:period], int(period * copies)
    ids = np.concatenate(
        [10_000 + np.arange(before), np.resize(unit, length), 20_000 + np.arange(777)]
    )
    assert find_run(ids) == Run(before, period, before + length)


def test_no_period_is_too_long() -> None:
    rng = np.random.default_rng(0)
    unit = rng.integers(0, 50, 150_000).astype(np.uint8)
    assert find_run(np.concatenate([unit, unit]), least=100) == Run(0, 150_000, 300_000)


def test_long_texts_of_one_token_and_of_fibonacci() -> None:
    assert find_run(np.zeros(200_000, np.uint8)) == Run(0, 1, 200_000)
    one, two = [0], [0, 1]
    while len(two) < 1500:
        one, two = two, two + one
    assert find_run(two) == slowly(two)


# ---------------------------------------------------------------- runs inside the unit


def test_the_run_inside_the_unit() -> None:
    ids = words("-" + "so very very very good. " * 3)
    run = find_run(ids)
    assert run == Run(1, 24, 73)
    assert nested_run(ids, run) == Run(3, 5, 19)  # " very very very "


def test_a_run_over_the_seam_of_the_unit_counts() -> None:
    ids = words("aab1a" * 3)
    assert nested_run(ids, Run(0, 5, 15)) == Run(4, 1, 7)


def test_a_unit_without_a_run_has_none_inside() -> None:
    assert nested_run(words("abc" * 5), Run(0, 3, 15)) is None
    assert nested_run(words("a" * 9), Run(0, 1, 9)) is None
