"""Records of any shape under the names in use: parts of the right types, or a refusal in words."""

from typing import Any

import pytest
from fuzzing import few, many
from hypothesis import given
from hypothesis import strategies as st

from recurrence.errors import RecurrenceError
from recurrence.loops.agents import Event
from recurrence.scan.fields import Field
from recurrence.scan.names import CONVERSATIONS, REASONING, TEXTS, TOKENS, WITHIN
from recurrence.scan.records import parts_of

NAMES = [*TEXTS, *WITHIN, *TOKENS, *REASONING, *CONVERSATIONS, "role", "from", "type", "id", "name"]
NAMES += [
    "tool_calls",
    "function",
    "function_call",
    "arguments",
    "input",
    "tool_call_id",
    "call_id",
]
WORDS = [
    "assistant",
    "user",
    "tool",
    "gpt",
    "text",
    "thinking",
    "tool_use",
    "tool_result",
    "message",
]
WORDS += [
    "function_call",
    "function_call_output",
    "<think>a</think>b",
    "</think>",
    "",
    " ",
    "{}",
    "[",
]
leaves = st.none() | st.booleans() | st.integers(-1, 9) | st.floats() | st.sampled_from(WORDS)
records = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=20,
)
units = st.sampled_from([None, "char", "word", "token", "event"])
paths = st.sampled_from(
    [None, "text", "messages[].content", "output[-1]", "[]", "choices[0].message"]
)


def look(record: Any, unit: str | None, path: str | None) -> None:
    field = None if path is None else Field.parse(path, "--field")
    try:
        parts = parts_of(record, unit, field)
    except RecurrenceError as error:
        assert 0 < len(str(error)) < 1000
        return
    assert parts
    for part in parts:
        if part.form == "text":
            assert isinstance(part.value, str)
        elif part.form == "token":
            assert {type(each) for each in part.value} <= {int, str}
        else:
            assert all(isinstance(each, Event) for each in part.value)


@few
@given(records, units, paths)
def test_any_record_has_parts_or_is_refused(
    record: Any, unit: str | None, path: str | None
) -> None:
    look(record, unit, path)


@pytest.mark.nightly
@many
@given(records, units, paths)
def test_any_record_has_parts_or_is_refused_for_minutes(
    record: Any, unit: str | None, path: str | None
) -> None:
    look(record, unit, path)
