"""The report's answers in words, made from the figures: what was learned. Those on loops:
loop_answers.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from recurrence.results.corpus import ModelResults, Results, exact_nats
from recurrence.results.formats import (
    absent,
    joined,
    nats,
    percent,
    perplexity,
    short,
    signed,
    spread,
)
from recurrence.results.units import noun

NATS_TOLERANCE = 0.02
"""A loss so little above the notebook's counts as the same: its own validation moves by 0.005,
seeds by more.
"""
ACCURACY_TOLERANCE = 0.03


@dataclass(frozen=True)
class Answer:
    """A question, its answer in a line, and sentences that bear it out."""

    question: str
    answer: str
    details: tuple[str, ...] = ()


def answers(results: Results) -> list[Answer]:
    """What a reader wants to know first; a question whose figures are absent is not asked."""
    asked = (_best(results), _floor(results), _notebooks(results))
    return [answer for answer in asked if answer is not None]


def _best(results: Results) -> Answer | None:
    best = results.best
    if best is None or absent(best.scores["exact"]["nats"]):
        return None
    exact = best.scores["exact"]
    over = (
        f"{spread(exact['nats'], exact['nats_sd'])}, mean ± standard deviation of {best.seeds} "
        f"seeds; "
    )
    bits = (
        f"{short(exact['bits_per_char'])} bits per character, perplexity "
        f"{perplexity(exact['perplexity'])}."
    )
    token = noun(results.unit)
    right = f"Right about the next {token} {percent(exact['accuracy'])} of the time."
    runner_up = min((m for m in results.trained if m is not best), key=exact_nats, default=None)
    next_best = (f"Next: {runner_up.name}, {nats(exact_nats(runner_up))}.",) if runner_up else ()
    headline = f"{best.name}: {nats(exact['nats'])} nats per {token}"
    return Answer(
        "Which model predicts best?",
        headline,
        ((over if best.seeds > 1 else "") + bits, right, *next_best),
    )


def _floor(results: Results) -> Answer | None:
    best, floor = results.best, results.to_beat
    if best is None or floor is None:
        return None
    bound, gain = exact_nats(floor), exact_nats(floor) - exact_nats(best)
    behind = [m.name for m in results.trained if exact_nats(m) >= bound]
    all_, ahead = len(results.trained), len(results.trained) - len(behind)
    verdict = (
        f"Yes, by {nats(gain)} nats"
        if gain > 0
        else f"No: counting is better by {nats(-gain)} nats"
    )
    beaten = f"{ahead} of {all_} trained models {'beats' if ahead == 1 else 'beat'} it"
    beaten += f"; not {joined(behind)}." if behind and ahead else "."
    details = (
        f"{floor.name}, the best of the counted baselines, needs {nats(bound)} nats.",
        beaten,
    )
    return Answer("Does it beat counting?", verdict, details)


def _notebooks(results: Results) -> Answer | None:
    compared = [m for m in results.models if m.scores["delta"]]
    if not compared:
        return None
    met = sum(_delta(m, "nats") <= NATS_TOLERANCE for m in compared)
    worst = max(compared, key=lambda m: _delta(m, "nats"))
    losses = f"{met} of {len(compared)} losses at most {NATS_TOLERANCE} nats above, or below"
    details = [
        "Measured as the notebook measured it, on its own batches.",
        *_against_seeds(compared),
    ]
    details.append(
        f"Largest difference upwards: {worst.name}, {signed(_delta(worst, 'nats'))} nats."
    )
    printed = [m for m in compared if m.scores["delta"]["accuracy"] is not None]
    if not printed:
        return Answer("Do the notebooks' figures come back?", losses, tuple(details))
    within = sum(_delta(m, "accuracy") >= -ACCURACY_TOLERANCE for m in printed)
    points = f"{100 * ACCURACY_TOLERANCE:.0f} points"
    accuracies = f"{within} of {len(printed)} accuracies at most {points} below, or above"
    return Answer("Do the notebooks' figures come back?", accuracies, (f"{losses}.", *details))


def _against_seeds(compared: list[ModelResults]) -> Iterator[str]:
    spreads = [m for m in compared if m.scores["as_notebook"]["nats_sd"] is not None]
    if spreads:
        near = sum(within_seeds(m) for m in spreads)
        yield (
            f"{near} of {len(spreads)} notebook losses lie within two standard deviations of our "
            f"seeds, or above."
        )


def within_seeds(model: ModelResults) -> bool:
    """The notebook's one run could have been one of our seeds, or is worse than them."""
    sd = model.scores["as_notebook"]["nats_sd"]
    return sd is not None and _delta(model, "nats") <= 2 * sd


def _delta(model: ModelResults, figure: str) -> float:
    return float(model.scores["delta"][figure])
