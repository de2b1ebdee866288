"""What a person reads first in MLflow: notes (Markdown), and the two views of the runs table."""

import json
from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any, NamedTuple

from recurrence.results.units import noun

MAX_NOTE_CHARACTERS = 7900
RUN_NAME = "attributes.`Run Name`"


class View(NamedTuple):
    """A state of the runs table: which runs, sorted by which metric (ascending or not), and which
    columns.
    """

    runs: str
    metric: str
    ascending: bool
    columns: str
    tags: str = ""
    """Columns of tags, after those of metrics."""


VIEWS = {
    "models": View(
        runs="tags.`recurrence.kind` = 'model' and tags.`recurrence.state` = 'current'",
        metric="valid/nats",
        ascending=True,
        columns="valid/nats valid/nats_sd valid/bits_per_char valid/perplexity valid/accuracy"
        " as_notebook/nats notebook/nats delta/nats model/parameters",
    ),
    # the upper bound: of settings that never loop, the one with more samples says more
    "decoding": View(
        runs="tags.`recurrence.kind` = 'decoding' and tags.`recurrence.state` = 'current'",
        metric="loops/loop_hi",
        ascending=True,
        columns="loops/loop_rate loops/loop_lo loops/loop_hi reference/nats loops/near_rate "
        "loops/recycling_rate loops/onset_rmean loops/period_median loops/n_attractors "
        "text/zlib_ratio text/non_word loops/human_rate",
    ),
    "history": View(
        runs="tags.`recurrence.kind` = 'model' and tags.`recurrence.state` != 'experiment'",
        metric="valid/nats",
        ascending=True,
        columns="valid/nats valid/accuracy valid/bits_per_char",
        tags="recurrence.model recurrence.state recurrence.superseded_at mlflow.source.git.commit",
    ),
    "experiments": View(
        runs="tags.`recurrence.kind` = 'model' and tags.`dvc.experiments` LIKE '%'",
        metric="valid/nats",
        ascending=True,
        columns="valid/nats valid/accuracy valid/bits_per_char",
        tags="dvc.experiments dvc.baseline recurrence.model recurrence.state",
    ),
}


def model(scores: Mapping[str, Any], rates: Mapping[str, Any], machine: Mapping[str, Any]) -> str:
    """The key figures of a model and a table of its decodings."""
    exact, seeds = scores["exact"], len(scores["seeds"])
    lines = [f"**{_number(exact['nats'])} nats per token** on the validation text", ""]
    if seeds > 1:
        lines[0] += f" (mean of {seeds} seeds, sd {_number(exact['nats_sd'])})"
    lines[0] += (
        f"; {_number(exact['bits_per_char'])} bits per character, perplexity "
        f"{_number(exact['perplexity'])}"
    )
    lines[0] += f", accuracy {_percent(exact['accuracy'])}."
    if ours := scores.get("as_notebook"):
        lines += [
            f"Measured as the notebook did: {_number(ours['nats'])} nats, "
            f"{_percent(ours['accuracy'])}."
        ]
    if theirs := scores.get("notebook"):
        lines[-1] += f" The notebook ({theirs['id']}) printed {_number(theirs['nats'])} nats"
        lines[-1] += (
            f", {_percent(theirs['accuracy'])}." if theirs.get("accuracy") is not None else "."
        )
    trained = ""
    if machine.get("train_seconds") is not None:
        trained = f"Trained {machine['train_seconds']:.0f} s on {machine.get('device')}; "
    lines += [f"{trained}{scores['parameters']:,} parameters.", ""]
    return "\n".join([*lines, *_decoding_table(rates)])[:MAX_NOTE_CHARACTERS]


def _decoding_table(rates: Mapping[str, Any]) -> list[str]:
    """Every decoding and human text, looping ones first, and of those that loop alike the one that
    costs least.
    """
    if not rates["strategies"]:
        return ["Not sampled."]
    rows = [
        "| decoding | loops | 95 % | from token | period | reference nats |",
        "|---|---:|---|---:|---:|---:|",
    ]
    ranked = sorted(
        rates["strategies"].items(),
        key=lambda item: (-(item[1]["loop_rate"] or 0), item[1]["reference_nats"] or 0),
    )
    for name, found in ranked:
        span = f"{_percent(found['loop_lo'])} to {_percent(found['loop_hi'])}"
        shown = [
            span,
            *(
                _number(found[figure])
                for figure in ("onset_median", "period_median", "reference_nats")
            ),
        ]
        title = "*human text*" if name == "human" else name
        rows.append(f"| {title} | {_percent(found['loop_rate'])} | {' | '.join(shown)} |")
    return [*rows, "", f"Reference nats: per token, under {rates['reference']}."]


def decoding(name: str, strategy: str, rates: Mapping[str, Any]) -> str:
    """One paragraph on how often a strategy loops, and what it costs."""
    found, human, unit = (
        rates["strategies"][strategy],
        rates["strategies"].get("human", {}),
        noun(rates["unit"]),
    )
    text = f"**{_percent(found['loop_rate'])} of {found['samples']} samples loop** "
    text += (
        f"(95 %: {_percent(found['loop_lo'])} to {_percent(found['loop_hi'])}) when {name} "
        f"decodes by {strategy}"
    )
    if found["loops"]:
        text += f": typically from {unit} {_number(found['onset_median'])} of {found['length']}"
        text += f", with a period of {_number(found['period_median'])} {unit}s"
        text += (
            f"; {found['exact']} exactly, {found['near']} nearly, in {found['n_attractors']} "
            f"different loops"
        )
    if found["recycling"]:
        text += f". {_percent(found['recycling_rate'])} reuse phrases without a period"
    text += f". Human text of the same length: {_percent(human.get('loop_rate'))}."
    if found["reference_nats"] is not None:
        text += (
            f" Reference nats: {_number(found['reference_nats'])} per {unit} under "
            f"{rates['reference']}"
        )
        text += (
            f" (95 %: {_number(found['reference_nats_lo'])} to "
            f"{_number(found['reference_nats_hi'])})"
        )
        text += f"; human text: {_number(human.get('reference_nats'))}."
    return text + _checks(found)


def _checks(found: Mapping[str, Any]) -> str:
    """What else is known of the loops: whether hidden states agree, whether pure sampling differs,
    what was mended.
    """
    text, certified, compared = "", found["certified"], found["versus_pure"]
    if certified["certified"]:
        text += (
            f" Hidden states confirm {certified['agree']} of {certified['certified']} loops that "
            f"they certify."
        )
    if compared:
        text += f" Against {compared['reference']}: {100 * compared['difference']:+.3g} points"
        text += f", p = {_number(compared['p_holm'])} (Holm)."
    if found["rescued"]:
        text += f" In {found['rescued']} samples every token was banned at some point."
    return text


def experiment(
    experiment_id: str,
    models: Mapping[str, Mapping[str, float]],
    rates: Mapping[str, Sequence[float]],
    champion: str = "",
) -> str:
    """The best model, the strategies that loop least and most, links to the views, and both
    rankings as tables.

    `models`: figures by name of metric; `rates`: loop rates of each strategy, one per model;
    `champion`: the best trained model, as the report names it (a baseline that counts may do
    better).
    """
    best = sorted(models, key=lambda name: models[name].get("valid/nats", float("inf")))
    calm = sorted(rates, key=lambda name: mean(rates[name]))
    lines = [
        f"Tables: {', '.join(f'[{name}]({view_link(experiment_id, name)})' for name in VIEWS)}."
    ]
    if best:  # one line is all that the page shows at first
        first = champion if champion in models else best[0]
        lines[0] += f" Best: **{first}**, {_number(models[first].get('valid/nats'))} nats."
    if calm:
        least, most = ((name, _percent(mean(rates[name]))) for name in (calm[0], calm[-1]))
        lines[0] += f" Loops: **{least[0]}** {least[1]}, **{most[0]}** {most[1]}."
    lines += [
        "",
        "| model | nats per token | bits per character | accuracy |",
        "|---|---:|---:|---:|",
    ]
    for name in best:
        shown = [
            _number(models[name].get("valid/nats")),
            _number(models[name].get("valid/bits_per_char")),
        ]
        lines.append(
            f"| {' | '.join([name, *shown, _percent(models[name].get('valid/accuracy'))])} |"
        )
    lines += [
        "",
        "| decoding | samples that loop, mean over the models | least | most |",
        "|---|---:|---:|---:|",
    ]
    for name in calm:
        lines.append(
            f"| {name} | {' | '.join(_percent(pick(rates[name])) for pick in (mean, min, max))} |"
        )
    return "\n".join(lines)


def views() -> dict[str, str]:
    """Experiment tags that hold the state of MLflow's runs table, as its own "share" button stores
    it.
    """
    return {f"mlflow.sharedViewState.{name}": _view(view) for name, view in VIEWS.items()}


def view_link(experiment_id: str, name: str) -> str:
    """The address of a view within MLflow's page."""
    return (
        f"#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={name}"
    )


def _view(view: View) -> str:
    shown = [f"metrics.`{column}`" for column in view.columns.split()]
    shown += [f"tags.`{column}`" for column in view.tags.split()]
    state = {
        "searchFilter": view.runs,
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
