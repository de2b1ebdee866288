"""The parts of a verdict, exact loops wherever they are planted, which rule comes first, and text
of people.
"""

import io
import os
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loops.made_text import chars, words
from recurrence.loops import (
    DETECTORS,
    Detector,
    Verdict,
    find_run,
    judge,
    measured_floor,
    smallest_rotation,
    windows,
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


# ---------------------------------------------------------------- the parts of a verdict


@pytest.mark.parametrize(
    ("after", "terminal"), [("", True), ("x", True), ("xyzuv", True), ("xyzuvw", False)]
)
def test_terminal_up_to_one_period_after_the_end(after: str, terminal: bool) -> None:
    verdict = judge(chars("ab" + "12345" * 10 + after), 40)
    assert (verdict.start, verdict.period, verdict.matched, verdict.terminal) == (
        2,
        5,
        45,
        terminal,
    )


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


# ---------------------------------------------------------------- which rule

DETECTOR = Detector("word", floor=20, near_floor=20, zlib_limit=3.0)
NOVEL = list(range(100, 180))
EXACT = [*range(10)] * 5
NEAR = [token for k in range(5) for token in [*range(9), 50 + k, *range(10, 20)]]


def phrases(length: int) -> list[int]:
    """Ten phrases of five tokens in any order."""
    rng = np.random.default_rng(1)
    return [5 * int(k) + i for k in rng.integers(0, 10, length // 5) for i in range(5)]


@pytest.mark.parametrize(
    ("ids", "kind"),
    [
        (NOVEL, "none"),
        (NOVEL + EXACT + NOVEL, "exact"),
        (NOVEL + NEAR, "near"),
        (EXACT + NEAR, "exact"),
        (phrases(400), "recycling"),
        ([*phrases(400), *NEAR], "near"),
        ([], "none"),
    ],
)
def test_exact_before_near_before_recycling(ids: list[int], kind: str) -> None:
    assert DETECTOR.judge(ids).kind == kind


def test_the_parts_of_a_near_verdict() -> None:
    verdict = DETECTOR.judge(NOVEL[:30] + NEAR + NOVEL[30:])
    assert (verdict.kind, verdict.start, verdict.period, verdict.copies, verdict.terminal) == (
        "near",
        30,
        20,
        5,
        False,
    )
    assert (verdict.matched, verdict.coverage, verdict.identity) == (76, 76 / 180, 76 / 80)
    assert verdict.unit == (*range(9), 50, *range(10, 20))
    assert verdict.attractor == verdict.unit
    assert verdict.nested_start is verdict.nested_period is verdict.nested_matched is None


def test_a_run_inside_the_unit_above_the_floor() -> None:
    unit = [*range(10, 20), *[1, 2, 3] * 9, *range(20, 30)]
    verdict = DETECTOR.judge([*range(50, 60), *unit * 3])
    assert (verdict.start, verdict.period, verdict.matched) == (10, 47, 94)
    assert (verdict.nested_start, verdict.nested_period, verdict.nested_matched) == (20, 3, 24)
    assert replace(DETECTOR, floor=25).judge(unit * 3).nested_start is None


def test_text_that_zlib_shortens_too_much_is_recycling() -> None:
    """Only where there is a limit, and a text."""
    ids = np.arange(200)
    assert DETECTOR.judge(ids, "the same old story " * 40).kind == "recycling"
    assert DETECTOR.judge(ids).kind == "none"
    assert replace(DETECTOR, zlib_limit=None).judge(ids, "the same old story " * 40).kind == "none"


def test_unknown_words_make_no_loop_of_any_kind() -> None:
    """A table full of names that are not in the vocabulary."""
    rng = np.random.default_rng(0)
    table = [0 if i % 3 else int(token) for i, token in enumerate(rng.integers(1, 9, 400))]
    assert DETECTOR.judge(table).kind != "none"
    assert replace(DETECTOR, unknown=0).judge(table).kind == "none"


def test_many_samples_at_once_or_one_by_one() -> None:
    samples = [NOVEL, NOVEL + EXACT, NEAR, phrases(400), [], [3] * 30, [1, 2], phrases(60) + NOVEL]
    texts = [" ".join(map(str, ids)) for ids in samples]
    detector = replace(DETECTOR, unknown=3)
    assert detector.judge_all(samples, texts) == [
        detector.judge(i, t) for i, t in zip(samples, texts, strict=True)
    ]
    assert detector.judge_all(samples) == list(map(detector.judge, samples))
    assert detector.judge_all([]) == []


def test_the_exact_rule_alone_says_the_same_of_exact_loops() -> None:
    for ids in (NOVEL + EXACT, EXACT * 2 + NEAR):
        assert judge(ids, 20) == DETECTOR.judge(ids)
    assert judge(NEAR, 20).kind == "none"


def test_documented_defaults() -> None:
    assert {
        unit: (d.unit, d.floor, d.near_floor, d.rep_n, d.rep_limit) for unit, d in DETECTORS.items()
    } == {
        "char": ("char", 40, 70, 8, 0.20),
        "word": ("word", 20, 25, 4, 0.35),
        "token": ("token", 20, 25, 4, 0.35),
    }
    assert {(d.near_delta, d.zlib_limit, d.unknown) for d in DETECTORS.values()} == {
        (0.4, None, None)
    }


@pytest.mark.parametrize("ids", [[[1, 2], [3, 4]], [0.5, 1.5], ["a", "b"]])
def test_what_is_no_sequence_of_whole_numbers_is_refused(ids: list[object]) -> None:
    with pytest.raises(ValueError, match="1-D sequence of integers"):
        DETECTOR.judge(np.array(ids))


# ---------------------------------------------------------------- what must not matter


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 10**6),
    st.sampled_from([NOVEL, NOVEL + EXACT + NOVEL, NOVEL + NEAR, phrases(300)]),
)
def test_names_of_tokens_do_not_matter(seed: int, ids: list[int]) -> None:
    known, codes = np.unique(ids, return_inverse=True)
    names = np.random.default_rng(seed).choice(2**40, len(known), replace=False) - 2**39
    one, other = DETECTOR.judge(ids), DETECTOR.judge(names[codes])
    assert replace(one, unit=None, attractor=None) == replace(other, unit=None, attractor=None)
    assert other.unit is None or [
        int(names[np.flatnonzero(known == t)[0]]) for t in one.unit or ()
    ] == [*other.unit]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 60), st.sampled_from([EXACT, NEAR]))
def test_text_before_only_shifts_the_onset(before: int, loop: list[int]) -> None:
    alone, later = DETECTOR.judge(loop), DETECTOR.judge(NOVEL[:before] + loop)
    assert later == replace(
        alone,
        length=len(loop) + before,
        start=before,
        coverage=(alone.matched or 0) / (len(loop) + before),
    )


# ---------------------------------------------------------------- recall and false alarms


@pytest.mark.parametrize("period", [1, 2, 3, 8, 13, 40, 85, 150, 401])
@pytest.mark.parametrize("place", ["tail", "gap", "middle"])
@pytest.mark.parametrize("floor", [CHAR, WORD])
def test_every_planted_loop_above_the_floor_is_found(period: int, place: str, floor: int) -> None:
    """gap: near the end with some text after it."""
    rng = np.random.default_rng([period, floor])
    text = chars(PROSE) if floor == CHAR else words(PROSE)
    unit = rng.integers(0, 30, period)
    for copies in (2, 2.5, 3, 5, 10):
        length = int(period * copies)
        if length - period < floor:
            continue
        after = {"tail": 0, "gap": min(period // 2 + 1, 30), "middle": len(text) // 2}[place]
        cut = len(text) - after
        verdict = judge(
            np.concatenate([text[:cut] + 1000, np.resize(unit, length), text[cut:] + 2000]), floor
        )
        assert verdict.kind == "exact"
        assert (verdict.start, verdict.matched) == (
            cut,
            length - verdict.period,
        )  # a unit may itself be periodic
        assert verdict.terminal is (after <= verdict.period)


def test_no_false_alarm_on_prose() -> None:
    assert DETECTORS["char"].judge(chars(PROSE), PROSE).kind == "none"
    assert DETECTORS["word"].judge(words(PROSE), PROSE).kind == "none"
    assert find_run(chars(PROSE), least=10) is None


@pytest.mark.skipif(
    not (CORPORA / "nietzsche.txt").exists(), reason="no nietzsche.txt in the mirror"
)
def test_no_false_alarm_on_the_characters_of_nietzsche() -> None:
    text = (CORPORA / "nietzsche.txt").read_text(encoding="utf-8").lower().replace("\n", "")
    cut = 482_971
    train, valid = windows(chars(text[:cut]), 1000), windows(chars(text[cut:]), 1000)
    assert (len(train), len(valid)) == (482, 107)
    assert max(run.matched for run in map(find_run, train) if run) == 26  # a rule of blanks
    floor = measured_floor(train, CHAR)
    assert floor == CHAR
    verdicts = DETECTORS["char"].judge_all([*train, *valid])
    assert "exact" not in {verdict.kind for verdict in verdicts}
    assert (
        sum(verdict.kind == "near" for verdict in verdicts) <= 1
    )  # "the anti-French folly, the anti-Semitic folly, the


@pytest.mark.skipif(
    not (CORPORA / "wikitext-2-v1.zip").exists(), reason="no wikitext-2-v1.zip in the mirror"
)
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
