"""Which decoding is recommended for a model, as detect_loops has it: chosen on one half, confirmed
on another.

Nothing is decided here; see study/choice.py for the rules.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recurrence.results.formats import count, nats, percent

Evidence = dict[str, Any]
"""What one half says of a setting: samples, nets, loops, loop_hi, reference nats and so on."""


@dataclass(frozen=True)
class Band:
    """Where 95 % of the human windows lie, in nats per token under a model's reference model."""

    low: float
    median: float
    high: float
    windows: int

    def place(self, reference_nats: float) -> str:
        """below, within or above."""
        if reference_nats < self.low:
            return "below"
        return "above" if reference_nats > self.high else "within"


@dataclass(frozen=True)
class Choice:
    """The recommended setting, or what comes nearest where there is none."""

    strategy: str
    qualifies: bool
    band: Band
    choosing: Evidence
    confirming: Evidence | None
    lacks: tuple[str, ...]
    """What it lacks, in words; none where it qualifies."""
    tried: int
    candidates: int
    bound: float

    @property
    def seen(self) -> Evidence:
        """What says most of it: the confirming half, where there is one."""
        return self.confirming or self.choosing


def band_of(human_nats: Sequence[float]) -> Band | None:
    """2.5th and 97.5th percentile of the human windows' nats; None where there are none."""
    if not human_nats:
        return None
    low, median, high = (float(x) for x in np.percentile(human_nats, [2.5, 50, 97.5]))
    return Band(low, median, high, len(human_nats))


def choice_of(tree: dict[str, Any] | None, human: Band | None) -> Choice | None:
    """What `detect_loops` chose, in words; None where samples or human text have no reference
    nats.
    """
    if human is None or not tree or not tree["nearest"]:
        return None
    trial = tree["nearest"]
    seen = trial["confirming"] or trial["choosing"]
    lacks = tuple(_lack(name, seen, human, tree) for name in trial["lacks"])
    if not trial["lacks"] and not tree["recommended"]:
        lacks = (_unreachable(tree),)
    return Choice(
        strategy=trial["strategy"],
        qualifies=tree["recommended"] is not None,
        band=human,
        choosing=trial["choosing"],
        confirming=trial["confirming"],
        lacks=lacks,
        tried=len(tree["tried"]),
        candidates=tree["candidates"],
        bound=tree["bound"],
    )


def _lack(name: str, seen: Evidence, human: Band, tree: dict[str, Any]) -> str:
    """In words, with the figure that shows it."""
    of, span = f"of {count(seen['samples'])}", f"{nats(human.low)} to {nats(human.high)}"
    if name == "loops":
        return f"{seen['loops']} {of} loop, at most {percent(seen['loop_hi'])}"
    if name == "recycles":
        return (
            f"{seen['recycling']} {of} recycle, of human text at most "
            f"{percent(tree['human']['recycling_hi'])}"
        )
    if name == "repeats":
        return "repeats more than human text"
    if name == "unpriced":
        return "has no reference nats"
    side = "more" if name == "cheap" else "less"
    return f"{nats(seen['reference_nats'])} nats, {side} predictable than human text ({span})"


def _unreachable(tree: dict[str, Any]) -> str:
    """Why nothing was tried of what might have qualified."""
    if not tree["available"]:
        return "no further prompts to confirm it on"
    return (
        f"not confirmed: that takes {count(tree['needed'])} further pairs of net and prompt, "
        f"and there are {count(tree['available'])}"
    )
