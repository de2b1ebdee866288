"""Each metric of a sample on an example counted by hand, and those by suffix array against their
definition.
"""

import zlib
from math import isnan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurrence.repetition.metrics import (
    METRICS,
    Training,
    distinct_n,
    longest_repeat,
    lz_factors,
    measure,
    measure_all,
    non_word,
    rep_n,
    rep_r,
    rep_w,
    words_of,
    zlib_ratio,
)

ONE_TWO = [1, 2, 1, 2, 3]
short = st.integers(1, 4).flatmap(lambda size: st.lists(st.integers(0, size - 1), max_size=30))


def letters(text: str) -> list[int]:
    return [ord(letter) for letter in text]


# ---------------------------------------------------------------- n-grams


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


def test_numbers_of_n_grams_do_not_overflow() -> None:
    """Eight of 60,000 tokens are more than 64 bits hold."""
    ids = np.tile(np.arange(60_000), 2)
    assert distinct_n(ids, 8) == 60_000 / (120_000 - 7)


@settings(max_examples=100, deadline=None)
@given(short, st.integers(1, 9))
def test_distinct_n_equals_a_set_of_tuples(ids: list[int], n: int) -> None:
    grams = [tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)]
    if grams:
        assert distinct_n(ids, n) == len(set(grams)) / len(grams)


def test_rep_w_by_hand() -> None:
    """a b c a d b, looking 3 back: a again after 3 counts, b again after 4 does not."""
    assert rep_w(letters("abcadb"), window=3) == 1 / 6
    assert rep_w(letters("abcadb"), window=4) == 2 / 6
    assert rep_w(letters("abcadb")) == 2 / 6
    assert rep_w([5] * 10) == 9 / 10
    far = [9, *range(10, 26), 9]  # 17 apart
    assert (rep_w(far), rep_w(far, 17)) == (0, 1 / 18)
    assert isnan(rep_w([]))


@settings(max_examples=100, deadline=None)
@given(short, st.integers(1, 6))
def test_rep_w_equals_its_definition(ids: list[int], window: int) -> None:
    if ids:
        again = sum(ids[t] in ids[max(t - window, 0) : t] for t in range(len(ids)))
        assert rep_w(ids, window) == again / len(ids)


def test_rep_r_by_hand() -> None:
    """a b x a b y: ab is there twice, so its four tokens count; x and y stand in no such bigram.
    aaa: aa twice.
    """
    assert rep_r(letters("abxaby")) == 4 / 6
    assert rep_r(letters("aaa")) == 1
    assert rep_r(letters("abc")) == 0
    assert isnan(rep_r([1]))


# ---------------------------------------------------------------- compression and long repeats


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("", 0),
        ("a", 0),
        ("abc", 0),
        ("aa", 1),
        ("aaaa", 3),
        ("banana", 3),
        ("abcab", 2),
        ("abcdxabcdyabcd", 4),
    ],
)
def test_longest_repeat_by_hand(text: str, length: int) -> None:
    """aaaa: aaa stands at 0 and at 1; banana: ana at 1 and 3."""
    assert longest_repeat(letters(text)) == length


@settings(max_examples=200, deadline=None)
@given(short)
def test_longest_repeat_equals_the_slow_search(ids: list[int]) -> None:
    def twice(n: int) -> bool:
        grams = [tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)]
        return len(set(grams)) < len(grams)

    assert longest_repeat(ids) == max((n for n in range(1, len(ids)) if twice(n)), default=0)


@pytest.mark.parametrize(
    "parsed", ["a|ab", "a|aaaaaaa", "a|b|ababab", "a|b|ac|ab", "b|a|n|ana", "a|b|c|abcx|xy"]
)
def test_lz_factors_by_hand(parsed: str) -> None:
    """banana: b, a and n are new; then ana, which begins at the first a too and overlaps it, up to
    the end.
    """
    text = parsed.replace("|", "")
    assert lz_factors(letters(text)) == pytest.approx(1000 * len(parsed.split("|")) / len(text))


def test_lz_factors_of_nothing_is_undefined() -> None:
    assert isnan(lz_factors([]))


def test_zlib_ratio_is_bytes_over_compressed_bytes() -> None:
    text = "ä la carte " * 50
    assert zlib_ratio(text) == 600 / len(zlib.compress(text.encode()))
    assert zlib_ratio(text) > 20
    assert isnan(zlib_ratio(""))


def test_zlib_ratio_takes_text_that_is_no_proper_unicode() -> None:
    """A lone surrogate comes out of JSON escapes; it counts three bytes."""
    assert zlib_ratio("\ud800") == 3 / len(zlib.compress(b"\xed\xa0\x80"))


# ---------------------------------------------------------------- words


def test_non_word_by_hand() -> None:
    """Whole words: sat, dgo, on; of them dgo is unknown. "he" and "th" touch the ends and may be
    cut.
    """
    known = words_of("The cat sat on the mat--did it?")
    assert known == {"The", "cat", "sat", "on", "the", "mat", "did", "it"}
    assert non_word("he sat,dgo on th", known) == 1 / 3
    assert non_word(" he sat. ", known) == 1 / 2
    assert isnan(non_word("uncut", known))
    assert isnan(non_word(" 12, 34 ", known))


# ---------------------------------------------------------------- all of them


def test_measure_gives_all_metrics_and_nan_where_there_is_none() -> None:
    figures = measure(ONE_TWO, "a b a b c")
    assert list(figures) == list(METRICS)
    assert figures["rep_2"] == 0.25
    assert figures["distinct_2"] == 0.75
    assert figures["longest_repeat"] == 2
    assert figures["lz_factors"] == 600  # 1 2 123
    unknown = (
        "rep_8",
        "welleck_rep_4",
        "holtzman_paper_200",
        "holtzman_code_200",
        "longest_verbatim",
        "non_word",
    )
    assert all(isnan(figures[name]) for name in unknown)


@settings(max_examples=100, deadline=None)
@given(short)
def test_measure_agrees_with_each_metric_alone(ids: list[int]) -> None:
    figures = measure(ids, "text")
    alone = {f"rep_{n}": rep_n(ids, n) for n in (1, 2, 3, 4, 8)} | {
        f"distinct_{n}": distinct_n(ids, n) for n in (1, 3)
    }
    alone |= {
        "longest_repeat": longest_repeat(ids),
        "lz_factors": lz_factors(ids),
        "zlib_ratio": zlib_ratio("text"),
    }
    alone |= {"rep_w": rep_w(ids), "rep_r": rep_r(ids)}
    assert {name: figures[name] for name in alone} == pytest.approx(alone, nan_ok=True)


def test_wellecks_rep_4_is_of_the_first_100_tokens() -> None:
    """97 4-grams, of which those of a cycle of 10 make 10; what follows does not count."""
    ids = list(range(10)) * 10 + list(range(1000, 1900))
    assert measure(ids, "")["welleck_rep_4"] == pytest.approx(1 - 10 / 97)
    assert isnan(measure(ids[:99], "")["welleck_rep_4"])


@pytest.mark.parametrize(
    ("end", "paper", "code"),
    [
        ([1, 2, 3] * 3, 1, 1),
        ([1, 2, 3] * 2, 0, 1),  # twice is enough for the code alone
        ([1, 2] * 3, 1, 0),  # two tokens: the code asks for more than 50 copies
        ([1, 2, 3, 3] * 2, 0, 0),  # the doubled last token hides the unit from the code
        ([1, 2, 3, 3] * 3, 1, 1),
        ([1, 2, 3] * 3 + [4], 0, 0),  # not at the end
        (list(range(99)) * 2, 0, 0),  # twice, and longer than the code looks
    ],
)
def test_holtzmans_repetition_is_that_at_the_end_of_the_first_200_tokens(
    end: list[int], paper: int, code: int
) -> None:
    """By the rule of the paper and by that of its code; what follows does not count."""
    first = [*range(1000, 1200 - len(end)), *end]
    for more in ([], [1, 2, 3] * 100):
        figures = measure(first + [5000] * bool(more) + more, "")
        assert (figures["holtzman_paper_200"], figures["holtzman_code_200"]) == (paper, code)
    assert isnan(measure(first[1:], "")["holtzman_paper_200"])
    assert isnan(measure(first[1:], "")["holtzman_code_200"])


def test_measure_all_looks_at_the_training_text_too() -> None:
    samples, texts = [[1, 2, 3, 9], [7, 7], []], ["a bc d", " bc de ", ""]
    rows = measure_all(samples, texts, Training(np.array([0, 1, 2, 3, 4]), words_of("bc")))
    assert [row["longest_verbatim"] for row in rows] == [3, 0, 0]
    assert [row["non_word"] for row in rows] == pytest.approx([0, 1 / 2, float("nan")], nan_ok=True)
    words = measure_all(samples, texts, Training(np.array([0, 1, 2, 3, 4])))
    assert words[0]["longest_verbatim"] == 3 and isnan(words[0]["non_word"])
    assert isnan(measure_all(samples, texts)[0]["longest_verbatim"])
    assert all(list(row) == list(METRICS) for row in rows)
