"""Text from outside does nothing where it is shown: neither to a terminal nor in a spreadsheet."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurrence.escaping import cell, escaped


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, é, 漢字, a\u200db", "plain, é, 漢字, a\u200db"),
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("\x9b2J", r"\x9b2J"),
        ("a\rb\nc", r"a\rb\nc"),
        ("\u202etxt.exe", r"\u202etxt.exe"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_acts_on_a_terminal_is_spelled(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_line_breaks_and_tabs_stay_where_they_are_meant() -> None:
    assert escaped("a\n\tb\r\x1b", "\n\t") == "a\n\tb\\r\\x1b"


@given(st.text())
def test_nothing_that_is_shown_acts(text: str) -> None:
    shown = escaped(text)
    assert all(c.isprintable() or c in "\u200c\u200d\u00a0\u00ad\u3000" for c in shown)
    assert escaped(shown) == shown


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "\uff0b1", "\uff20A"],
)
def test_a_formula_is_text(text: str) -> None:
    assert cell(text).startswith("'")


@pytest.mark.parametrize("text", ["", "a=1", "1-1", " =1", "'=1"])
def test_other_cells_stay(text: str) -> None:
    assert cell(text) == text
