"""The report's answers in words on loops: which decoding loops and which does not, and the
notebooks' guess.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd

from recurrence.params import Strategy
from recurrence.reporting import tables
from recurrence.reporting.answers import Answer
from recurrence.reporting.setting_answers import cost, setting
from recurrence.results.corpus import FAMILIES, HUMAN, Results
from recurrence.results.formats import behind, count, few, joined, number, percent, rated, units

MOSTLY, SELDOM = 0.5, 0.05
"""A strategy loops if it does in half of the samples; it does so hardly ever below one in
twenty.
"""


def loop_answers(results: Results) -> list[Answer]:
    """What a reader wants to know of loops; a question whose figures are absent is not asked."""
    table = tables.pooled(results)
    if not len(table):
        return []
    asked = (
        _guess(results, table),
        _loops(results, table),
        _no_loops(results, table),
        cost(results),
        setting(results),
    )
    return [answer for answer in asked if answer is not None]


def _loops(results: Results, table: pd.DataFrame) -> Answer:
    question = "Which decoding loops?"
    looping = table[table["rate"] > 0]
    if not len(looping):
        return Answer(question, "None of those tried")
    often, seldom = looping[looping["rate"] >= MOSTLY], looping[looping["rate"] < MOSTLY]
    details = [_sentence(family, rows, results.unit) for family, rows in _by_family(often)]
    if len(seldom):
        details.append(f"At times: {_rates(seldom)}.")
    details += _by_model(results)
    if not len(often):
        return Answer(
            question, f"None mostly; {looping.iloc[0]['strategy']} at times", tuple(details)
        )
    return Answer(question, _headline(list(often["strategy"]), len(table)), tuple(details))


def _sentence(family: str, rows: pd.DataFrame, unit: str) -> str:
    """A family's strategies that loop mostly, with how often, since when and with what period."""
    onset, period = round(rows["onset"].median()), rows["period"].median()
    start = f"after {units(onset, unit)}" if onset else "from the start"
    medians = "medians: " if len(rows) > 1 else ""
    return (
        f"{FAMILIES[family].capitalize()}: {_rates(rows)}; {medians}{start}, period "
        f"{number(period)}."
    )


def _by_model(results: Results) -> Iterator[str]:
    """How many strategies loop mostly, where models differ in that."""
    rates = {
        m.name: [r["loop_rate"] for s, r in m.rates.items() if s != HUMAN]
        for m in results.trained
        if m.rates
    }
    mostly = {name: sum(rate >= MOSTLY for rate in found) for name, found in rates.items()}
    if len(set(mostly.values())) > 1:
        counts = [f"{name} {often} of {len(rates[name])}" for name, often in mostly.items()]
        yield f"Strategies that loop mostly, by model: {joined(counts)}."


def _by_family(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for family in FAMILIES:
        if (table["family"] == family).any():
            yield family, table[table["family"] == family]


def _headline(names: list[str], of: int) -> str:
    """The names where they are few enough to read at a glance."""
    if len(names) > 4 or sum(map(len, names)) > 60:
        return f"{len(names)} of the {of} strategies"
    return joined(names)


def _no_loops(results: Results, table: pd.DataFrame) -> Answer:
    question, human = "Which does not?", tuple(_human(results))
    free, least = table[table["rate"] == 0], table.iloc[-1]
    if not len(free):
        rate = f"{least['strategy']}: {_rated(least)}."
        least_of_all = f"All do; {least['strategy']} least, {percent(least['rate'])}"
        return Answer(question, least_of_all, (rate, *human))
    fewest = int(free["samples"].min())
    more, each = (
        (" or more" if free["samples"].max() > fewest else ""),
        (" of each" if len(free) > 1 else ""),
    )
    bound = (
        f"No loop in {count(fewest)}{more} samples{each}, so at most "
        f"{percent(free['high'].max())} loop "
    )
    bound += "(95 % confidence)."
    names = [
        f"{FAMILIES[f].capitalize()}: {few(list(rows['strategy']))}."
        for f, rows in _by_family(free)
    ]
    return Answer(question, _headline(list(free["strategy"]), len(table)), (bound, *names, *human))


def _human(results: Results) -> Iterator[str]:
    human = results.human
    if human:
        windows = f"{human['loops']} of {human['samples']} windows of the validation text"
        rate, bound = percent(human["loop_rate"]), percent(human["loop_hi"])
        yield f"Human text, measured alike: {rate} ({windows}; at most {bound})."


# ---------------------------------------------------------------- the notebooks' guess


def _only(block: Strategy, *names: str) -> bool:
    """No filters but these."""
    return all(name in names for entry in block.filters for name in entry)


GROUPS: dict[str, Callable[[Strategy], bool]] = {
    "top": lambda block: block.pick == "argmax" and _only(block, "top_k"),
    "top_k": lambda block: block.pick == "sample" and bool(block.filters) and _only(block, "top_k"),
    "pure": lambda block: block.family == "pure sampling",
    "search": lambda block: block.family == "search",
    "penalties": lambda block: block.pick == "argmax" and not _only(block, "top_k"),
}


def _guess(results: Results, table: pd.DataFrame) -> Answer | None:
    """The notebooks end with: sampling the top valued outputs leads to loops."""
    groups = {name: _group(results, table, test) for name, test in GROUPS.items()}
    if not len(groups["top"]) or not len(groups["top_k"]):
        return None
    of_top, of_drawn = (
        tables.rate_of(results, list(groups[name]["strategy"])) for name in ("top", "top_k")
    )
    top, drawn = of_top.rate, of_drawn.rate
    taken, share = percent(top), percent(drawn)
    if top >= MOSTLY and drawn < SELDOM:
        answer = f"Not sampling, but taking the top one: {taken} against {share}"
    elif top >= MOSTLY:
        answer = f"Yes: {taken} loop taking the top one, {share} sampling among them"
    else:
        answer = f"Hardly: {taken} loop taking the top one, {share} sampling among them"
    intervals = f"Taking the top one, {rated(top, of_top.low, of_top.high)}; "
    intervals += f"sampling among the top ones, {rated(drawn, of_drawn.low, of_drawn.high)}."
    details = [
        f"{label}: {_rates(groups[name])}." for name, label in _LABELS.items() if len(groups[name])
    ]
    return Answer(
        "Does sampling the top valued outputs lead to loops?",
        answer,
        (
            intervals,
            *details,
            *_controls(groups),
            f"Behind these: {behind(of_top.samples, of_top.nets)} and "
            f"{behind(of_drawn.samples, of_drawn.nets)}.",
        ),
    )


_LABELS = {
    "top": "The top one always",
    "top_k": "Drawn from the top k",
    "pure": "Drawn from all",
    "search": "The likeliest text, by search",
}


def _group(results: Results, table: pd.DataFrame, test: Callable[[Strategy], bool]) -> pd.DataFrame:
    inside = [name in results.blocks and test(results.blocks[name]) for name in table["strategy"]]
    return table[inside]


def _rated(row: "pd.Series[Any]") -> str:
    return rated(row["rate"], row["low"], row["high"])


def _rates(table: pd.DataFrame) -> str:
    """a and b 100 % (86 to 100 %), c 44 % (20 to 71 %): names by their rate, the highest first."""
    shown = table.sort_values("rate", ascending=False, kind="stable")
    shown = shown.assign(share=[_rated(row) for _, row in shown.iterrows()])
    return few(
        [
            f"{few(list(rows['strategy']))} {share}"
            for share, rows in shown.groupby("share", sort=False)
        ]
    )


def _controls(groups: dict[str, pd.DataFrame]) -> Iterator[str]:
    """What filters and penalties change where the top one is still taken."""
    table = groups["penalties"]
    still, gone = table[table["rate"] >= MOSTLY], table[table["rate"] < SELDOM]
    if len(table):
        looping = f" ({_rates(still)})" if len(still) else ""
        rest = f"; hardly under {few(list(gone['strategy']))}" if len(gone) else ""
        text = "The top one after a penalty or filter still loops mostly under"
        yield f"{text} {len(still)} of {len(table)}{looping}{rest}."
