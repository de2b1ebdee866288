"""What a person reads first in MLflow: notes (Markdown), samples as text, and the two views of the runs table."""

import json
from collections.abc import Mapping, Sequence
from statistics import mean
from textwrap import wrap
from typing import Any, NamedTuple

import pandas as pd

SHOWN_SAMPLES = 8
SHOWN_CHARACTERS = 1000
LINE_CHARACTERS = 100
MAX_NOTE_CHARACTERS = 7900
RUN_NAME = "attributes.`Run Name`"


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
    parts = (f"--- {row['sample_id']}: {verdict}", f"prompt: {row['prompt']}", text[:SHOWN_CHARACTERS] + cut, "")
    return "\n".join(_wrapped(part) for part in parts)


def _wrapped(text: str) -> str:
    """The text in lines that MLflow's preview shows without scrolling; no character is lost."""
    lines = (wrap(line, LINE_CHARACTERS, drop_whitespace=False) or [""] for line in text.split("\n"))
    return "\n".join("\n".join(pieces) for pieces in lines)


def experiment(
    experiment_id: str, models: Mapping[str, Mapping[str, float]], rates: Mapping[str, Sequence[float]]
) -> str:
    """The best model, the strategies that loop least and most, links to the views, and both rankings as tables.

    `models`: figures by name of metric; `rates`: loop rates of each strategy, one per model.
    """
    best = sorted(models, key=lambda name: models[name].get("valid/nats", float("inf")))
    calm = sorted(rates, key=lambda name: mean(rates[name]))
    lines = [f"Tables: {', '.join(f'[{name}]({view_link(experiment_id, name)})' for name in VIEWS)}."]
    if best:  # one line is all that the page shows at first
        lines[0] += f" Best: **{best[0]}**, {_number(models[best[0]].get('valid/nats'))} nats."
    if calm:
        least, most = ((name, _percent(mean(rates[name]))) for name in (calm[0], calm[-1]))
        lines[0] += f" Loops: **{least[0]}** {least[1]}, **{most[0]}** {most[1]}."
    lines += ["", "| model | nats per token | bits per character | accuracy |", "|---|---:|---:|---:|"]
    for name in best:
        shown = [_number(models[name].get("valid/nats")), _number(models[name].get("valid/bits_per_char"))]
        lines.append(f"| {' | '.join([name, *shown, _percent(models[name].get('valid/accuracy'))])} |")
    lines += ["", "| decoding | samples that loop, mean over the models | least | most |", "|---|---:|---:|---:|"]
    for name in calm:
        lines.append(f"| {name} | {' | '.join(_percent(pick(rates[name])) for pick in (mean, min, max))} |")
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
        "columnOrder": [RUN_NAME, *shown],
        "columnWidths": {RUN_NAME: 250} | dict.fromkeys(shown, 125),
        "runListHidden": False,
    }
    return json.dumps(state)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.3g} %"
