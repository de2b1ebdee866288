"""Which decoding to recommend for a model: no loop, and priced as human text is.

The price of text is what another model, the judge, needs to predict it, in nats per token. Text that loops is cheap and
gibberish is dear, so a setting qualifies if none of its samples loops, exactly or nearly, and its mean price lies where
95 % of the human windows lie under the same judge. Of those the one nearest to the human median is recommended.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from recurrence.reporting.results import HUMAN, ModelResults


@dataclass(frozen=True)
class Band:
    """Where 95 % of the human windows lie, in nats per token under a model's judge."""

    low: float
    median: float
    high: float
    windows: int

    def place(self, price: float) -> str:
        """below, within or above."""
        return "below" if price < self.low else "above" if price > self.high else "within"


@dataclass(frozen=True)
class Choice:
    """The setting that qualifies and is nearest to human text, or what comes nearest where none does."""

    strategy: str
    rates: dict[str, Any]
    band: Band
    qualifies: bool
    qualified: tuple[str, ...]
    """All that do, the nearest to the human median first."""


def band(model: ModelResults) -> Band | None:
    """2.5th and 97.5th percentile of the human windows' prices; None where there are none."""
    if not model.human_nats:
        return None
    low, median, high = (float(x) for x in np.percentile(model.human_nats, [2.5, 50, 97.5]))
    return Band(low, median, high, len(model.human_nats))


def choose(model: ModelResults) -> Choice | None:
    """The recommended setting of a model; None where its samples have no prices."""
    human = band(model)
    priced = {
        name: r for name, r in model.rates.items() if name != HUMAN and r["price"] is not None
    }
    if human is None or not priced:
        return None
    ranked = sorted(
        priced,
        key=lambda name: (priced[name]["loop_rate"], abs(priced[name]["price"] - human.median)),
    )
    free = [name for name in ranked if priced[name]["loop_rate"] == 0]
    good = tuple(name for name in free if human.place(priced[name]["price"]) == "within")
    best = good[0] if good else ranked[0]
    return Choice(best, priced[best], human, bool(good), good)
