"""rep/l and wrep/l by hand, and against their definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurrence.study.teacher_forced import recent, rep_l, repetition, wrep_l

TEXT = np.array([1, 2, 3, 1, 2], np.uint8)


def test_by_hand() -> None:
    """Predicted after 1, 12, 123, 1231:   1 1 3 2
    in the last two tokens before it:      yes yes yes no (2 is three back)
    right (text goes on 2 3 1 2):          no no no yes
    the text's own next token, two back:   no no no (1 is three back) no"""
    predicted = np.array([1, 1, 3, 2])
    assert rep_l(predicted, TEXT, 2) == 3 / 4
    assert wrep_l(predicted, TEXT, 2) == 3 / 4
    assert repetition(predicted, TEXT, 2) == {
        "rep_2": 0.75,
        "wrep_2": 0.75,
        "human_rep_2": 0,
        "unique": 3,
    }
    # three back: all four, of which the last is right; of the text's own, 1 and 2 come again
    assert repetition(predicted, TEXT, 3) == {
        "rep_3": 1,
        "wrep_3": 0.75,
        "human_rep_3": 0.5,
        "unique": 3,
    }


def test_the_names_are_those_of_the_scores() -> None:
    assert list(repetition(TEXT[1:], TEXT)) == ["rep_128", "wrep_128", "human_rep_128", "unique"]
    assert repetition(TEXT[1:], TEXT)["wrep_128"] == 0


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), min_size=2, max_size=30),
    st.integers(1, 9),
)
def test_as_defined(pairs: list[tuple[int, int]], window: int) -> None:
    ids, asked = np.array([a for a, _ in pairs]), np.array([b for _, b in pairs[1:]])
    expected = [asked[t - 1] in ids[max(t - window, 0) : t] for t in range(1, len(ids))]
    assert recent(asked, ids, window).tolist() == expected
    wrong = [hit and asked[t] != ids[t + 1] for t, hit in enumerate(expected)]
    assert wrep_l(asked, ids, window) == pytest.approx(np.mean(wrong))
