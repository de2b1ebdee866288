"""Verdicts on texts built like those the notebooks printed, on planted loops, on human text; and the rates."""

import io
import os
import zipfile
from math import nan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurrence.loops import (
    Run,
    Verdict,
    find_run,
    judge,
    measured_floor,
    nested_run,
    rates,
    rep_n,
    smallest_rotation,
    wilson,
    windows,
    zlib_ratio,
)

CHAR, WORD = 40, 20
CORPORA = Path(os.environ.get("RECURRENCE_MIRROR") or Path(__file__).parents[3] / "shared/corpora")

PROSE = """\
A lamp was left burning in the upper room, and by its light the two brothers read aloud in turn from the ledger their \
father had kept. Neither believed what it said about the mill. The older one held that every figure had been entered \
twice, once for the bank and once for the river; the younger laughed, turned three pages together, and asked who had \
ever heard of a miller paying a river. Outside, rain fell on the slates as it had fallen since Tuesday. "Very, very \
slowly," wrote the father in 1871, "the water takes back what I owe it." - - - - They closed the book. It was late, \
it was cold, and somebody would have to walk down to the sluice before morning, and the next, and the one after that."""


def chars(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le"), np.uint32)


def words(text: list[str]) -> np.ndarray:
    return np.unique(text, return_inverse=True)[1]


# ---------------------------------------------------------------- what the notebooks printed, rebuilt


def test_greedy_characters_that_loop_from_the_first() -> None:
    """Period 13 from the first character on, 76 copies."""
    text = " of the mills" * 76
    verdict = judge(chars(text), CHAR)
    assert (verdict.kind, verdict.start, verdict.period, verdict.copies) == ("exact", 0, 13, 76)
    assert (verdict.matched, verdict.coverage, verdict.terminal) == (975, 975 / 988, True)
    assert round(rep_n(chars(text), 4), 3) == 0.987
    assert zlib_ratio(text) > 25


def long_word_loop() -> list[str]:
    """Onset 22, an 85-word unit in which 8 words come 4.25 times, 177 words of it, then a word cut short."""
    inner = ["and", "it", "was", "a", "very", "good", "film", "but"]
    unit = [f"u{i}" for i in range(20)] + inner * 4 + inner[:2] + [f"v{i}" for i in range(31)]
    assert len(unit) == 85
    return [f"w{i}" for i in range(22)] + (unit * 3)[:177] + ["th"]


def test_greedy_words_with_a_long_unit_a_run_inside_and_a_cut_last_word() -> None:
    ids = words(long_word_loop())
    verdict = judge(ids, WORD)
    assert (len(ids), verdict.start, verdict.period, verdict.matched) == (200, 22, 85, 92)
    assert verdict.copies == pytest.approx(2.082, abs=5e-4)
    assert verdict.terminal is True
    run = find_run(ids)
    assert run is not None
    nested = nested_run(ids, run)
    assert nested == Run(42, 8, 76)
    assert nested.copies == 4.25


def test_sampled_text_does_not_loop() -> None:
    rng = np.random.default_rng(0)
    letters = rng.choice(27, size=(2, 1000), p=np.r_[0.2, np.full(26, 0.8 / 26)])
    for ids in letters:
        assert judge(ids, CHAR) == Verdict("none", 1000)
    exclaimed = words([*(f"w{i}" for i in range(100)), *"!!!!!", *(f"x{i}" for i in range(100))])
    assert judge(exclaimed, WORD) == Verdict("none", 205)


# ---------------------------------------------------------------- the parts of a verdict


@pytest.mark.parametrize(("after", "terminal"), [("", True), ("x", True), ("xyzuv", True), ("xyzuvw", False)])
def test_terminal_up_to_one_period_after_the_end(after: str, terminal: bool) -> None:
    verdict = judge(chars("ab" + "12345" * 10 + after), 40)
    assert (verdict.start, verdict.period, verdict.matched, verdict.terminal) == (2, 5, 45, terminal)


def test_the_floor_is_the_least_that_counts() -> None:
    text = chars("12345" * 9)
    assert judge(text, 40).kind == "exact"
    assert judge(text, 41) == Verdict("none", 45)


def test_the_unit_and_its_attractor() -> None:
    verdict = judge([7, 5, 3, 5, 4] + [3, 5, 4] * 20, WORD)
    assert verdict.unit == (5, 3, 5)[1:] + (4,)
    same = judge([9, 5, 4] + [3, 5, 4] * 20, WORD)
    assert same.unit == (5, 4, 3)
    assert verdict.attractor == same.attractor == (3, 5, 4)


def test_an_empty_sample_has_no_loop() -> None:
    assert judge([], CHAR) == Verdict("none", 0)


def test_unknown_words_repeat_nothing() -> None:
    """Names in a list, all outside the vocabulary: <unk> , <unk> , <unk> ..."""
    listed = [0, 1] * 40
    assert judge(listed, WORD).kind == "exact"
    assert judge(listed, WORD, unknown=0).kind == "none"
    assert judge(np.array(listed, np.uint8), WORD, unknown=0).kind == "none"
    known = judge([0, 0, 0, *[5, 6, 7] * 10, 0], WORD, unknown=0)
    assert (known.start, known.matched, known.unit) == (3, 27, (5, 6, 7))


@given(st.lists(st.integers(0, 2), min_size=1, max_size=12))
def test_smallest_rotation_is_the_least_of_all(unit: list[int]) -> None:
    assert smallest_rotation(unit) == min(tuple(unit[i:] + unit[:i]) for i in range(len(unit)))


# ---------------------------------------------------------------- recall and false alarms


@pytest.mark.parametrize("period", [1, 2, 3, 8, 13, 40, 85, 150, 401])
@pytest.mark.parametrize("place", ["tail", "gap", "middle"])
@pytest.mark.parametrize("floor", [CHAR, WORD])
def test_every_planted_loop_above_the_floor_is_found(period: int, place: str, floor: int) -> None:
    """gap: near the end with some text after it."""
    rng = np.random.default_rng([period, floor])
    text = chars(PROSE) if floor == CHAR else words(PROSE.split())
    unit = rng.integers(0, 30, period)
    for copies in (2, 2.5, 3, 5, 10):
        length = int(period * copies)
        if length - period < floor:
            continue
        after = {"tail": 0, "gap": min(period // 2 + 1, 30), "middle": len(text) // 2}[place]
        cut = len(text) - after
        verdict = judge(np.concatenate([text[:cut] + 1000, np.resize(unit, length), text[cut:] + 2000]), floor)
        assert verdict.kind == "exact"
        assert (verdict.start, verdict.matched) == (cut, length - verdict.period)  # a unit may itself be periodic
        assert verdict.terminal is (after <= verdict.period)


def test_no_false_alarm_on_prose() -> None:
    assert judge(chars(PROSE), CHAR).kind == "none"
    assert judge(words(PROSE.split()), WORD).kind == "none"
    assert find_run(chars(PROSE), least=10) is None


@pytest.mark.skipif(not (CORPORA / "nietzsche.txt").exists(), reason="no nietzsche.txt in the mirror")
def test_no_false_alarm_on_the_characters_of_nietzsche() -> None:
    text = (CORPORA / "nietzsche.txt").read_text(encoding="utf-8").lower().replace("\n", "")
    cut = 482_971
    train, valid = windows(chars(text[:cut]), 1000), windows(chars(text[cut:]), 1000)
    assert (len(train), len(valid)) == (482, 107)
    assert max(run.matched for run in map(find_run, train) if run) == 26  # a rule of blanks
    floor = measured_floor(train, CHAR)
    assert floor == CHAR
    assert [judge(ids, floor).kind for ids in [*train, *valid]] == ["none"] * 589


@pytest.mark.skipif(not (CORPORA / "wikitext-2-v1.zip").exists(), reason="no wikitext-2-v1.zip in the mirror")
def test_no_false_alarm_on_the_words_of_wikipedia() -> None:
    data = zipfile.ZipFile(io.BytesIO((CORPORA / "wikitext-2-v1.zip").read_bytes())).read(
        "wikitext-2/wiki.valid.tokens"
    )
    tokens, ids = np.unique(data.decode().split(), return_inverse=True)
    unknown = int(np.flatnonzero(tokens == "<unk>")[0])
    for length in (200, 500):
        cut = windows(ids, length)
        assert len(cut) > 400
        assert {judge(text, WORD, unknown).kind for text in cut} == {"none"}


# ---------------------------------------------------------------- floors, windows, rates


def test_the_floor_is_above_what_people_wrote() -> None:
    human = [chars("abcde" * 12 + "x"), chars("no loop here")]
    assert measured_floor(human, 40) == 56
    assert measured_floor(human, 60) == 60
    assert measured_floor([], 40) == 40
    assert judge(human[0], 56).kind == "none"


def test_the_floor_ignores_unknown_words() -> None:
    assert measured_floor([[0, 1] * 40], 20) == 79
    assert measured_floor([[0, 1] * 40], 20, unknown=0) == 20


def test_windows_are_evenly_spaced_and_do_not_overlap() -> None:
    ids = np.arange(100)
    assert [w.tolist() for w in windows(ids, 40)] == [list(range(40)), list(range(50, 90))]
    assert [w[0] for w in windows(ids, 10)] == list(range(0, 100, 10))
    assert [w[0] for w in windows(ids, 10, at_most=4)] == [0, 25, 50, 75]
    assert windows(ids, 101) == []


@pytest.mark.parametrize(
    ("hits", "total", "low", "high"),
    [(0, 10, 0, 0.2775), (10, 10, 0.7225, 1), (5, 10, 0.2366, 0.7634), (1, 2, 0.0945, 0.9055), (0, 0, 0, 1)],
)
def test_wilson_interval(hits: int, total: int, low: float, high: float) -> None:
    """0 of n: z^2 / (n + z^2), with z^2 = 3.8415."""
    assert wilson(hits, total) == pytest.approx((low, high), abs=5e-5)


def test_rates_counted_by_hand() -> None:
    unit = (1, 2)
    looping = [
        Verdict("exact", 100, 10, 2, 45.0, 88, 0.88, True, unit, unit),
        Verdict("exact", 100, 20, 2, 20.0, 38, 0.38, False, unit[::-1], unit),
        Verdict("exact", 100, 60, 5, 8.0, 35, 0.35, True, (1, 2, 3, 4, 5), (1, 2, 3, 4, 5)),
    ]
    means = dict.fromkeys(("rep_4", "distinct_2", "distinct_4", "zlib_ratio", "longest_repeat"), 0.0)
    figures = [means | {"rep_4": value, "rep_8": nan} for value in (0.9, 0.6, 0.3, 0.0)]
    found = rates([*looping, Verdict("none", 100)], figures)
    low, high = wilson(3, 4)
    assert found == {
        "samples": 4,
        "length": 100,
        "exact": 3,
        "exact_rate": 0.75,
        "exact_lo": low,
        "exact_hi": high,
        "terminal_rate": 0.5,
        "onset_median": 20.0,
        "period_median": 2.0,
        "copies_median": 20.0,
        "coverage_mean": pytest.approx((0.88 + 0.38 + 0.35) / 3),
        "attractors": 2,
        "rep_4": pytest.approx(0.45),
        "rep_8": None,
        "distinct_2": 0.0,
        "distinct_4": 0.0,
        "zlib_ratio": 0.0,
        "longest_repeat": 0.0,
    }


def test_rates_of_nothing_are_undefined() -> None:
    found = rates([], [])
    assert {k for k, v in found.items() if v is not None} == {"samples", "exact", "attractors"}
