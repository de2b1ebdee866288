"""An agent's calls with their results as events: the same call with the same result loops, polling
does not.
"""

import json
from typing import Any

import pytest

from recurrence.loops.agents import EVENT_FLOOR, Event, events, judge_events

Messages = list[dict[str, Any]]


def openai(*happened: tuple[str, Any, str]) -> Messages:
    """Calls with arguments and results as OpenAI's chat has them."""
    messages: Messages = []
    for number, (name, arguments, result) in enumerate(happened):
        function = {"name": name, "arguments": json.dumps(arguments)}
        calls = [{"id": f"call_{number}", "type": "function", "function": function}]
        messages.append({"role": "assistant", "content": None, "tool_calls": calls})
        messages.append({"role": "tool", "tool_call_id": f"call_{number}", "content": result})
    return messages


def anthropic(*happened: tuple[str, Any, str]) -> Messages:
    messages: Messages = []
    for number, (name, arguments, result) in enumerate(happened):
        use = {"type": "tool_use", "id": f"toolu_{number}", "name": name, "input": arguments}
        messages.append({"role": "assistant", "content": [{"type": "text", "text": "so"}, use]})
        content = [{"type": "text", "text": result}]
        back = {"type": "tool_result", "tool_use_id": f"toolu_{number}", "content": content}
        messages.append({"role": "user", "content": [back]})
    return messages


def responses(*happened: tuple[str, Any, str]) -> Messages:
    messages: Messages = []
    for number, (name, arguments, result) in enumerate(happened):
        call = {"type": "function_call", "call_id": f"c{number}", "name": name}
        messages.append(call | {"arguments": json.dumps(arguments)})
        messages.append({"type": "function_call_output", "call_id": f"c{number}", "output": result})
    return messages


A, B = ("read", {"path": "a.py", "line": 1}, "no such file"), ("list", {}, "b.py")
FORMS = pytest.mark.parametrize("form", [openai, anthropic, responses])


@FORMS
def test_calls_come_with_their_results_in_any_form(form: Any) -> None:
    first, second = events(form(A, B))
    assert first == Event("read", '{"line": 1, "path": "a.py"}', "no such file")
    assert str(second) == "list({}) -> b.py"


@FORMS
@pytest.mark.parametrize(
    ("happened", "found"),
    [
        ([A] * 4, ("exact", 0, 1)),
        ([B, A, A, A, A], ("exact", 1, 1)),
        ([A, B, A, B, A, B], ("exact", 0, 2)),
        ([A] * 3, ("none", None, None)),
        ([A, B] * 2, ("none", None, None)),
        ([("status", {"job": 1}, f"{n} % done") for n in range(40)], ("none", None, None)),
        ([("read", {"path": f"{n}.py"}, "") for n in range(40)], ("none", None, None)),
        ([("status", {}, "10 %")] * 2 + [("status", {}, "20 %")] * 2, ("none", None, None)),
    ],
)
def test_the_same_call_with_the_same_result_loops(
    form: Any, happened: list[Any], found: tuple[Any, ...]
) -> None:
    verdict = judge_events(form(*happened))
    assert (verdict.kind, verdict.start, verdict.period) == found
    assert verdict.length == len(happened)


def test_how_arguments_are_written_makes_no_difference() -> None:
    messages = openai(A, A)
    function = messages[2]["tool_calls"][0]["function"]
    function["arguments"] = '{"line":1,\n "path": "a.py"}'
    messages[3]["content"] = "no such file\n"
    first, second = events(messages)
    assert first == second
    function["arguments"] = "not JSON "
    assert events(messages)[1].arguments == "not JSON"


def test_several_calls_at_once_have_each_its_own_result() -> None:
    both = openai(A, B)
    calls = both[0]["tool_calls"] + both[2]["tool_calls"]
    messages = [{"role": "assistant", "tool_calls": calls}, both[3], both[1]]
    assert [event.result for event in events(messages)] == ["no such file", "b.py"]


def test_identifiers_may_come_again() -> None:
    """Some servers number the calls of each message anew."""
    messages = openai(("status", {}, "1"), ("status", {}, "2"))
    for message in messages:
        if "tool_call_id" in message:
            message["tool_call_id"] = "0"
        else:
            message["tool_calls"][0]["id"] = "0"
    assert [event.result for event in events(messages)] == ["1", "2"]


def test_calls_without_identifiers_or_results() -> None:
    old: Messages = [
        {"role": "assistant", "function_call": {"name": "ls", "arguments": "{}"}},
        {"role": "function", "name": "ls", "content": "a"},
        {"role": "assistant", "function_call": {"name": "ls", "arguments": "{}"}},
    ]
    assert [event.result for event in events(old)] == ["a", None]
    bare = [{"role": "assistant", "tool_calls": [{"name": "ls", "arguments": {}}]}] * 5
    assert judge_events(bare).kind == "exact"


def test_a_floor_of_ones_own() -> None:
    assert EVENT_FLOOR == 3
    assert judge_events(openai(A, B, A, B), floor=2).kind == "exact"
    assert judge_events(openai(*[A] * 6), floor=6).kind == "none"


def test_a_long_result_is_cut_where_it_is_shown_and_nowhere_else() -> None:
    first, second = events(openai(("cat", {}, "x" * 999 + "1"), ("cat", {}, "x" * 999 + "2")))
    assert first != second
    assert str(first) == str(second)
    assert len(str(first)) < 300


@pytest.mark.parametrize("messages", [["text"], [None], [["role"]]])
def test_what_is_no_message_is_named(messages: Any) -> None:
    with pytest.raises(ValueError, match="messages must be mappings, .*; got"):
        judge_events(messages)


def test_a_conversation_without_calls_has_no_events() -> None:
    verdict = judge_events([{"role": "assistant", "content": "hello"}] * 9)
    assert (verdict.kind, verdict.length) == ("none", 0)
