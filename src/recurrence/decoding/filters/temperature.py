"""Filters that divide the logits: what is likely becomes likelier, or less so; nothing goes."""

from math import inf
from typing import Any

from torch import Tensor

from recurrence.decoding.filters.contract import Filter, Setting, Stateless
from recurrence.decoding.filters.logits import entropy
from recurrence.decoding.filters.values import REQUIRED, number, settings

#   B = rows, V = vocabulary, T = tokens so far

COLDEST = 1e-290
"""A temperature below this is taken as this: no logit is divided up to infinity, and all the same
the likeliest token has all of the probability."""


def temperature(value: Any, setting: Setting) -> Filter:
    """z / T, T > 0: below 1 the likely becomes likelier. 1 is off; llama.cpp's default is 0.8."""
    given = number("temperature", value, above=0, hint=" (pick: argmax is the limit at 0)")
    divisor = max(given, COLDEST)
    return Stateless(lambda logits_BV, history_BT: logits_BV / divisor)


def dynamic_temperature(value: Any, setting: Setting) -> Filter:
    """z / T, T = (t - r) + 2r (H / ln n)^e for the n tokens left and their entropy H.

    {temperature: t = 1, range: r < t, exponent: e = 1}; a lone number is r, and 0 is off. A model
    that is sure is made surer. llama.cpp's temp-ext, where t - r = 0 is allowed.
    """
    given = settings(
        "dynamic_temperature", value, "range", {"temperature": 1, "range": REQUIRED, "exponent": 1}
    )
    middle = number("dynamic_temperature.temperature", given["temperature"], above=0)
    exponent = number("dynamic_temperature.exponent", given["exponent"], least=0)
    spread = number("dynamic_temperature.range", given["range"], least=0)
    if spread >= middle:
        raise ValueError(
            f"dynamic_temperature.range must be less than the temperature ({middle:g}), "
            f"got {spread!r}"
        )

    def scale(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        most_B1 = (logits_BV > -inf).sum(-1, keepdim=True).double().log()
        # One token has no entropy to speak of; two can have ln 2, so 0.5 only guards 0 / 0.
        share_B1 = (entropy(logits_BV) / most_B1.clamp(min=0.5)).clamp(0, 1)
        divisor_B1 = middle - spread + 2 * spread * share_B1**exponent
        return logits_BV / divisor_B1.clamp(min=COLDEST)

    return Stateless(scale)
