"""What pydantic found, in a person's words: where, what it must be, what it got, the nearest valid
name.

Knows nothing of any key: the tree is what was read, the schema the block that it should have been.
"""

import reprlib
from collections.abc import Callable, Iterable
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ValidationError

from recurrence.errors import nearest, nearest_name

Place = tuple[str | int, ...]

MOST_LINES = 10
"""Places that are wrong and named; of any more, only how many."""
_LOOKED_AT = 200
"""So many of pydantic's findings are put into words: each unknown key is compared with all valid
ones.
"""
_LONGEST_KEY = 60

_RULES: dict[str, Callable[[dict[str, Any]], str]] = {
    "literal_error": lambda ctx: ctx["expected"],
    "greater_than": lambda ctx: f"greater than {ctx['gt']:g}",
    "greater_than_equal": lambda ctx: f"at least {ctx['ge']:g}",
    "less_than_equal": lambda ctx: f"at most {ctx['le']}",
    "less_than": lambda ctx: f"less than {ctx['lt']:g}",
    "finite_number": lambda ctx: "a finite number",
    "string_pattern_mismatch": lambda ctx: f"text that matches {ctx['pattern']}",
    "too_short": lambda ctx: f"a list of at least {ctx['min_length']}",
    "too_long": lambda ctx: f"a list of at most {ctx['max_length']}",
    "int_type": lambda ctx: "a whole number",
    "int_parsing": lambda ctx: "a whole number",
    "int_from_float": lambda ctx: "a whole number",
    "float_type": lambda ctx: "a number",
    "float_parsing": lambda ctx: "a number",
    "bool_type": lambda ctx: "true or false",
    "bool_parsing": lambda ctx: "true or false",
    "string_type": lambda ctx: "text",
    "tuple_type": lambda ctx: "a list",
    "dict_type": lambda ctx: "a mapping",
    "model_type": lambda ctx: "a mapping",
}


def worded(error: ValidationError, where: str, tree: Any, schema: type[BaseModel]) -> str:
    """One line per place that is wrong, each beginning with `where` (the file's name); of very
    many, the first.
    """
    found = error.errors(include_url=False)
    lines = _lines([(_place(item["loc"], tree), dict(item)) for item in found[:_LOOKED_AT]], schema)
    left = len(lines) - MOST_LINES + max(len(found) - _LOOKED_AT, 0)
    if left > 0:
        lines[MOST_LINES:] = [f"and {left:,} more; mend these first"]
    return "\n".join(f"{where}: {line}" for line in lines)


def _lines(items: list[tuple[Place, dict[str, Any]]], schema: type[BaseModel]) -> list[str]:
    places = {place for place, _ in items}
    unknown = {place for place, item in items if item["type"] == "extra_forbidden"}
    meant = {
        (*place[:-1], nearest_name(str(place[-1]), _keys_at(place[:-1], schema)))
        for place in unknown
    }
    rules: dict[
        tuple[Place, str], list[str]
    ] = {}  # the arms of a union are wrong at one place together
    for place, item in items:
        if item["type"] == "missing" and place in meant:  # the misspelt key beside it is the cause
            continue
        if item["type"] == "too_short" and any(
            place == other[: len(place)] != other for other in places
        ):
            continue  # a list is short of the items that are themselves wrong
        rule, got = _rule(place, item, schema)
        rules.setdefault((place, got), []).append(rule)
    return [_line(place, found, got) for (place, got), found in rules.items()]


def _line(place: Place, found: list[str], got: str) -> str:
    rule = f"must be {' or '.join(found)}{got}" if got else found[0]
    return ": ".join(part for part in (".".join(map(_key, place)), rule) if part)


def _key(part: str | int) -> str:
    """A key as it is shown: not longer than anyone reads."""
    name = str(part)
    return name if len(name) <= _LONGEST_KEY else f"{name[:_LONGEST_KEY]}..."


def _rule(place: Place, item: dict[str, Any], schema: type[BaseModel]) -> tuple[str, str]:
    """What the value must be, and what it is instead (empty where the rule says so itself)."""
    kind = item["type"]
    if kind == "extra_forbidden":
        return f"unknown key; {nearest(str(place[-1]), _keys_at(place[:-1], schema))}", ""
    if kind == "missing":
        return "missing; this key must be given", ""
    if kind == "value_error":
        return str(item["ctx"]["error"]), ""
    must = _RULES[kind](item.get("ctx", {})) if kind in _RULES else item["msg"].lower()
    return must, f", got {reprlib.repr(item['input'])}"


def _place(loc: Place, tree: Any) -> Place:
    """The part of pydantic's location that is in the file: without the names it gives to the arms
    of a union.
    """
    kept: list[str | int] = []
    for part in loc:
        if part == "[key]" or not isinstance(tree, dict | list):
            break
        kept.append(part)
        tree = dict(tree.items() if isinstance(tree, dict) else enumerate(tree)).get(part)
    return tuple(kept)


def _keys_at(place: Place, schema: type[BaseModel]) -> Iterable[str]:
    """The valid keys of the block at a place, found by walking the declared types."""
    kind: Any = schema
    for part in place:
        if _is_block(kind):
            field = kind.model_fields.get(str(part))
            kind = _bare(
                field.annotation
                if field
                else get_args(get_type_hints(kind)["__pydantic_extra__"])[-1]
            )
        else:  # dict[..., value] or tuple[value, ...]
            inner = get_args(kind)
            kind = _bare(inner[0] if inner[-1] is Ellipsis else inner[-1])
    return kind.model_fields if _is_block(kind) else ()


def _is_block(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _bare(kind: Any) -> Any:
    """The type inside Annotated and Optional."""
    while get_origin(kind) in (Annotated, Union, UnionType):
        kind = get_args(kind)[0]
    return kind
