"""The report's answers in words on settings: whether text without loops is like human text, and
which to use.
"""

from collections.abc import Iterator

from recurrence.reporting.answers import Answer
from recurrence.results import units
from recurrence.results.corpus import ModelResults, Results, exact_nats
from recurrence.results.formats import count, few, nats, percent, signed
from recurrence.results.recommended import Choice, Evidence

Choices = dict[str, tuple[ModelResults, Choice]]
WORSE = 1.25
"""A reference model whose exact loss is so many times a model's is named."""


def _choices(results: Results) -> Choices:
    """By model, the best model first."""
    found = {m.name: (m, m.choice) for m in sorted(results.trained, key=exact_nats)}
    return {name: (m, choice) for name, (m, choice) in found.items() if choice is not None}


def cost(results: Results) -> Answer | None:
    """Whether a setting without loops is as predictable as human text, and how far from it the
    usual ones are.
    """
    choices = _choices(results)
    if not choices:
        return None
    noun = units.noun(results.unit)
    meaning = (
        f"Measured in reference nats: nats per {noun} under another model, the reference model. "
    )
    meaning += "Text that loops needs few, gibberish many."
    details = (
        *([_nearest(choices)] if not next(iter(choices.values()))[1].qualifies else []),
        meaning,
        *_distances(results, choices),
        *_non_words(results),
        *_cautions(results, choices),
    )
    return Answer("Is text without loops like human text?", _cost(choices), details)


def _cost(choices: Choices) -> str:
    """In a line, of the best model first."""
    good = [name for name, (_, choice) in choices.items() if choice.qualifies]
    best = next(iter(choices))
    if len(good) == len(choices):
        return "Yes: every model has a confirmed setting as predictable as human text"
    if best in good:
        return f"Yes for {len(good)} of {len(choices)} models, the best among them, {best}"
    if good:
        return f"Not for {best}, the best model; yes for {len(good)} of {len(choices)} models"
    return f"Not for {best}, the best model" + ("" if len(choices) == 1 else ", nor any other")


def _nearest(choices: Choices) -> str:
    """Which setting of the best model comes nearest, where none qualifies."""
    name, (_, choice) = next(iter(choices.items()))
    return f"Of {name}, {choice.strategy} comes nearest."


def _distances(results: Results, choices: Choices) -> Iterator[str]:
    """How far from human text the usual settings and the chosen one are, per model."""
    for name, (model, choice) in choices.items():
        shown = dict.fromkeys([*results.plain(model), choice.strategy])
        parts = [
            f"{strategy} {signed(model.rates[strategy]['reference_nats'] - choice.band.median)}"
            for strategy in shown
            if strategy in model.rates and model.rates[strategy]["reference_nats"] is not None
        ]
        yield f"{name}: human text {nats(choice.band.median)}; from there {', '.join(parts)}."


def _cautions(results: Results, choices: Choices) -> Iterator[str]:
    """Models whose reference model knows the text less well than they do, so that its reference
    nats say little.
    """
    own = {m.name: exact_nats(m) for m in results.models}
    for name, (model, _) in choices.items():
        reference = str(model.loops["reference"])
        if reference in own and own[reference] > WORSE * own[name]:
            worse = f"predicts held-out text worse ({nats(own[reference])}) than it does"
            yield f"With caution: {name}'s reference model, {reference}, {worse}."


def _non_words(results: Results) -> Iterator[str]:
    """How much of the text is no word of the training text, for characters."""
    human, best = results.human.get("non_word"), results.best
    if human is None or best is None or not best.rates:
        return
    choice = best.choice
    names = dict.fromkeys([*results.plain(best)[1:], *([choice.strategy] if choice else [])])
    parts = [
        f"{name} {percent(best.rates[name]['non_word'])}" for name in names if name in best.rates
    ]
    yield (
        f"Words that the training text has not: human {percent(human)}; {best.name}, "
        f"{', '.join(parts)}."
    )


def setting(results: Results) -> Answer | None:
    """The recommended setting of each model, with its intervals, the best model first."""
    choices = _choices(results)
    if not choices:
        return None
    bound = percent(next(iter(choices.values()))[1].bound)
    rule = (
        f"Recommended: chosen on some nets and prompts, confirmed on others: at most {bound} loop "
    )
    rule += (
        "(95 % confidence), no more recycling or repetition than human text, reference nats inside "
    )
    rule += "the human band; of those the nearest to the human median."
    return Answer(
        "Which setting to use?",
        _setting(choices),
        (rule, *(_chosen(name, choice) for name, (_, choice) in choices.items())),
    )


def _setting(choices: Choices) -> str:
    """In a line: the best model's, then the others'."""
    good: dict[str, list[str]] = {}
    for name, (_, choice) in choices.items():
        if choice.qualifies:
            good.setdefault(choice.strategy, []).append(name)
    best, choice = next((name, choice) for name, (_, choice) in choices.items())
    first = "" if choice.qualifies else f"None for {best}, the best model"
    if not good:
        return first if len(choices) == 1 else "None that qualifies"
    several = [f"{strategy} for {few(names, most=3)}" for strategy, names in good.items()]
    if len(several) > 2:
        several = [several[0], f"{len(good) - 1} others for other models"]
    return "; ".join([*([first] if first else []), *several])


def _chosen(name: str, choice: Choice) -> str:
    """The recommended setting of a model with both halves, or what comes nearest and what it
    lacks.
    """
    band = f"human text {nats(choice.band.low)} to {nats(choice.band.high)}"
    if choice.qualifies and choice.confirming:
        chosen = f"chosen: {half(choice.choosing)}"
        confirmed = (
            f"confirmed: {half(choice.confirming)}, at most {percent(choice.confirming['loop_hi'])}"
        )
        return f"{name}: {choice.strategy}; {chosen}; {confirmed}; {band}."
    tried = f" Of {choice.candidates} candidates {choice.tried} tried." if choice.tried else ""
    return (
        f"{name}: none qualifies; nearest is {choice.strategy}: {'; '.join(choice.lacks)}.{tried}"
    )


def half(seen: Evidence) -> str:
    """0 of 381 loop (2 nets), 1.394 nats (1.380 to 1.408)."""
    nets = f"{seen['nets']} net{'' if seen['nets'] == 1 else 's'}"
    measured = (
        f"{nats(seen['reference_nats'])} nats ({nats(seen['reference_nats_lo'])} to "
        f"{nats(seen['reference_nats_hi'])})"
    )
    return f"{seen['loops']} of {count(seen['samples'])} loop ({nets}), {measured}"
