"""Text from outside, written so that it does nothing: to a terminal, or in a spreadsheet. Needs
nothing itself.
"""

_HARMLESS = "\u200c\u200d\u00a0\u00ad\u3000"
"""Not printable in Python's sense, but part of how some languages are written."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a cell that a spreadsheet computes begins with (OWASP, "CSV Injection"), also as full-width
characters.
"""


def escaped(text: str, keep: str = "") -> str:
    """The text with an escape for every character that could do more than be seen; those in `keep`
    stay.
    """
    if text.isprintable():
        return text
    keep += _HARMLESS
    return "".join(
        c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text
    )


def cell(text: str) -> str:
    """The text as a cell of a table that may be opened in a spreadsheet: one that would be computed
    gets a ' first.
    """
    text = f"'{text}" if text.startswith(_FORMULA) else text
    return escaped(text)
