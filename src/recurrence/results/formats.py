"""Figures as people read them. Absent values (None, NaN) become an en dash."""

import math
from collections.abc import Callable
from typing import Any

from recurrence.results.units import noun, nouns

DASH = "–"
MINUS = "\N{MINUS SIGN}"


def absent(value: Any) -> bool:
    """None or NaN."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def _or_dash(show: Callable[[Any], str]) -> Callable[[Any], str]:
    return lambda value: DASH if absent(value) else show(value).replace("-", MINUS)


def _percent(value: float) -> str:
    """Whole percents, one decimal below ten: 0.004 must not read as 0 %, nor 0.999 as 100 %."""
    if 0 < value < 0.0995 or 0.995 <= value < 1:
        return f"{100 * value:.1f} %"
    return f"{100 * value:.0f} %"


nats = _or_dash(lambda value: f"{value:.3f}")
signed = _or_dash(lambda value: f"{value:+.3f}")
short = _or_dash(lambda value: f"{value:.2f}")
perplexity = _or_dash(
    lambda value: f"{float(value):.2f}" if float(value) < 100 else f"{float(value):,.0f}"
)
"""Infinite, it stands as text in the scores, and is inf here."""
number = _or_dash(lambda value: f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}")
points = _or_dash(lambda value: f"{100 * value:+.0f}" if abs(value) >= 0.0005 else "0")
"""A difference of two shares, in points."""
probability = _or_dash(
    lambda value: "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"
)
count = _or_dash(lambda value: f"{value:,.0f}")
percent = _or_dash(_percent)


def span(low: float | None, high: float | None) -> str:
    """An interval of shares: 31 to 58 %."""
    return f"{percent(low).removesuffix(' %')} to {percent(high)}"


def rated(rate: float | None, low: float | None, high: float | None) -> str:
    """A share with its interval: 44 % (31 to 58 %)."""
    return DASH if absent(rate) else f"{percent(rate)} ({span(low, high)})"


def behind(samples: int, nets: int) -> str:
    """What a rate is of: 24 samples of 3 nets."""
    return f"{count(samples)} samples of {nets} net{'' if nets == 1 else 's'}"


def spread(mean: float | None, sd: float | None) -> str:
    """0.612 ± 0.050; the mean alone where there is no spread."""
    return nats(mean) if absent(mean) or absent(sd) else f"{nats(mean)} ± {nats(sd)}"


def units(value: float, unit: str) -> str:
    """A number of tokens: 1 word, 13 characters."""
    return f"{number(value)} {noun(unit) if value == 1 else nouns(unit)}"


def joined(names: list[str]) -> str:
    """a, b and c."""
    return "".join(names) if len(names) < 2 else f"{', '.join(names[:-1])} and {names[-1]}"


def few(names: list[str], most: int = 6) -> str:
    """a, b and c; of more than `most`, the first and how many more there are."""
    if len(names) <= most:
        return joined(names)
    return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} more"
