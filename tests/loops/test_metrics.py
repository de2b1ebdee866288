"""Each metric on an example counted by hand, and the longest repeat against its definition."""

import zlib
from math import isnan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurrence.loops import METRICS, distinct_n, longest_repeat, measure, rep_n, zlib_ratio

ONE_TWO = [1, 2, 1, 2, 3]
short = st.integers(1, 4).flatmap(lambda size: st.lists(st.integers(0, size - 1), max_size=30))


@pytest.mark.parametrize(
    ("n", "unique", "total"),
    [
        (1, 3, 5),  # 1 2 3
        (2, 3, 4),  # 12 21 23
        (3, 3, 3),  # 121 212 123
        (4, 2, 2),
        (5, 1, 1),
    ],
)
def test_n_grams_counted_by_hand(n: int, unique: int, total: int) -> None:
    assert distinct_n(ONE_TWO, n) == unique / total
    assert rep_n(ONE_TWO, n) == 1 - unique / total


def test_a_loop_has_as_many_n_grams_as_its_period() -> None:
    ids = list(range(13)) * 76
    for n in (1, 4, 8):
        assert rep_n(ids, n) == 1 - 13 / (988 - n + 1)
    assert round(rep_n(ids, 4), 3) == 0.987


def test_too_short_for_an_n_gram_is_undefined() -> None:
    assert isnan(rep_n([1, 2, 3], 4))
    assert isnan(distinct_n([], 1))


@settings(max_examples=100, deadline=None)
@given(short, st.integers(1, 9))
def test_distinct_n_equals_a_set_of_tuples(ids: list[int], n: int) -> None:
    grams = [tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)]
    if grams:
        assert distinct_n(ids, n) == len(set(grams)) / len(grams)


@pytest.mark.parametrize(
    ("text", "length"),
    [("", 0), ("a", 0), ("abc", 0), ("aa", 1), ("aaaa", 3), ("banana", 3), ("abcab", 2), ("abcdxabcdyabcd", 4)],
)
def test_longest_repeat_by_hand(text: str, length: int) -> None:
    """aaaa: aaa stands at 0 and at 1; banana: ana at 1 and 3."""
    assert longest_repeat([ord(letter) for letter in text]) == length


@settings(max_examples=200, deadline=None)
@given(short)
def test_longest_repeat_equals_the_slow_search(ids: list[int]) -> None:
    def twice(n: int) -> bool:
        grams = [tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)]
        return len(set(grams)) < len(grams)

    assert longest_repeat(ids) == max((n for n in range(1, len(ids)) if twice(n)), default=0)


def test_zlib_ratio_is_bytes_over_compressed_bytes() -> None:
    text = "ä la carte " * 50
    assert zlib_ratio(text) == 600 / len(zlib.compress(text.encode()))
    assert zlib_ratio(text) > 20
    assert isnan(zlib_ratio(""))


def test_zlib_ratio_takes_text_that_is_no_proper_unicode() -> None:
    """A lone surrogate comes out of JSON escapes; it counts three bytes."""
    assert zlib_ratio("\ud800") == 3 / len(zlib.compress(b"\xed\xa0\x80"))


def test_measure_gives_all_metrics_and_nan_where_there_is_none() -> None:
    figures = measure(ONE_TWO, "a b a b c")
    assert tuple(figures) == METRICS
    assert figures["rep_2"] == 0.25
    assert figures["distinct_2"] == 0.75
    assert figures["longest_repeat"] == 2
    assert isnan(figures["rep_8"])
