"""What a block of params.yaml may give a filter: numbers within bounds, and named settings.

In come a filter's name and a value of any kind; out comes the value, or a ValueError that says the
rule and the value.
"""

from collections.abc import Mapping
from math import inf, isfinite
from typing import Any

from recurrence.errors import nearest

REQUIRED = object()
"""In place of a default: the setting must be given."""


def settings(name: str, value: Any, scalar: str, defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, from a mapping that gives some of them, or a lone value for `scalar`."""
    given = value if isinstance(value, Mapping) else {scalar: value}
    if unknown := [key for key in given if key not in defaults]:
        raise ValueError(
            f"{name} has no setting {unknown[0]!r}; {nearest(str(unknown[0]), defaults)}"
        )
    full = {**defaults, **given}
    if missing := [key for key, each in full.items() if each is REQUIRED]:
        raise ValueError(f"{name}.{missing[0]} must be given")
    return full


def number(
    name: str,
    value: Any,
    *,
    above: float = -inf,
    least: float = -inf,
    most: float = inf,
    hint: str = "",
) -> float:
    """A finite number within the bounds."""
    real = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    if real and above < value and least <= value <= most:
        return float(value)
    if isfinite(most) and isfinite(max(above, least)):
        rule = f" in {'(' if above > least else '['}{max(above, least):g}, {most:g}]"
    else:
        bounds = [("greater than", above), ("of at least", least), ("of at most", most)]
        rule = "".join(f" {word} {bound:g}" for word, bound in bounds if isfinite(bound))
    raise ValueError(f"{name} must be a number{rule}{hint}, got {value!r}")


def whole(name: str, value: Any, least: int = 1) -> int:
    """A whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
    return value


def window(name: str, value: Any) -> int | None:
    """How many of the last tokens count; None for the whole history."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(
            f"{name} must be a whole number of at least 1, or null for the whole history, "
            f"got {value!r}"
        )
    return value


def truth(name: str, value: Any) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false, got {value!r}")
    return value


def choice(name: str, value: Any, options: tuple[str, ...]) -> str:
    """One of the options."""
    if value not in options:
        raise ValueError(f"{name} must be {' or '.join(options)}, got {value!r}")
    return str(value)
