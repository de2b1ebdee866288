import math

import pytest

from recurrence.results import formats


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0 %"),
        (0.004, "0.4 %"),
        (0.0994, "9.9 %"),
        (0.0996, "10 %"),
        (0.5, "50 %"),
        (0.999, "99.9 %"),
        (1, "100 %"),
    ],
)
def test_percent_never_rounds_to_none_or_all(value: float, shown: str) -> None:
    assert formats.percent(value) == shown


@pytest.mark.parametrize("value", [None, math.nan])
def test_what_is_absent_is_a_dash(value: float | None) -> None:
    assert {
        formats.nats(value),
        formats.percent(value),
        formats.spread(value, 1.0),
        formats.count(value),
    } == {"–"}


def test_a_mean_has_its_spread_where_there_is_one() -> None:
    assert formats.spread(0.6123, 0.0504) == "0.612 ± 0.050"
    assert formats.spread(0.6123, None) == "0.612"


def test_signs_are_signs() -> None:
    assert (formats.signed(-0.0123), formats.signed(0.5)) == ("\N{MINUS SIGN}0.012", "+0.500")


def test_units_agree_with_their_number() -> None:
    assert (formats.units(1, "word"), formats.units(13, "char")) == ("1 word", "13 characters")


def test_joined() -> None:
    assert [formats.joined(list("abc")[:n]) for n in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
