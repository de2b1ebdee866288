"""The report at a glance: one picture, models by strategies, and three sentences.

In: results. Out: a chart for wide pages and one for narrow ones, which leaves the strategies' names
to the table below it; and sentences as text, each with a short head.
"""

from recurrence.reporting import tables
from recurrence.reporting.drawing import Chart
from recurrence.reporting.grid import Layout, Line, Mark, grid
from recurrence.reporting.loop_answers import MOSTLY
from recurrence.results import units
from recurrence.results.corpus import ModelResults, Results, exact_nats
from recurrence.results.formats import absent, count, nats, percent, short


def picture(results: Results, layout: Layout) -> Chart | None:
    """Loop rate of every trained model, the best first, under every strategy, by family; None
    without samples.
    """
    models = [m for m in sorted(results.trained, key=exact_nats) if m.rates]
    columns = {
        s: results.family(s) for s in results.strategies if any(s in m.rates for m in models)
    }
    if not columns:
        return None
    return grid([_line(m, list(columns)) for m in models], columns, "nats", layout)


def _line(m: ModelResults, strategies: list[str]) -> Line:
    best = m.choice.strategy if m.choice and m.choice.qualifies else None
    marks = {}
    for strategy in strategies:
        rates = m.rates.get(strategy)
        if rates is None:
            continue
        reference = rates["reference_nats"]
        inside = m.band and reference is not None and m.band.place(reference) == "within"
        marks[strategy] = Mark(float(rates["loop_rate"]), bool(inside), strategy == best)
    return Line(m.name, short(exact_nats(m)), marks)


# ---------------------------------------------------------------- three sentences


def sentences(results: Results) -> list[tuple[str, str]]:
    """Which model predicts best, which decoding loops, which setting to use: head and sentence."""
    found = (_predicts(results), _loops(results), _use(results))
    return [each for each in found if each is not None]


def _predicts(results: Results) -> tuple[str, str] | None:
    best, floor = results.best, results.to_beat
    if best is None or absent(exact_nats(best)):
        return None
    token = units.noun(results.unit)
    text = f"{best.name} predicts best: {nats(exact_nats(best))} nats per {token}"
    if floor is None:
        return "Best model", f"{text}."
    bound = nats(exact_nats(floor))
    if exact_nats(floor) > exact_nats(best):
        return "Best model", f"{text}; counting needs {bound}."
    return "Best model", f"{text}, yet counting needs only {bound}."


def _loops(results: Results) -> tuple[str, str] | None:
    table = tables.pooled(results)
    if not len(table):
        return None
    token = units.noun(results.unit)
    often = int((table["rate"] >= MOSTLY).sum())
    of = f"{often} of {len(table)} strategies loop in at least half of their samples"
    sayings = (f"always taking the likeliest {token}", f"drawing from all {token}s")
    plain = [
        (said, percent(tables.rate_of(results, [strategy]).rate))
        for said, strategy in zip(sayings, _plain(results), strict=True)
        if strategy
    ]
    if not plain:
        return "Loops", f"{of}."
    [(first, rate), *others] = plain
    text = f"{first[:1].upper()}{first[1:]}, {rate} of samples loop"
    text += "".join(f"; {more}, {other}" for more, other in others)
    return "Loops", f"{text}. {of[:1].upper()}{of[1:]}."


def _plain(results: Results) -> tuple[str | None, str | None]:
    """The strategy that takes the likeliest token, and the pure sampling that others are compared
    with.
    """
    there = results.strategies
    greedy = next((s for s in there if results.family(s) == "greedy"), None)
    pure = next((s for s in there if results.family(s) == "pure sampling"), None)
    return greedy, results.reference if results.reference in there else pure


def _use(results: Results) -> tuple[str, str] | None:
    choices = {m.name: m.choice for m in results.trained if m.choice}
    best = results.best
    if best is None or best.choice is None:
        return None
    good = sum(choice.qualifies for choice in choices.values())
    choice = best.choice
    if choice.qualifies and choice.confirming:
        seen = f"{choice.confirming['loops']} of {count(choice.confirming['samples'])} samples loop"
        text = (
            f"{choice.strategy} with {best.name}: {seen}, and the text is as predictable as human "
            f"text"
        )
    else:
        text = f"No setting of {best.name} both avoids loops and is as predictable as human text"
        text += f"; {choice.strategy} comes nearest"
    if len(choices) == 1:
        return "Recommended", f"{text}."
    if not good:
        return "Recommended", f"{text}; no other model has such a setting."
    return "Recommended", f"{text}; {good} of {len(choices)} models have such a setting."
