"""One line of plain language per strategy and model: does it loop, since when, with what period,
how predictable.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from recurrence.results import units
from recurrence.results.corpus import FAMILIES, ModelResults, Results
from recurrence.results.formats import behind, count, nats, number, percent, rated
from recurrence.results.recommended import Band

PLACES = {
    "below": "more predictable than human text",
    "within": "as predictable as human text",
    "above": "less predictable than human text",
}


@dataclass(frozen=True)
class Line:
    """`strategy` and what is to be said of it; `tone` is loop, recycling or free."""

    strategy: str
    text: str
    tone: str


def lines(model: ModelResults, results: Results) -> dict[str, list[Line]]:
    """The lines of a model by family, in words; families without a strategy are left out."""
    human = model.band
    grouped: dict[str, list[Line]] = {}
    for strategy in results.strategies:
        if strategy in model.rates:
            family = FAMILIES[results.family(strategy)]
            grouped.setdefault(family, []).append(
                _line(strategy, model.rates[strategy], results.unit, human)
            )
    return grouped


def _line(strategy: str, rates: dict[str, Any], unit: str, human: Band | None) -> Line:
    parts = [
        looping(rates, unit) if rates["loops"] else free(rates),
        *_recycling(rates),
        *_predictable(rates, human),
    ]
    tone = "loop" if rates["loops"] else "recycling" if rates["recycling"] else "free"
    return Line(strategy, "; ".join(parts), tone)


def looping(rates: dict[str, Any], unit: str) -> str:
    """100 % (61 to 100 %) loop, from character 14 on, period 13."""
    noun = units.noun(unit)
    onset = round(rates["onset_median"]) + 1
    rate = rated(rates["loop_rate"], rates["loop_lo"], rates["loop_hi"])
    text = f"{rate} loop, from {noun} {count(onset)} on, period {number(rates['period_median'])}"
    details = list(_details(rates))
    return f"{text} ({', '.join(details)})" if details else text


def _details(rates: dict[str, Any]) -> Iterator[str]:
    yield f"{rates['loops']} of {behind(rates['samples'], rates['nets'])}"
    if rates["near"]:
        yield f"{rates['near']} with small edits" if rates["exact"] else "all with small edits"
    if rates["loops"] > 1:
        yield (
            "the same one"
            if rates["n_attractors"] == 1
            else f"{rates['n_attractors']} different ones"
        )


def free(rates: dict[str, Any]) -> str:
    """No loop in 18 samples of 3 nets, so at most 18 % loop."""
    seen = behind(rates["samples"], rates["nets"])
    return f"no loop in {seen}, so at most {percent(rates['loop_hi'])} loop"


def _recycling(rates: dict[str, Any]) -> Iterator[str]:
    if rates["recycling"]:
        rate = rated(rates["recycling_rate"], rates["recycling_lo"], rates["recycling_hi"])
        yield f"{rate} repeat themselves without a period"


def _predictable(rates: dict[str, Any], human: Band | None) -> Iterator[str]:
    if human and rates["reference_nats"] is not None:
        yield (
            f"{nats(rates['reference_nats'])} nats, {PLACES[human.place(rates['reference_nats'])]}"
        )
