"""The detector as a person calls it in Python: texts, lists, columns; and words for what does not
fit.
"""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from recurrence.errors import RecurrenceError
from recurrence.loops import judge, judge_many

LOOP = "It began well. " + "on and on " * 12


def test_a_text_tokens_and_many_texts() -> None:
    assert (judge(LOOP).kind, judge(LOOP).start) == ("exact", 14)
    assert judge([1, 2] * 30).kind == judge(np.array([1, 2] * 30)).kind == "exact"
    assert judge(LOOP, floor=1000).kind == "none"
    assert [verdict.kind for verdict in judge_many([LOOP, "fine"])] == ["exact", "none"]
    assert [verdict.kind for verdict in judge_many(iter([LOOP]), to_end=True)] == ["exact"]


def test_a_column_of_a_frame() -> None:
    frame = pd.DataFrame({"text": [LOOP, "fine"]}, index=[7, 9])
    assert [verdict.kind for verdict in judge_many(frame["text"])] == ["exact", "none"]


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: judge_many(LOOP), "several texts, got one; for that there is judge"),
        (lambda: judge_many(["x", None]), "text 1 must be a str, got None"),
        (lambda: judge_many(pd.Series(["x", float("nan")])), "text 1 must be a str, got nan"),
        (lambda: judge({"text": LOOP}), "a text or the ids of tokens, got dict: {'text': "),
        (lambda: judge(b"abc"), "a text or the ids of tokens, got bytes"),
        (lambda: judge(None), "a text or the ids of tokens, got NoneType"),
        (lambda: judge(LOOP, flor=3), "flor: no such option; did you mean 'floor'"),
        (lambda: judge_many([LOOP], kind="proze"), "kind: 'proze' is none; did you mean 'prose'"),
    ],
)
def test_what_does_not_fit_is_named(call: Any, words: str) -> None:
    with pytest.raises(RecurrenceError) as caught:
        call()
    assert words in str(caught.value)


@pytest.mark.parametrize("text", ["[" * 20_000, '{"a":' * 9_000])
def test_brackets_without_end_are_a_loop_and_no_fault(text: str) -> None:
    """Nested too deeply for JSON, as which the text is looked at."""
    assert judge(text).kind == "exact"
