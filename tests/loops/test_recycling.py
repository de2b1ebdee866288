"""Reuse without a period: the two figures, where they are taken, and the limits that people's text
sets.
"""

import numpy as np
import pytest

from loops.made_text import chars, prose, words
from recurrence.loops import DETECTORS
from recurrence.loops.recycling import reuse, reuse_limit, squeeze, squeeze_limit
from recurrence.repetition.metrics import rep_n, zlib_ratio


def shuffled(phrases: int, length: int, seed: int = 0) -> list[str]:
    """A few phrases of six words in ever changing order: no period, nothing new."""
    rng = np.random.default_rng(seed)
    known = [[f"p{i}w{j}" for j in range(6)] for i in range(phrases)]
    return [word for _ in range(length // 6) for word in known[rng.integers(phrases)]]


def test_reuse_is_rep_n_of_the_worst_stretch() -> None:
    ids = np.r_[np.arange(100), np.resize(np.arange(4), 100), np.arange(200, 250)]
    assert reuse(ids[:100], 4, 100) == 0
    assert reuse(ids, 4, 100) == rep_n(ids[100:200], 4) == 1 - 4 / 97
    assert reuse(ids, 4, 250) == rep_n(ids, 4)
    assert reuse(ids[:3], 4, 100) == 0


def test_squeeze_is_the_zlib_ratio_of_the_worst_stretch() -> None:
    new, old = prose(0, 200)[:1000], "so it goes. " * 84
    assert squeeze(new, 1000, 1000) == zlib_ratio(new)
    assert squeeze(new + old[:1000], 2000, 1000) == zlib_ratio(old[:1000])
    assert squeeze("", 0, 1000) == 0


def test_limits_are_the_defaults_or_what_people_have() -> None:
    human = [np.arange(100), np.resize(np.arange(20), 100)]
    assert reuse_limit(human[:1], 4, 0.35) == 0.35
    assert reuse_limit(human, 4, 0.35) == rep_n(human[1], 4)
    assert reuse_limit([], 4, 0.35) == 0.35
    texts = [prose(0, 200), prose(1, 200)]
    assert squeeze_limit(texts) == pytest.approx(1.1 * max(map(zlib_ratio, texts)))
    assert squeeze_limit([]) is None


def test_phrases_in_any_order_are_recycling() -> None:
    text = shuffled(12, 500)
    verdict = DETECTORS["word"].judge(words(text), " ".join(text))
    assert (verdict.kind, verdict.start, verdict.identity) == ("recycling", None, None)


def test_people_do_not_recycle() -> None:
    for seed in range(5):
        text = prose(seed, 500)
        assert DETECTORS["word"].judge(words(text), text).kind == "none"
        assert DETECTORS["char"].judge(chars(text[:1000]), text[:1000]).kind == "none"


def test_length_alone_is_no_recycling() -> None:
    """rep-n and zlib ratios grow with length: every stretch is looked at by itself."""
    text = prose(3, 30_000)
    assert rep_n(chars(text), 8) > DETECTORS["char"].rep_limit
    assert DETECTORS["char"].judge(chars(text), text).kind == "none"
