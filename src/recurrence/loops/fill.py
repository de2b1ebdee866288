"""Fill: what people repeat to draw with or to hold a place: rules, leaders, blanks, empty cells,
zeros.

In: the unit of a run, as it is written. Out: whether it is such. Where it goes on to the end of a
text it loops all the same, and blanks do so wherever nobody indents so far.
"""

import re

_HOLDERS = re.compile(
    r"\b(?:0x0+|null|none|nan|nil|false|true|n/?a|undefined|void|nbsp|0+(?:\.0+)?f?)\b"
    r"|</?(?:td|th|tr|br|li|p|hr)\b[^>]*>",
    re.I,
)
_SAYS = re.compile(r"[^\W_]")


def is_fill(unit: str) -> bool:
    """Whether a unit says nothing: signs, blanks, one and the same character, or what stands for no
    value.
    """
    if len(set(unit)) == 1:
        return True
    left = set(_SAYS.findall(_HOLDERS.sub("", unit)))
    return not left or left == {"0"}


def is_blank(unit: str) -> bool:
    """Whether it is white space alone."""
    return not unit.strip()
