"""A record as people and programs write it -> its texts, tokens and traces, found by themselves or
by a named field.

Knows the forms of chat and completion interfaces (OpenAI, Anthropic, Gemini), batch files, vLLM,
pipelines of Hugging Face, lm-eval's logs and our own samples: not by what wrote them, but by the
names and shapes that they share.
"""

import re
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from recurrence.errors import RecurrenceError, nearest_name
from recurrence.loops.agents import events
from recurrence.scan.fields import Field
from recurrence.scan.names import CONVERSATIONS, REASONING, SPEAKERS, TEXTS, TOKENS, WITHIN

Form = Literal["text", "token", "event"]


class Part(NamedTuple):
    """Something of a record to be judged."""

    path: str
    """Where in the record it stands."""
    form: Form
    value: Any
    """A text, or a list of tokens or events."""


_THOUGHT = re.compile(
    r"\s*(?:<(?:think|thinking|reasoning|thought)>)?(.*?)</(?:think|thinking|reasoning|thought)>(.*)",
    re.S,
)
_DEEPEST = 12
"""Levels of a record that are looked through."""


def parts_of(record: Any, unit: str | None = None, field: Field | None = None) -> list[Part]:
    """What is to be judged of a record. RecurrenceError, without a place, where there is nothing.

    `unit`: char and word ask for texts, token for tokens, event for traces; None: texts, or tokens
    where there is no text, and traces. `field`: where to look.
    """
    given = list(field.values(record)) if field else [("", record)]
    if field and not given:
        raise RecurrenceError(f"must have {field.written}, has {_names(record, field)}")
    found: list[Part] = []
    for path, value in given:
        if unit in (None, "char", "word"):
            found += _texts(value, path)
        if unit in (None, "event"):
            found += _traces(value, path)
        if unit == "token" or unit is None and not found:
            found += _tokens(value, path, bool(path))
    if not found:
        raise RecurrenceError(_nothing(record, unit, field))
    return found


def is_known(record: Any) -> bool:
    """Whether something is found in a record by itself."""
    try:
        return bool(parts_of(record))
    except RecurrenceError:
        return False


# ---------------------------------------------------------------- texts


def _texts(value: Any, path: str, depth: int = 0) -> Iterator[Part]:
    if isinstance(value, str):
        yield from _of_text(value, path)
    elif depth > _DEEPEST:
        return
    elif isinstance(value, list):
        if value and (path.endswith("parts") or all(map(_is_block, value))):
            yield from _of_blocks(value, path)
        elif value and all(_speaker(each) for each in value):
            yield from _of_messages(value, path, depth)
        else:
            for place, each in enumerate(value):
                yield from _texts(each, f"{path}[{place}]", depth + bool(path))
    elif isinstance(value, dict):
        yield from _of_mapping(value, path, depth)


def _of_text(text: str, path: str) -> Iterator[Part]:
    """A text; reasoning and answer apart, where tags part them."""
    apart = _THOUGHT.fullmatch(text) if "</" in text else None
    if apart and apart[1].strip() and apart[2].strip():
        yield Part(_join(path, "reasoning"), "text", apart[1])
        yield Part(_join(path, "answer"), "text", apart[2])
    else:
        yield Part(path, "text", text)


def _of_mapping(record: dict[str, Any], path: str, depth: int) -> Iterator[Part]:
    """The reasoning, and the first of the known fields that has a text."""
    role = record.get("role")
    if depth == 0 and isinstance(role, str) and role.lower() not in SPEAKERS:
        return  # what people and tools say
    for name in REASONING:
        value = record.get(name)
        if isinstance(value, str) and value:
            yield Part(_join(path, name), "text", value)
            break
    for name in (*TEXTS, *WITHIN):
        plain = depth == 0 and name in WITHIN and isinstance(record.get(name), str)
        if not plain and record.get(name) is not None:
            found = list(_texts(record[name], _join(path, name), depth + 1))
            if found:
                yield from found
                return


def _of_messages(messages: list[Any], path: str, depth: int) -> Iterator[Part]:
    """What the model said of a conversation."""
    for place, message in enumerate(messages):
        if _speaker(message) in SPEAKERS:
            said = _of_mapping(message, f"{path}[{place}]", depth + 1)
            yield from (part for part in said if part.value.strip())  # none beside a call


def _speaker(message: Any) -> str | None:
    """Who says a message of a conversation; None: it is none."""
    if not isinstance(message, dict):
        return None
    for name in ("role", "from", "type"):
        value = message.get(name)
        if name == "type" and value in ("message", "reasoning"):
            return "assistant"
        if isinstance(value, str) and (name != "type" or value.startswith("function_call")):
            return value.lower()
    return None


def _is_block(value: Any) -> bool:
    """Whether it is a block of a message's content."""
    kind = value.get("type") if isinstance(value, dict) and "role" not in value else None
    known = ("text", "thinking", "tool_", "image", "summary", "redacted", "refusal", "input_")
    return isinstance(kind, str) and (kind.startswith(known) or kind == "output_text")


def _of_blocks(blocks: list[Any], path: str) -> Iterator[Part]:
    """The reasoning and the answer of a message that comes in blocks."""
    thought = "".join(_said(each, reasoning=True) for each in blocks)
    answer = "".join(_said(each, reasoning=False) for each in blocks)
    if thought:
        yield Part(_join(path, "reasoning"), "text", thought)
    if answer and thought:
        yield Part(_join(path, "answer"), "text", answer)
    elif answer:
        yield from _of_text(answer, path)


def _said(block: Any, reasoning: bool) -> str:
    if not isinstance(block, dict):
        return block if isinstance(block, str) and not reasoning else ""
    kind = block.get("type", "thought" if block.get("thought") else "text")
    name = "thinking" if kind == "thinking" else "text"
    is_reasoning = kind in ("thinking", "thought", "summary_text", "reasoning_text")
    value = block.get(name)
    said = is_reasoning or kind in ("text", "output_text")
    return value if said and is_reasoning == reasoning and isinstance(value, str) else ""


# ---------------------------------------------------------------- tokens and traces


def _tokens(value: Any, path: str, named: bool, depth: int = 0) -> list[Part]:
    """Lists of tokens; strings are tokens where the field says so."""
    if depth > _DEEPEST:
        return []
    if isinstance(value, dict):
        for name in (*TOKENS, *TEXTS, *WITHIN):
            known = name in TOKENS
            found = _tokens(value.get(name), _join(path, name), known, depth + 1)
            if found:
                return found
    if not isinstance(value, list):
        return []
    kinds = set(map(type, value))
    if kinds == {int} or named and kinds <= {str, int}:
        return [Part(path, "token", value)]
    if not kinds <= {dict, list}:
        return []
    inside = enumerate(value)
    return [
        part for at, each in inside for part in _tokens(each, f"{path}[{at}]", named, depth + 1)
    ]


def _traces(value: Any, path: str) -> Iterator[Part]:
    """The calls of a conversation with their results."""
    given = {path: value}
    if isinstance(value, dict):
        given = {_join(path, name): value.get(name) for name in CONVERSATIONS}
    for where, messages in given.items():
        if not isinstance(messages, list):
            continue
        mappings = [each for each in messages if isinstance(each, dict)]
        if mappings and (happened := events(mappings)):
            yield Part(_join(where, "trace"), "event", happened)
            return


# ---------------------------------------------------------------- words


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _names(record: Any, field: Field | None = None) -> str:
    """What a record has, and which of it was meant."""
    if not isinstance(record, dict):
        return f"{type(record).__name__} {str(record)[:40]!r}"
    names = [str(name) for name in record]
    first = field and isinstance(field.steps[0], str) and field.steps[0]
    close = nearest_name(first, names) if first else None
    listed = ", ".join(name[:40] for name in names[:12]) or "no field"
    empty = [name for name in (*TEXTS, *TOKENS) if name in record and record[name] is None]
    if empty:
        listed += f"; `{empty[0]}` is null"
    return f"{listed}; did you mean {close!r}?" if close else listed


def _nothing(record: Any, unit: str | None, field: Field | None) -> str:
    rules = {
        "token": "tokens (a list of whole numbers or strings)",
        "event": "messages with calls of tools",
        None: "a text, or tokens (a list of whole numbers or strings)",
    }
    rule = rules.get(unit, "a text")
    asked = f" (--unit {unit})" if unit else ""
    if field:
        return f"{field.written} must be {rule}{asked}, is {str(field.value(record))[:40]!r}"
    return f"must have {rule}{asked} under a known name, or --field names it; has {_names(record)}"
