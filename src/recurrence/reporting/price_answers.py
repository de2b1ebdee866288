"""The report's answers in words on price: what avoiding loops costs, and which setting to use."""

from collections.abc import Iterator
from typing import Any

from recurrence.reporting.answers import Answer
from recurrence.reporting.choice import Choice, choose
from recurrence.reporting.formats import count, joined, nats, percent, signed
from recurrence.reporting.results import ModelResults, Results, exact_nats

Choices = dict[str, tuple[ModelResults, Choice]]
WORSE = 1.25
"""A judge whose exact loss is so many times a model's is named."""


def _choices(results: Results) -> Choices:
    found = {m.name: (m, choose(m)) for m in results.trained}
    return {name: (m, choice) for name, (m, choice) in found.items() if choice is not None}


def cost(results: Results) -> Answer | None:
    """Whether a setting without loops is priced as human text is, and how far from it the usual ones are."""
    choices = _choices(results)
    if not choices:
        return None
    good = sum(choice.qualifies for _, choice in choices.values())
    noun = {"char": "character", "word": "word"}[results.unit]
    if good == len(choices):
        answer = "Nothing: every model has settings without loops that are priced as human text"
    elif good:
        answer = f"Nothing for {good} of {len(choices)} models: they have settings without loops, priced as human text"
    else:
        answer = "No setting without loops is priced as human text"
    price = f"Price: nats per {noun} under another model, the judge. Loops tend to be cheap, gibberish is dear."
    details = (price, *_prices(choices), *_non_words(results), *_cautions(results, choices))
    return Answer("What does avoiding loops cost?", answer, details)


def _prices(choices: Choices) -> Iterator[str]:
    """How far from human text the usual settings and the chosen one are, per model."""
    for name, (model, choice) in choices.items():
        shown = dict.fromkeys(["greedy", _reference(model), choice.strategy])
        parts = [
            f"{strategy} {signed(model.rates[strategy]['price'] - choice.band.median)}"
            for strategy in shown
            if strategy in model.rates and model.rates[strategy]["price"] is not None
        ]
        yield f"{name}: human text {nats(choice.band.median)}; from there {', '.join(parts)}."


def _cautions(results: Results, choices: Choices) -> Iterator[str]:
    """Models whose judge knows the text less well than they do, so that its prices say little."""
    own = {m.name: exact_nats(m) for m in results.models}
    for name, (model, _) in choices.items():
        judge = str(model.loops["judge"])
        if judge in own and own[judge] > WORSE * own[name]:
            worse = f"predicts held-out text worse ({nats(own[judge])}) than it does"
            yield f"With caution: {name}'s judge, {judge}, {worse}."


def _reference(model: ModelResults) -> str:
    """The pure sampling that strategies are compared with."""
    compared = (r["versus_pure"] for r in model.rates.values() if r["versus_pure"])
    return next((str(found["reference"]) for found in compared), "multinomial")


def _non_words(results: Results) -> Iterator[str]:
    """How much of the text is no word of the training text, for characters."""
    human = results.human.get("non_word")
    if human is None or results.best is None or not results.best.rates:
        return
    best, reference = results.best, _reference(results.best)
    choice = choose(best)
    names = dict.fromkeys([reference, *([choice.strategy] if choice else [])])
    parts = [
        f"{name} {percent(best.rates[name]['non_word'])}" for name in names if name in best.rates
    ]
    yield f"Words that the training text has not: human {percent(human)}; {best.name}, {', '.join(parts)}."


def setting(results: Results) -> Answer | None:
    """The recommended setting of each model, with its intervals."""
    choices = _choices(results)
    if not choices:
        return None
    good: dict[str, list[str]] = {}
    for name, (_, choice) in choices.items():
        if choice.qualifies:
            good.setdefault(choice.strategy, []).append(name)
    if not good:
        answer = "None that qualifies"
    elif len(good) > 3:
        answer = f"{len(good)} different ones, by model"
    else:
        answer = "; ".join(f"{strategy} for {joined(names)}" for strategy, names in good.items())
    rule = "Recommended: no loop at all, price inside the human 95 % band, nearest to the human median."
    return Answer(
        "Which setting to use?",
        answer,
        (rule, *(_chosen(name, c) for name, (_, c) in choices.items())),
    )


def _chosen(name: str, choice: Choice) -> str:
    """The recommended setting of a model with its intervals, or what comes nearest."""
    rates, human = choice.rates, choice.band
    price = f"{nats(rates['price'])} nats ({nats(rates['price_lo'])} to {nats(rates['price_hi'])})"
    band = f"human text {nats(human.low)} to {nats(human.high)}"
    loops = _bounded(rates)
    if choice.qualifies:
        others = len(choice.qualified) - 1
        more = f" {others} other{'s' if others > 1 else ''} would do." if others else ""
        return f"{name}: {choice.strategy}, {loops}; {price}, {band}.{more}"
    return f"{name}: none qualifies; nearest is {choice.strategy}, {loops}; {price}, {band}."


def _bounded(rates: dict[str, Any]) -> str:
    """0 of 18 loop, at most 18 %, 1 recycles."""
    text = (
        f"{rates['loops']} of {count(rates['samples'])} loop, at most {percent(rates['loop_hi'])}"
    )
    recycling = rates["recycling"]
    return f"{text}, {recycling} recycle{'s' if recycling == 1 else ''}" if recycling else text
