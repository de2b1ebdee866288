"""Loops in what an agent does: its calls of tools, each with its result, as tokens for the same
detector.

In: the messages of a conversation, in the forms of OpenAI (chat, responses) and Anthropic. An event
is a call and what came back, in canonical form: names and arguments whatever their order and
spacing, without identifiers. So a call that is made again and brings the same is the same event,
and polling that brings something else is not.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from recurrence.loops.verdict import Verdict, judge

EVENT_FLOOR = 3
"""Least events that repeat: four equal ones, or A-B-A-B-A. Twice the same may be a check, and
thrice a retry.
"""
_LONGEST = 200
"""Characters of an event's arguments and result that are shown."""


class Event(NamedTuple):
    """A call and what came back."""

    name: str
    arguments: str
    """Canonical JSON, or the text where it is none."""
    result: str | None
    """None: nothing came back, or it was not kept."""

    def __str__(self) -> str:
        result = "" if self.result is None else f" -> {_cut(self.result)}"
        return f"{self.name}({_cut(self.arguments)}){result}"


def judge_events(messages: Iterable[Mapping[str, Any]], floor: int = EVENT_FLOOR) -> Verdict:
    """The verdict on an agent's trace by the exact rule; positions and lengths count events.

    `floor`: least events that equal the one a period before. ValueError where the messages are no
    mappings.
    """
    numbers: dict[Event, int] = {}
    ids = [numbers.setdefault(event, len(numbers)) for event in events(messages)]
    return judge(np.asarray(ids, np.int64), floor)


def events(messages: Iterable[Mapping[str, Any]]) -> list[Event]:
    """The calls of a conversation, in order, each with the first result after it that is its
    own.
    """
    found: list[Event] = []
    waiting: list[tuple[str | None, int]] = []
    for message in messages:
        if not isinstance(message, Mapping):
            raise ValueError(
                f"messages must be mappings, as OpenAI's and Anthropic's are; got {message!r:.60}"
            )
        for call, name, arguments in _calls(message):
            waiting.append((call, len(found)))
            found.append(Event(name, arguments, None))
        for call, result in _results(message):  # identifiers may come again, call after call
            mine = [each for each in waiting if call is None or each[0] == call]
            if mine:
                waiting.remove(mine[0])
                found[mine[0][1]] = found[mine[0][1]]._replace(result=result)
    return found


# ---------------------------------------------------------------- the forms


def _calls(message: Mapping[str, Any]) -> Iterator[tuple[str | None, str, str]]:
    """Identifier, name and arguments of each call in a message."""
    for call in _mappings(message.get("tool_calls")):
        function = call.get("function")
        given = function if isinstance(function, Mapping) else call
        yield _id(call.get("id")), str(given.get("name")), _canonical(given.get("arguments"))
    function = message.get("function_call")
    if isinstance(function, Mapping):
        yield None, str(function.get("name")), _canonical(function.get("arguments"))
    for block in (message, *_mappings(message.get("content"))):
        if block.get("type") in ("tool_use", "server_tool_use"):
            yield _id(block.get("id")), str(block.get("name")), _canonical(block.get("input"))
        elif block.get("type") in ("function_call", "custom_tool_call"):
            given = block.get("arguments", block.get("input"))
            yield _id(block.get("call_id")), str(block.get("name")), _canonical(given)


def _results(message: Mapping[str, Any]) -> Iterator[tuple[str | None, str]]:
    """Identifier of the call, and what came back."""
    if message.get("role") in ("tool", "function"):
        yield _id(message.get("tool_call_id")), _text(message.get("content"))
    for block in (message, *_mappings(message.get("content"))):
        if block.get("type") == "tool_result":
            yield _id(block.get("tool_use_id")), _text(block.get("content"))
        elif block.get("type") in ("function_call_output", "custom_tool_call_output"):
            yield _id(block.get("call_id")), _text(block.get("output"))


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _id(value: Any) -> str | None:
    return None if value is None else str(value)


def _canonical(arguments: Any) -> str:
    """Arguments as JSON with sorted names; a text that is no JSON as it is."""
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except (ValueError, RecursionError):
            return str(arguments).strip()
    return json.dumps(arguments, sort_keys=True, ensure_ascii=False, default=str)


def _text(content: Any) -> str:
    """What came back as one text, without the white space around it."""
    if isinstance(content, str):
        return content.strip()
    texts = [block["text"] for block in _mappings(content) if isinstance(block.get("text"), str)]
    return "\n".join(texts).strip() if texts else _canonical(content)


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
