"""What is found in records by itself, in the forms that people have them in; and by a named
field.
"""

import json
from typing import Any

import pytest

from recurrence.errors import RecurrenceError
from recurrence.scan.fields import Field
from recurrence.scan.records import is_known, parts_of

CALL = {"id": "c1", "type": "function", "function": {"name": "ls", "arguments": "{}"}}

FORMS: dict[str, tuple[Any, list[tuple[str, str, Any]]]] = {
    "text": ({"id": 1, "text": "x"}, [("text", "text", "x")]),
    "bare string": ("x", [("", "text", "x")]),
    "bare strings": (["x", "y"], [("[0]", "text", "x"), ("[1]", "text", "y")]),
    "bare tokens": ([5, 6, 5], [("", "token", [5, 6, 5])]),
    "tokens of strings": ({"tokens": ["a", "▁b"]}, [("tokens", "token", ["a", "▁b"])]),
    "a text before tokens": ({"tokens": [1], "text": "x"}, [("text", "text", "x")]),
    "an output of numbers": ({"output": [7, 8]}, [("output", "token", [7, 8])]),
    "prediction": ({"prediction": "x", "reference": "r"}, [("prediction", "text", "x")]),
    "content": ({"content": "x"}, [("content", "text", "x")]),
    "outputs": (
        {"outputs": ["x", "y"]},
        [("outputs[0]", "text", "x"), ("outputs[1]", "text", "y")],
    ),
    "pipeline": ([{"generated_text": "x"}], [("[0].generated_text", "text", "x")]),
    "pipeline, several": (
        [[{"generated_text": "x"}], [{"generated_text": "y"}]],
        [("[0][0].generated_text", "text", "x"), ("[1][0].generated_text", "text", "y")],
    ),
    "pipeline of a chat": (
        {
            "generated_text": [
                {"role": "user", "content": "q"},
                {"role": "assistant", "content": "x"},
            ]
        },
        [("generated_text[1].content", "text", "x")],
    ),
    "lm-eval": (
        {"doc_id": 3, "doc": {"text": "q"}, "resps": [["x"]]},
        [("resps[0][0]", "text", "x")],
    ),
    "vLLM": (
        {"prompt": "q", "outputs": [{"index": 0, "text": "x", "token_ids": [1]}]},
        [("outputs[0].text", "text", "x")],
    ),
    "completions": (
        {"choices": [{"text": "x"}, {"text": "y"}]},
        [("choices[0].text", "text", "x"), ("choices[1].text", "text", "y")],
    ),
    "chat completions": (
        {"choices": [{"message": {"role": "assistant", "content": "x", "reasoning_content": "r"}}]},
        [
            ("choices[0].message.reasoning_content", "text", "r"),
            ("choices[0].message.content", "text", "x"),
        ],
    ),
    "reasoning that never ends": (
        {"choices": [{"message": {"role": "assistant", "content": None, "reasoning": "r"}}]},
        [("choices[0].message.reasoning", "text", "r")],
    ),
    "OpenAI batch": (
        {"custom_id": "a", "response": {"body": {"choices": [{"message": {"content": "x"}}]}}},
        [("response.body.choices[0].message.content", "text", "x")],
    ),
    "OpenAI responses": (
        {
            "output": [
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": "r"}]},
                {"type": "message", "content": [{"type": "output_text", "text": "x"}]},
            ]
        },
        [("output[0].summary.reasoning", "text", "r"), ("output[1].content", "text", "x")],
    ),
    "Anthropic": (
        {"content": [{"type": "thinking", "thinking": "r"}, {"type": "text", "text": "x"}]},
        [("content.reasoning", "text", "r"), ("content.answer", "text", "x")],
    ),
    "Anthropic batch": (
        {"result": {"type": "succeeded", "message": {"content": [{"type": "text", "text": "x"}]}}},
        [("result.message.content", "text", "x")],
    ),
    "Gemini": (
        {"candidates": [{"content": {"parts": [{"text": "r", "thought": True}, {"text": "x"}]}}]},
        [
            ("candidates[0].content.parts.reasoning", "text", "r"),
            ("candidates[0].content.parts.answer", "text", "x"),
        ],
    ),
    "Ollama": (
        {"message": {"role": "assistant", "content": "x"}},
        [("message.content", "text", "x")],
    ),
    "conversation": (
        {
            "messages": [
                {"role": "system", "content": "s"},
                {"role": "user", "content": "q"},
                {"role": "assistant", "content": "x"},
                {"role": "user", "content": "q"},
                {"role": "assistant", "content": "y"},
            ]
        },
        [("messages[2].content", "text", "x"), ("messages[4].content", "text", "y")],
    ),
    "a conversation alone": (
        [{"role": "user", "content": "q"}, {"role": "assistant", "content": "x"}],
        [("[1].content", "text", "x")],
    ),
    "a message alone": ({"role": "assistant", "content": "x"}, [("content", "text", "x")]),
    "ShareGPT": (
        {"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "x"}]},
        [("conversations[1].value", "text", "x")],
    ),
    "an answer beside its prompt's messages": (
        {"messages": [{"role": "assistant", "content": "earlier"}], "response": "x"},
        [("response", "text", "x")],
    ),
    "tags of reasoning": (
        {"text": "<think>r</think>\nx"},
        [("text.reasoning", "text", "r"), ("text.answer", "text", "\nx")],
    ),
    "a template that opened the tag": (
        {"completion": "r</think>x"},
        [("completion.reasoning", "text", "r"), ("completion.answer", "text", "x")],
    ),
    "reasoning that is not closed": ({"text": "<think>r r r"}, [("text", "text", "<think>r r r")]),
    "an empty text": ({"text": ""}, [("text", "text", "")]),
}


@pytest.mark.parametrize("name", FORMS)
def test_forms_are_known(name: str) -> None:
    record, found = FORMS[name]
    assert [tuple(part) for part in parts_of(record)] == found
    assert is_known(record)


@pytest.mark.parametrize(
    "record",
    [
        {},
        {"prompt": "q"},
        {"message": "a line of a log", "level": "INFO"},
        {"messages": [{"role": "user", "content": "q"}]},
        {"role": "user", "content": "q"},
        {"resps": [[[-3.2, False]]]},
        {"usage": {"tokens": 3}},
        {"tokens": [1.5]},
        [],
        [1, 2.5],
        None,
        7,
        {"text": {"text": {}}},
    ],
)
def test_what_no_one_generated_is_not_known(record: Any) -> None:
    assert not is_known(record)


def test_a_record_as_deep_as_json_goes_is_refused_in_words() -> None:
    record: Any = "x"
    for _ in range(900):
        record = {"text": [record]}
    with pytest.raises(RecurrenceError, match="must have a text"):
        parts_of(record)


def test_calls_are_a_trace_beside_what_was_said() -> None:
    messages = [
        {"role": "assistant", "content": "I look.", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "c1", "content": "a.txt"},
    ]
    silent = {"role": "assistant", "content": "", "tool_calls": [CALL]}
    said, trace = parts_of({"messages": [*messages, silent]})
    said, trace = parts_of({"messages": messages})
    assert (said.path, trace.path, trace.form) == ("messages[0].content", "messages.trace", "event")
    assert list(map(str, trace.value)) == ["ls({}) -> a.txt"]
    assert [part.form for part in parts_of({"messages": messages}, "char")] == ["text"]
    assert [part.form for part in parts_of({"messages": messages}, "event")] == ["event"]
    assert [part.form for part in parts_of(messages)] == ["text", "event"]
    beside = parts_of({"messages": messages, "response": "x"})
    assert [part.path for part in beside] == ["response", "messages.trace"]


def test_the_unit_token_asks_for_tokens_wherever_they_stand() -> None:
    for record in (
        {"text": "x", "ids": [1, 2]},
        {"outputs": [{"text": "x", "token_ids": [1, 2]}]},
        {"choices": [{"text": "x", "token_ids": [1, 2]}]},
    ):
        assert [part.value for part in parts_of(record, "token")] == [[1, 2]]


# ---------------------------------------------------------------- by a field


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("a.b[0].c", [("a.b[0].c", "x")]),
        ("a.b[-1].c", [("a.b[-1].c", "y")]),
        ("a.b[].c", [("a.b[0].c", "x"), ("a.b[1].c", "y")]),
        ("a.d", [("a.d.reasoning", "r"), ("a.d.answer", "z")]),
        ("e.f", [("e.f", "dotted")]),
    ],
)
def test_a_field_names_any_place(written: str, found: list[tuple[str, str]]) -> None:
    record = {
        "text": "not this",
        "a": {"b": [{"c": "x"}, {"c": "y"}], "d": "<think>r</think>z"},
        "e.f": "dotted",
    }
    parts = parts_of(record, field=Field.parse(written, "--field"))
    assert [(part.path, part.value) for part in parts] == found


def test_a_field_may_hold_tokens_of_strings_only_where_they_are_asked_for() -> None:
    field = Field.parse("pieces", "--field")
    record = {"pieces": ["a", "b"]}
    assert [part.form for part in parts_of(record, field=field)] == ["text", "text"]
    assert [part.value for part in parts_of(record, "token", field)] == [["a", "b"]]


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"txet": "x"}, r"must have text, has txet; did you mean 'txet'\?"),
        ({"text": 7}, "text must be a text, or tokens .*, is '7'"),
        ("x", "must have text, has str 'x'"),
    ],
)
def test_a_field_that_is_not_there_is_named(record: Any, words: str) -> None:
    with pytest.raises(RecurrenceError, match=words):
        parts_of(record, field=Field.parse("text", "--field"))


@pytest.mark.parametrize("written", ["", ".", "a..b", "a[x]", "a[", "a]"])
def test_what_is_no_place_is_refused(written: str) -> None:
    with pytest.raises(RecurrenceError, match="--field .*: must be names and places"):
        Field.parse(written, "--field")


def test_what_is_found_can_be_written_as_a_field() -> None:
    """A part's path leads to it, but for what is put together or taken apart."""
    for record, found in FORMS.values():
        for path, form, value in found:
            if path and form == "text" and not path.endswith(("reasoning", "answer")):
                at = Field.parse(path, "--field").value(record)
                assert at == value or isinstance(at, list), json.dumps(record)
