"""How plain text in params.yaml is read: by the rules of YAML 1.2, as DVC reads the file.

PyYAML alone has the rules of YAML 1.1, where `1e-3` is text, `off` is false and `010` is eight.
"""

import re
from typing import Any

import yaml

_TAG = "tag:yaml.org,2002:"
_NUMBER = list("-+.0123456789")
_RULES: dict[str, tuple[str, list[str]]] = {
    "bool": ("true|True|TRUE|false|False|FALSE", list("tTfF")),
    "null": ("~|null|Null|NULL|", [*"~nN", ""]),
    "int": ("[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", _NUMBER),
    "float": (
        r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
        _NUMBER,
    ),
    "merge": ("<<", ["<"]),
}
"""What a kind of value looks like, and the characters that it may begin with; the first match is it."""


class Scalars(yaml.SafeLoader):
    """A safe loader whose plain scalars are those of YAML 1.2."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # its own, none of YAML 1.1's


def _whole(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = str(loader.construct_scalar(node))
    return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))


def _real(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    text = str(loader.construct_scalar(node)).lower()
    return float(text.replace(".inf", "inf").replace(".nan", "nan"))


for _kind, (_pattern, _first) in _RULES.items():
    Scalars.add_implicit_resolver(_TAG + _kind, re.compile(f"^(?:{_pattern})$"), _first)
Scalars.add_constructor(_TAG + "int", _whole)
Scalars.add_constructor(_TAG + "float", _real)
