"""What a person reads first in MLflow: notes (Markdown), samples as text, and the two views of the runs table."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import pandas as pd

SHOWN_SAMPLES = 8
SHOWN_CHARACTERS = 1000
MAX_NOTE_CHARACTERS = 7900
COLUMN_PIXELS = 125


class View(NamedTuple):
    """A state of the runs table: which kind of run, sorted by which metric (ascending or not), and which columns."""

    kind: str
    metric: str
    ascending: bool
    columns: str


VIEWS = {
    "models": View(
        kind="model",
        metric="valid/nats",
        ascending=True,
        columns="valid/nats valid/accuracy as_notebook/nats notebook/nats delta/nats"
        " valid/bits_per_char valid/perplexity valid/nats_sd model/parameters",
    ),
    "decoding": View(
        kind="decoding",
        metric="loops/exact_rate",
        ascending=False,
        columns="loops/exact_rate loops/onset_median loops/period_median loops/rep_4 loops/zlib_ratio"
        " loops/exact_lo loops/exact_hi loops/human_rate",
    ),
}


def model(scores: Mapping[str, Any], rates: Mapping[str, Any], wall: Mapping[str, Any]) -> str:
    """The key figures of a model and a table of its decodings."""
    exact, seeds = scores["exact"], len(scores["seeds"])
    lines = [f"**{_number(exact['nats'])} nats per token** on the validation text", ""]
    if seeds > 1:
        lines[0] += f" (mean of {seeds} seeds, sd {_number(exact['nats_sd'])})"
    lines[0] += f"; {_number(exact['bits_per_char'])} bits per character, perplexity {_number(exact['perplexity'])}"
    lines[0] += f", accuracy {_percent(exact['accuracy'])}."
    if ours := scores.get("as_notebook"):
        lines += [f"Measured as the notebook did: {_number(ours['nats'])} nats, {_percent(ours['accuracy'])}."]
    if theirs := scores.get("notebook"):
        lines[-1] += f" The notebook ({theirs['id']}) printed {_number(theirs['nats'])} nats"
        lines[-1] += f", {_percent(theirs['accuracy'])}." if theirs.get("accuracy") is not None else "."
    lines += [f"Trained {wall['train_seconds']:.0f} s on {wall['device']}; {scores['parameters']:,} parameters.", ""]
    return "\n".join([*lines, *_decoding_table(rates)])[:MAX_NOTE_CHARACTERS]


def _decoding_table(rates: Mapping[str, Any]) -> list[str]:
    rows = ["| decoding | loops | 95 % | from token | period | rep-4 |", "|---|---:|---|---:|---:|---:|"]
    ranked = sorted(rates["strategies"].items(), key=lambda item: -(item[1]["exact_rate"] or 0))
    for name, found in ranked:
        span = f"{_percent(found['exact_lo'])} to {_percent(found['exact_hi'])}"
        medians = f"{_number(found['onset_median'])} | {_number(found['period_median'])}"
        title = "*human text*" if name == "human" else name
        rows.append(f"| {title} | {_percent(found['exact_rate'])} | {span} | {medians} | {_number(found['rep_4'])} |")
    return rows


def decoding(name: str, strategy: str, rates: Mapping[str, Any]) -> str:
    """One paragraph on how often a strategy loops."""
    found, human = rates["strategies"][strategy], rates["strategies"].get("human", {})
    text = f"**{_percent(found['exact_rate'])} of {found['samples']} samples loop** "
    text += f"(95 %: {_percent(found['exact_lo'])} to {_percent(found['exact_hi'])}) when {name} decodes by {strategy}"
    if found["exact"]:
        text += f": typically from token {_number(found['onset_median'])} of {found['length']}"
        text += f", with a period of {_number(found['period_median'])} tokens"
    return text + f". Human text of the same length: {_percent(human.get('exact_rate'))}."


def samples(table: pd.DataFrame, unit: str) -> str:
    """The first few samples with their verdict, texts cut; `unit` names the tokens that onset and period count."""
    return "\n".join(_sample(row, unit) for row in table.head(SHOWN_SAMPLES).to_dict("records"))


def _sample(row: Mapping[Any, Any], unit: str) -> str:
    verdict = "no loop"
    if row["kind"] == "exact":
        verdict = f"loop from {unit} {int(row['start'])}, period {int(row['period'])}"
        verdict += f", {row['copies']:.1f} copies of {row['unit']!r}"
    text = str(row["text"])
    cut = " [...]" if len(text) > SHOWN_CHARACTERS else ""
    return f"--- {row['sample_id']}: {verdict}\nprompt: {row['prompt']}\n{text[:SHOWN_CHARACTERS]}{cut}\n"


def experiment(corpus: str, ranked: Sequence[tuple[str, Mapping[str, float]]], experiment_id: str) -> str:
    """Which model is best, and links to the two views; `ranked`: name and figures of each model, best first."""
    links = ", ".join(f"[{name}]({view_link(experiment_id, name)})" for name in VIEWS)
    best = f"Best: **{ranked[0][0]}**, {_number(ranked[0][1].get('valid/nats'))} nats per token. " if ranked else ""
    lines = [f"Language models of *{corpus}*. {best}Sorted tables: {links}.", ""]
    lines += ["| model | nats per token | bits per character | accuracy |", "|---|---:|---:|---:|"]
    for name, figures in ranked:
        shown = [_number(figures.get("valid/nats")), _number(figures.get("valid/bits_per_char"))]
        lines.append(f"| {' | '.join([name, *shown, _percent(figures.get('valid/accuracy'))])} |")
    return "\n".join(lines)


def views() -> dict[str, str]:
    """Experiment tags that hold the state of MLflow's runs table, as its own "share" button stores it."""
    return {f"mlflow.sharedViewState.{name}": _view(view) for name, view in VIEWS.items()}


def view_link(experiment_id: str, name: str) -> str:
    """The address of a view within MLflow's page."""
    return f"#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={name}"


def _view(view: View) -> str:
    shown = [f"metrics.`{column}`" for column in view.columns.split()]
    state = {
        "searchFilter": f"tags.`recurrence.kind` = '{view.kind}'",
        "orderByKey": f"metrics.`{view.metric}`",
        "orderByAsc": view.ascending,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "modelVersionFilter": "All Runs",
        "datasetsFilter": [],
        "selectedColumns": shown,
        "columnOrder": shown,
        "columnWidths": dict.fromkeys(shown, COLUMN_PIXELS),
        "runListHidden": False,
    }
    return json.dumps(state)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.3g} %"
