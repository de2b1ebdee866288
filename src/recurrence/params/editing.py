"""Blocks put into the text of a params file: at the end of their sections, all other lines as they
are.

The file is not written anew from its tree, which would lose where its comments stand. In and out is
text.
"""

from collections.abc import Mapping
from typing import Any

import yaml

from recurrence.errors import RecurrenceError


def with_blocks(text: str, blocks: Mapping[str, str]) -> str:
    """The text with each of these blocks as the last of its section, which is begun where it is not
    there.

    `blocks`: section to lines, indented as if they stood by themselves. Raises RecurrenceError
    where a section is written in braces.
    """
    for section, block in blocks.items():
        text = _with_block(text, section, block)
    return text


def _with_block(text: str, section: str, block: str) -> str:
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    tree = yaml.compose(text, Loader=yaml.CSafeLoader)
    found = [entry for entry in tree.value if entry[0].value == section] if tree else []
    if not found:
        return "".join(lines) + f"\n{section}:\n{_indented(block, 2)}"
    [(key, value)] = found
    if not value.value:  # {} or nothing at all
        lines[key.start_mark.line : value.end_mark.line + 1] = [
            f"{section}:\n",
            _indented(block, 2),
        ]
        return "".join(lines)
    if not isinstance(value, yaml.MappingNode) or value.flow_style:
        raise RecurrenceError(
            f"params.yaml: {section}: must be written a line for each block, and not in braces, "
            "to be added to"
        )
    indent = value.value[0][0].start_mark.column
    lines.insert(_last_line(key, value) + 1, _indented(block, indent))
    return "".join(lines)


def _last_line(key: Any, value: Any) -> int:
    """The number of the line in which a value ends, from 0; what stands behind it are comments."""
    if isinstance(value, yaml.MappingNode) and not value.flow_style and value.value:
        return _last_line(*value.value[-1])
    if isinstance(value, yaml.SequenceNode) and not value.flow_style and value.value:
        return _last_line(key, value.value[-1])
    end = value.end_mark
    if isinstance(value, yaml.ScalarNode) and value.style in ("|", ">"):
        return int(end.line) - 1
    return max(int(key.end_mark.line), int(end.line))


def _indented(block: str, spaces: int) -> str:
    return "".join(f"{' ' * spaces}{line}\n" for line in block.splitlines())
