"""The calibration as values to render: where the limits come from, what is found, and how other
rules do beside it.

In: results with a calibration (data/loops/<corpus>/calibration.json) and samples. Out: tables of
text and cells, or None without one.
"""

from collections.abc import Iterable
from typing import Any

import pandas as pd

from recurrence.reporting.heat import Cell, found_cell, rate_cell, whole_percent
from recurrence.results import units
from recurrence.results.corpus import FAMILIES, HUMAN, Results
from recurrence.results.formats import count, number, percent
from recurrence.study.calibration import FALSE_NEAR, KINDS, LAYINGS
from recurrence.study.statistics import wilson

RULES = {
    "exact": "exact loop",
    "near": "near loop",
    "recycling": "recycling",
    "holtzman_paper": "Holtzman et al., the paper's rule",
    "holtzman_code": "Holtzman et al., the published code",
    "vllm_repetition": "vLLM repetition_detection 20/1/3",
    "whisper_zlib": "Whisper, zlib ratio above 2.4",
}
OURS = KINDS
PARTS = {"valid": "held-out", "train": "training"}
ANYHOW = f"laid end to end in {LAYINGS} ways"
PLANTED = [rule for rule in RULES if rule != "recycling"]
"""What the planted grid counts."""


def values(results: Results) -> dict[str, Any] | None:
    """Everything that the section on the detector shows."""
    card = results.card
    if card is None:
        return None
    planted = pd.DataFrame(card["planted"])
    return {
        "card": card,
        "limits": _limits(card, results.unit),
        "anyhow": [
            _anyhow(card["human"][part]["laid_anyhow"], text) for part, text in PARTS.items()
        ],
        "false": [_false(rule, label, card["human"]) for rule, label in RULES.items()],
        "recall": [
            _recalled(name, **card["recall"][name])
            for name in RECALL
            if card["recall"][name]["trials"]
        ],
        "maps": [_map(edits, rows) for edits, rows in planted.groupby("edits")],
        "edits": [f"{100 * edits:g} %" for edits in sorted(planted["edits"].unique())],
        "by_rule": [(RULES[rule], rule in OURS, _by_edits(planted, rule)) for rule in PLANTED],
        "by_place": [(name, _by_edits(rows, "any")) for name, rows in _places(planted)],
        "families": [FAMILIES[family] for family in _families(results)],
        "own": [(label, rule in OURS, _own(results, rule)) for rule, label in RULES.items()],
        "certified": _certified(results),
    }


def _limits(card: dict[str, Any], unit: str) -> list[str]:
    """What counts as what, and where the figures come from."""
    found = card["detector"]
    nouns = units.nouns(unit)
    human = card["human"]["train"]
    raised = (
        "more than the default"
        if found["floor"] > card["default_floor"]
        else "the default for this unit"
    )
    exact = (
        f"Exact: a unit comes back to back, at least two copies, {found['floor']} or more {nouns} "
        f"being repeats. "
    )
    exact += (
        f"The floor is {raised}: the longest such run in {count(human['laid_anyhow']['windows'])} "
        f"windows of the "
    )
    exact += f"training text, {ANYHOW}, has {human['largest_matched']}."
    near = (
        f"Near: copies that differ by edits, at most {percent(found['near_delta'])} of the unit's "
        f"length, "
    )
    near += (
        f"{found['near_floor']} or more {nouns} matched, twice that where there are but two "
        f"copies: limits that "
    )
    near += f"at most one in {count(FALSE_NEAR)} of these windows passes."
    recycling = (
        f"Recycling: reuse without a period, rep-{found['rep_n']} above "
        f"{number(found['rep_limit'])}"
    )
    if found["zlib_limit"] is not None:
        recycling += (
            f" or a zlib ratio above {number(found['zlib_limit'])}, which human windows of that "
            f"length keep below"
        )
    return [exact, near, f"{recycling}."]


RECALL = {
    "exact_above_floor": "exact loops",
    "near_05": "with 5 % edited",
    "near_10": "with 10 % edited",
}


def _recalled(name: str, found: int, trials: int) -> str:
    """with 5 % edited 47 of 48 (98 %)"""
    return f"{RECALL[name]} {count(found)} of {count(trials)} ({percent(found / trials)})"


def _false(rule: str, label: str, human: dict[str, Any]) -> dict[str, Any]:
    """False positives of one rule on the windows of both parts."""
    return {"label": label, "ours": rule in OURS} | {
        part: _found(human[part], rule) for part in PARTS
    }


def _anyhow(windows: dict[str, Any], text: str) -> str:
    """Those of our rules where windows overlap, so that their number gives no bound."""
    alarms = [f"{count(windows['false_positives'][rule])} {RULES[rule]}" for rule in OURS]
    return f"Of {count(windows['windows'])} windows of {text} text, {ANYHOW}: {', '.join(alarms)}."


def _found(windows: dict[str, Any], rule: str) -> dict[str, Any]:
    found, trials = windows["false_positives"][rule], windows["windows"]
    low, high = wilson(found, trials) if trials else (0.0, 1.0)
    return {
        "found": found,
        "trials": trials,
        "rate": found / trials if trials else None,
        "low": low,
        "high": high,
    }


def _map(edits: Any, rows: pd.DataFrame) -> dict[str, Any]:
    """Recall over period x copies at one share of edits, over places and nesting."""
    copies = sorted(rows["copies"].unique())
    grid = []
    for period, line in rows.groupby("period"):
        cells = [_planted_cell(line[line["copies"] == each]) for each in copies]
        grid.append((period, cells))
    return {
        "edits": f"{100 * edits:g} %",
        "copies": [number(each) for each in copies],
        "rows": grid,
    }


def _planted_cell(rows: pd.DataFrame) -> Cell | None:
    """None where no such loop was planted: it does not fit into a sample."""
    if not rows["trials"].sum():
        return None
    found, trials = int(rows["any"].sum()), int(rows["trials"].sum())
    words = f"{found} of {trials} found: {rows['exact'].sum()} exact, {rows['near'].sum()} near"
    if not rows["above_floor"].any():
        return Cell(
            whole_percent(found / trials), f"below the floor; {words}", "#ffffff", False, "under"
        )
    return found_cell(found, trials, words)


PLACES = {"tail": "up to the end", "gap": "ends before the end", "middle": "in the middle"}


def _places(planted: pd.DataFrame) -> Iterable[tuple[str, pd.DataFrame]]:
    """By where the loop was planted, and those whose unit holds a shorter loop."""
    for place, rows in planted.groupby("place", sort=False):
        yield PLACES.get(str(place), str(place)), rows
    if planted["nested"].any():
        yield "unit that holds a shorter loop", planted[planted["nested"].astype(bool)]


def _by_edits(planted: pd.DataFrame, rule: str) -> list[Cell | None]:
    """Recall above the floor at each share of edits."""
    cells: list[Cell | None] = []
    for _, rows in planted.groupby("edits"):
        above = rows[rows["above_floor"]]
        found, trials = int(above[rule].sum()), int(above["trials"].sum())
        cells.append(found_cell(found, trials, f"{found} of {trials} found") if trials else None)
    return cells


def _families(results: Results) -> list[str]:
    """The families that trained models were sampled with, in order."""
    present = {results.family(strategy) for strategy in results.samples["strategy"].unique()}
    return [family for family in FAMILIES if family in present]


def _own(results: Results, rule: str) -> list[Cell]:
    """Share of the trained models' samples that a rule flags, by family."""
    families = results.samples["strategy"].map(results.family)
    cells = []
    for family in _families(results):
        rows = results.samples[families == family]
        flagged = (rows["kind"] == rule) if rule in OURS else rows[rule].astype(bool)
        cells.append(rate_cell(float(flagged.mean()), f"{int(flagged.sum())} of {len(rows)}"))
    return cells


def _certified(results: Results) -> dict[str, int]:
    """Over all models: samples whose hidden state was looked at, those where it recurs, and those
    judged alike.
    """
    found = [
        r["certified"]
        for m in results.models
        for name, r in m.rates.items()
        if name != HUMAN and r["certified"]
    ]
    return {
        figure: sum(int(each[figure]) for each in found)
        for figure in ("samples", "certified", "agree")
    }
