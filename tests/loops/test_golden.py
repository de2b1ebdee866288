"""The verdicts on samples built like those that the notebooks printed, with the whole detector as
it comes.
"""

import numpy as np
import pytest

from loops.made_text import chars, prose, words
from recurrence.loops import DETECTORS, find_run, nested_run
from recurrence.repetition.metrics import rep_n, zlib_ratio

CHAR, WORD = DETECTORS["char"], DETECTORS["word"]


def long_word_loop() -> list[str]:
    """22 words, then 177 of a unit of 85 in which 8 words come 4.25 times, then a word that was
    cut.
    """
    inner = ["and", "it", "was", "a", "very", "good", "film", "but"]
    unit = [f"u{i}" for i in range(20)] + inner * 4 + inner[:2] + [f"v{i}" for i in range(31)]
    return [f"w{i}" for i in range(22)] + (unit * 3)[:177] + ["th"]


def markov(seed: int, length: int) -> str:
    """Sampled from the characters that follow each two characters of a text: what a model without
    memory samples.
    """
    text = prose(seed, 3_000)
    follows: dict[str, list[str]] = {}
    for before, after in zip(zip(text, text[1:], strict=False), text[2:], strict=False):
        follows.setdefault("".join(before), []).append(after)
    rng, out = np.random.default_rng(seed), text[:2]
    while len(out) < length:
        nexts = follows[out[-2:]]
        out += nexts[rng.integers(len(nexts))]
    return out


def test_greedy_characters_that_loop_from_the_first() -> None:
    """Period 13 from the first character on, 76 copies, 988 characters."""
    text = " of the mills" * 76
    verdict = CHAR.judge(chars(text), text)
    assert (verdict.kind, verdict.length, verdict.start, verdict.period, verdict.copies) == (
        "exact",
        988,
        0,
        13,
        76,
    )
    assert (verdict.matched, verdict.coverage, verdict.terminal, verdict.identity) == (
        975,
        975 / 988,
        True,
        1,
    )
    assert verdict.nested_start is None
    assert round(rep_n(chars(text), 4), 3) == 0.987
    assert zlib_ratio(text) > 25


def test_greedy_words_with_a_long_unit_a_run_inside_and_a_cut_last_word() -> None:
    """Period 85 from word 22 on, 2.08 copies; in the unit 34 words of period 8; one more word,
    which ends the run.
    """
    ids = words(long_word_loop())
    verdict = WORD.judge(ids, " ".join(long_word_loop()))
    assert (verdict.kind, verdict.length, verdict.start, verdict.period) == ("exact", 200, 22, 85)
    assert verdict.copies == pytest.approx(2.08, abs=0.005)
    assert (verdict.matched, verdict.terminal) == (92, True)
    assert (verdict.nested_start, verdict.nested_period, verdict.nested_matched) == (42, 8, 26)
    run = find_run(ids)
    assert run is not None
    nested = nested_run(ids, run)
    assert nested is not None
    assert (nested.end - nested.start, nested.copies) == (34, 4.25)


def test_the_same_words_without_the_cut_one() -> None:
    ids = words(long_word_loop()[:-1])
    verdict = WORD.judge(ids)
    assert (len(ids), verdict.period, verdict.matched, verdict.terminal) == (199, 85, 92, True)


@pytest.mark.parametrize("seed", [0, 1])
def test_multinomial_characters_do_not_loop(seed: int) -> None:
    text = markov(seed, 1000)
    verdict = CHAR.judge(chars(text), text)
    assert (verdict.kind, verdict.length, verdict.start) == ("none", 1000, None)
    run = find_run(chars(text))
    assert run is None or run.matched <= 8


@pytest.mark.parametrize("seed", [0, 1])
def test_multinomial_words_do_not_loop(seed: int) -> None:
    """Not with a fit of exclamation either: ! ! ! ! !"""
    made = prose(seed, 205).split()
    text = [*made[:100], *"!!!!!", *made[100:]]
    verdict = WORD.judge(words(text), " ".join(text))
    assert (verdict.kind, verdict.length, verdict.start) == ("none", 210, None)
    run = find_run(words(text))
    assert run is not None
    assert run.matched <= 5
