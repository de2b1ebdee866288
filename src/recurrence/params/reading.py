"""YAML text -> a tree of mappings, lists and plain values; whatever else YAML can say is refused,
with its line.

A params file may come from a stranger, and it is also read and rewritten by dvc, which reads YAML
1.2. So the values are those of YAML 1.2 (`1e-3` is a number, `yes` and `2020-01-31` are text), keys
are text, and there are no aliases, tags or merges. Size, depth and count are bounded before
anything is built.
"""

import re
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import Composer

from recurrence.errors import RecurrenceError

MOST_BYTES = 1 << 20
MOST_NODES = 30_000
"""Keys and values together; this project's own file has some 3,000."""
MOST_DEPTH = 40
MOST_DIGITS = 18
"""Of a whole number: what every reader of the file can hold in 64 bits."""

_BOOL = "tag:yaml.org,2002:bool"
_FLOAT = "tag:yaml.org,2002:float"
_INT = "tag:yaml.org,2002:int"
_NULL = "tag:yaml.org,2002:null"
_PLAIN = (
    (_BOOL, r"true|True|TRUE|false|False|FALSE", "tTfF"),
    (_NULL, r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    (_INT, r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        _FLOAT,
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        "-+.0123456789",
    ),
)
"""What a value without quotes is (tag, pattern, first characters): the core schema of YAML 1.2. All
else is text.
"""


def read_file(path: Path) -> str:
    """The text of a params file; raises RecurrenceError where it is not UTF-8 or too large, OSError
    as it comes.
    """
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise RecurrenceError(
            f"{path}: larger than {MOST_BYTES:,} bytes; params are short: is this the right file?"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecurrenceError(
            f"{path}: not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from error


def read_tree(text: str, where: str) -> Any:
    """The tree that the text stands for; raises RecurrenceError, one line that says where and
    what.
    """
    try:
        loader = _Strict(text)
        return loader.get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        problem = error.problem or error.context
        raise RecurrenceError(f"{where}{at}: not YAML as it should be: {problem}") from error
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        raise RecurrenceError(f"{where}: not YAML: {' '.join(str(error).split())}") from error


class _Strict(Composer, yaml.CSafeLoader):
    """PyYAML's loader over libyaml's events, composed here so that what is not allowed is never
    built.
    """

    yaml_implicit_resolvers: dict[Any, Any] = {}

    def __init__(self, text: str) -> None:
        yaml.CSafeLoader.__init__(self, text)
        Composer.__init__(self)
        self.depth = 0
        self.nodes = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.peek_event()
        self.nodes += 1
        self.depth += 1
        self._check(event)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def _check(self, event: Any) -> None:
        if isinstance(event, yaml.AliasEvent):
            _refuse(event, f"the alias *{event.anchor}; write it out, or name it under recipes:")
        if event.anchor is not None:
            _refuse(event, f"the anchor &{event.anchor}; nothing may refer to it, so leave it out")
        if getattr(event, "tag", None) is not None:
            _refuse(event, f"the tag {event.tag}; write the value alone")
        if self.depth > MOST_DEPTH:
            _refuse(event, f"more than {MOST_DEPTH} levels; nothing here lies so deep")
        if self.nodes > MOST_NODES:
            _refuse(event, f"more than {MOST_NODES:,} keys and values; is this the right file?")

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """YAML takes the last of two equal keys without a word; a block copied and not renamed
        would vanish.
        """
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                _refuse(key_node, f"a key must be text, got {_short(key)}; quote it if it is meant")
            if key in found:
                _refuse(key_node, f"the key {_short(key)} is there twice")
            found[key] = self.construct_object(value_node, deep=deep)
        return found

    def construct_yaml_map(self, node: yaml.MappingNode) -> Any:
        return self.construct_mapping(node, deep=True)

    def construct_yaml_seq(self, node: yaml.SequenceNode) -> Any:
        return self.construct_sequence(node, deep=True)

    def construct_whole(self, node: yaml.ScalarNode) -> int:
        value = str(node.value)
        if (
            len(value) > MOST_DIGITS + 2
            or abs(number := int(value, _base(value))) >= 10**MOST_DIGITS
        ):
            _refuse(node, f"a whole number of more than {MOST_DIGITS} digits, {_short(value)}")
        return number

    def construct_real(self, node: yaml.ScalarNode) -> float:
        return float(str(node.value).lower().replace(".inf", "inf").replace(".nan", "nan"))


for _tag, _pattern, _first in _PLAIN:
    _Strict.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern})\Z"), list(_first))
_Strict.add_constructor("tag:yaml.org,2002:map", _Strict.construct_yaml_map)
_Strict.add_constructor("tag:yaml.org,2002:seq", _Strict.construct_yaml_seq)
_Strict.add_constructor(_INT, _Strict.construct_whole)
_Strict.add_constructor(_FLOAT, _Strict.construct_real)


def _base(value: str) -> int:
    return {"0x": 16, "0o": 8}.get(value[:2], 10)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:56]} ..."


def _refuse(place: Any, problem: str) -> None:
    raise yaml.MarkedYAMLError(problem=problem, problem_mark=place.start_mark)
