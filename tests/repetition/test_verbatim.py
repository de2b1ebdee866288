"""The longest stretch that stands in the training text: by hand, against the slow search, and with
bad fingerprints.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from recurrence.repetition import verbatim
from recurrence.repetition.verbatim import longest_verbatim

ids = st.lists(st.integers(0, 2), max_size=25)


def letters(text: str) -> NDArray[np.uint8]:
    return np.frombuffer(text.encode(), np.uint8)


def slow(sample: list[int], text: list[int]) -> int:
    grams = {tuple(text[i:j]) for i in range(len(text)) for j in range(i, len(text) + 1)} | {()}
    return max(
        j - i
        for i in range(len(sample) + 1)
        for j in range(i, len(sample) + 1)
        if tuple(sample[i:j]) in grams
    )


def test_by_hand() -> None:
    """ " and the " and " dog at" stand there; the last is the text itself."""
    text = "the cat sat on the mat, and the dog ate it"
    samples = ["bread and the cut", "my dog atop", "", "##", text]
    assert longest_verbatim([letters(sample) for sample in samples], letters(text)).tolist() == [
        9,
        7,
        0,
        0,
        42,
    ]


@settings(max_examples=150, deadline=None)
@given(st.lists(ids, min_size=1, max_size=5), ids)
def test_as_the_slow_search_has_it(samples: list[list[int]], text: list[int]) -> None:
    found = longest_verbatim([np.array(s, int) for s in samples], np.array(text, int))
    assert found.tolist() == [slow(sample, text) for sample in samples]


@pytest.mark.parametrize("length", [1, 7, 8, 9, 31, 32, 33, 200, 999, 1000])
def test_every_length_of_a_planted_stretch(length: int) -> None:
    rng = np.random.default_rng(length)
    text = rng.integers(0, 1000, 5000)
    samples = [rng.integers(1000, 2000, 1000) for _ in range(3)]
    samples[1][1000 - length :] = text[300 : 300 + length]
    samples[2][:length] = text[5000 - length :]
    assert longest_verbatim(samples, text).tolist() == [0, length, length]


def test_many_samples_are_taken_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    text, samples = (
        rng.integers(0, 3, 300),
        [rng.integers(0, 3, rng.integers(0, 40)) for _ in range(30)],
    )
    together = longest_verbatim(samples, text)
    monkeypatch.setattr(verbatim, "_AT_ONCE", 50)
    assert longest_verbatim(samples, text).tolist() == together.tolist()
    assert len(longest_verbatim([], text)) == 0


def test_fingerprints_that_mislead_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """With base 1 a window's fingerprint does not depend on its order: ab and ba look the same."""
    tries: list[int] = []
    honest = verbatim._powers

    def powers(base: int, number: int) -> NDArray[np.uint64]:
        tries.append(number)
        return honest(1 if len(tries) <= 4 else base, number)

    monkeypatch.setattr(verbatim, "_powers", powers)
    assert longest_verbatim([letters("xbay")], letters("ab")).tolist() == [1]
    assert len(tries) == 8, "two for each side, and a second time"
