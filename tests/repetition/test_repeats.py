"""Longest previous factors: by hand, against the definition, and against a suffix-array library."""

import numpy as np
import pydivsufsort
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurrence.repetition.metrics import lz_factors
from recurrence.repetition.repeats import previous_factors

short = st.integers(1, 4).flatmap(lambda size: st.lists(st.integers(0, size - 1), max_size=40))


@pytest.mark.parametrize(
    ("text", "factors"),
    [
        ("", []),
        ("a", [0]),
        ("aaaa", [0, 3, 2, 1]),
        ("banana", [0, 0, 0, 3, 2, 1]),
        ("abcab", [0, 0, 0, 2, 1]),
    ],
)
def test_by_hand(text: str, factors: list[int]) -> None:
    """banana: at 3, ana, which begins at 1 too; at 4, na as at 2; at 5, a."""
    assert previous_factors([ord(letter) for letter in text]).tolist() == factors


@settings(max_examples=300, deadline=None)
@given(short)
def test_as_defined(ids: list[int]) -> None:
    def agree(i: int, j: int) -> int:
        length = 0
        while i + length < len(ids) and ids[i + length] == ids[j + length]:
            length += 1
        return length

    expected = [max((agree(i, j) for j in range(i)), default=0) for i in range(len(ids))]
    assert previous_factors(ids).tolist() == expected


@pytest.mark.parametrize("kind", ["noise", "loop", "words"])
def test_as_the_library_has_it(kind: str) -> None:
    rng = np.random.default_rng(0)
    ids = {
        "noise": rng.integers(0, 20, 3000),
        "loop": np.concatenate(
            [rng.integers(0, 20, 500), np.resize(rng.integers(0, 20, 137), 2500)]
        ),
        "words": rng.integers(0, 40_000, 3000),
    }[kind].astype(np.uint16)
    array = pydivsufsort.divsufsort(ids)
    shared = pydivsufsort.kasai(ids, array)
    np.testing.assert_array_equal(
        previous_factors(ids), pydivsufsort.longest_previous_factor(ids, array, shared)
    )
    assert lz_factors(ids) == 1000 * pydivsufsort.lempel_ziv_complexity(ids) / 3000
