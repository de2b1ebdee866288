"""What MLflow shall hold of one model, as values: results in, records out. Knows neither files nor
mlflow.

At most 25 metric names per kind of run (the runs table slows down beyond), and none in both:
`valid/nats` and its like are final figures of a model, one point each; `curve/*` are means over the
seeds, a point per epoch; `loops/*`, `text/*` and `reference/*` belong to the child run of a
decoding strategy, whose other figures are in its artifact rates.json.

Facts of the machine (wall time, device) are shown where they are known and decide nothing: the same
results found on another machine are the same record.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from recurrence.repetition import declaration
from recurrence.repetition import metrics as sample_metrics
from recurrence.results import metrics
from recurrence.tracking import notes, settings, tables
from recurrence.tracking.tags import CORPUS, FINGERPRINT, IDENTITY, MODEL, STRATEGY

CURVES = {"train_nats": "curve/train_nats", "valid_nats": "curve/valid_nats"}
CURVES |= {"valid_accuracy": "curve/valid_accuracy", "lr": "curve/lr"}
ENVIRONMENT = ("device", "torch", "python", "tokens_per_second")
RECORDERS = (
    __file__,
    *(
        str(module.__file__)
        for module in (settings, tables, notes, metrics, declaration, sample_metrics)
    ),
)
"""The code that decides what a record says; where it changes, runs are recorded anew."""


class Point(NamedTuple):
    """One value of a curve; time in milliseconds since 1970, as MLflow has it."""

    name: str
    value: float
    at_ms: int
    step: int


@dataclass(frozen=True)
class Run:
    """One run of MLflow: everything it shall hold, its artifacts (small texts by file name)
    included.
    """

    name: str
    started_ms: int
    ended_ms: int
    params: dict[str, str]
    tags: dict[str, str]
    figures: dict[str, float]
    curves: tuple[Point, ...] = ()
    texts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Record:
    """One model: its run, a run per decoding strategy, and the data it learned from."""

    model: str
    fingerprint: str
    """Of the results and of the code that words them."""
    identity: str
    """Of the results alone."""
    run: Run
    decodings: dict[str, Run]
    weights: dict[str, str]
    """File from the project's root -> md5."""
    dataset: str
    dataset_digest: str
    dataset_profile: str
    """JSON: token counts of the parts."""


@dataclass(frozen=True)
class Tracked:
    """What the files say about one model."""

    corpus: str
    name: str
    config: dict[str, Any]
    history: pd.DataFrame
    machine: dict[str, Any]
    """started, train_seconds, device, ...: what is known of the training's machine, be it nothing;
    in no digest.
    """
    scores: dict[str, Any]
    rates: dict[str, Any]
    """floor, unit, length, ..., and figures by strategy; no strategies where the model is not
    sampled.
    """
    samples: pd.DataFrame
    """sample_id, strategy, prompt, ids, text, ..., and the verdict on it (kind, start, period,
    ...).
    """
    card: dict[str, Any] | None
    """The detector card; None where no model of the corpus is sampled."""
    counts: dict[str, Any]
    strategies: dict[str, dict[str, Any]]
    """Every strategy's block, and its `family`."""
    digests: dict[str, str]
    """Every file imported, from the project's root -> md5."""
    tags: dict[str, str]
    """Where the results come from: git commit, digest of the lock entries."""


def record(results: Tracked) -> Record:
    """The record of one model; equal results give an equal record, on any machine."""
    weights = {path: md5 for path, md5 in results.digests.items() if path.endswith(".safetensors")}
    data = {path: md5 for path, md5 in results.digests.items() if path.startswith("data/ids/")}
    identity = _identity(results)
    fingerprint = _fingerprint(identity)
    origin = {CORPUS: results.corpus, MODEL: results.name}
    origin |= {FINGERPRINT: fingerprint, IDENTITY: identity} | results.tags
    return Record(
        model=results.name,
        fingerprint=fingerprint,
        identity=identity,
        run=_model_run(results, origin, weights),
        decodings={
            name: _decoding_run(results, origin, name)
            for name in results.rates["strategies"]
            if name != "human"
        },
        weights=weights,
        dataset=results.corpus,
        dataset_digest=hashlib.md5(
            json.dumps(data, sort_keys=True).encode(), usedforsecurity=False
        ).hexdigest(),
        dataset_profile=json.dumps(results.counts),
    )


def _identity(results: Tracked) -> str:
    """Digest of every result file, and of the settings of the strategies that were sampled."""
    sampled = {
        name: block
        for name, block in results.strategies.items()
        if name in results.rates["strategies"]
    }
    identity = {"files": results.digests, "strategies": sampled}
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def _fingerprint(identity: str) -> str:
    """Digest of the results and of the code that decides what is logged of them."""
    code = [Path(file).read_text(encoding="utf-8") for file in RECORDERS]
    return hashlib.sha256(json.dumps([identity, *code]).encode()).hexdigest()


def _model_run(results: Tracked, origin: Mapping[str, str], weights: Mapping[str, str]) -> Run:
    started, ended = _span(results.machine)
    key = f"{results.corpus}-{results.name}"
    figures, odd = _finite(
        _scores(results.scores) | {"train/seconds": results.machine.get("train_seconds")}
    )
    curves, odd_curves = _curves(results.history, started, ended)
    tags = {
        **origin,
        "recurrence.kind": "model",
        "dvc.stage": f"train@{key}",
        "mlflow.source.type": "JOB",
    }
    tags |= {"mlflow.source.name": f"dvc repro train@{key}"}
    tags |= {
        f"env.{name}": str(results.machine[name])
        for name in ENVIRONMENT
        if results.machine.get(name) is not None
    }
    if odd + odd_curves:
        tags["recurrence.not_finite"] = ", ".join(odd + odd_curves)
    tags["mlflow.note.content"] = notes.model(results.scores, results.rates, results.machine)
    params = settings.flat(results.config["model"])
    params["vocab_size"] = str(results.config["vocab_size"])
    return Run(
        name=results.name,
        started_ms=started,
        ended_ms=ended,
        params=settings.cut(params),
        tags=tags,
        figures=figures,
        curves=curves,
        texts=_artifacts(results, weights) | settings.uncut(params),
    )


def _artifacts(results: Tracked, weights: Mapping[str, str]) -> dict[str, str]:
    """Of a model's run: what was measured, where its weights are, and of every decoding a row and
    some samples.
    """
    reference = {
        "md5": dict(weights),
        "get": f"dvc pull data/models/{results.corpus}/{results.name}",
    }
    texts = {
        "history.csv": results.history.to_csv(index=False),
        "scores.json": json.dumps(results.scores, indent=1),
        "weights.json": json.dumps(reference, indent=1),
    }
    if results.card:
        texts["detector_card.json"] = json.dumps(results.card, indent=1)
    if results.rates["strategies"]:
        families = {name: block["family"] for name, block in results.strategies.items()}
        texts["loops.json"] = json.dumps(results.rates, indent=1)
        texts["decodings.csv"] = tables.decodings(results.rates, families)
        texts["samples.jsonl"] = tables.samples(results.samples)
    return texts


def _decoding_run(results: Tracked, origin: Mapping[str, str], strategy: str) -> Run:
    _, ended = _span(results.machine)
    figures, odd = _finite(_rates(results.rates, strategy))
    tags = {
        **origin,
        "recurrence.kind": "decoding",
        STRATEGY: strategy,
        "mlflow.source.type": "JOB",
    }
    tags |= {"dvc.stage": f"generate@{results.corpus}-{results.name}"}
    tags |= {"mlflow.source.name": f"dvc repro {tags['dvc.stage']}"}
    if odd:
        tags["recurrence.not_finite"] = ", ".join(odd)
    params = settings.decoding(strategy, results.strategies.get(strategy, {}), results.rates)
    rates = json.dumps(results.rates["strategies"][strategy], indent=1)
    return Run(
        name=f"{results.name} / {strategy}",
        started_ms=ended,
        ended_ms=ended,
        params=settings.cut(params),
        tags=tags | {"mlflow.note.content": notes.decoding(results.name, strategy, results.rates)},
        figures=figures,
        texts={"rates.json": rates} | settings.uncut(params),
    )


def _rates(rates: Mapping[str, Any], strategy: str) -> dict[str, Any]:
    """The figures of a decoding by metric name; absent ones are None."""
    found, human = rates["strategies"][strategy], rates["strategies"].get("human", {})
    certified = found.get("certified") or {}
    figures = metrics.in_mlflow(metrics.DECODING, found)
    figures["loops/human_rate"] = human.get("loop_rate")
    if certified.get("certified"):
        figures["loops/certified_agree"] = certified["agree"] / certified["certified"]
    return figures


def _scores(scores: Mapping[str, Any]) -> dict[str, Any]:
    """Final figures by metric name; absent ones are None."""
    repetition = scores.get("repetition") or {}
    figures = metrics.in_mlflow(metrics.MODEL, scores)
    return figures | {f"repetition/{name}": value for name, value in repetition.items()}


def _finite(figures: Mapping[str, float | None]) -> tuple[dict[str, float], list[str]]:
    """The figures that MLflow can hold (it stores inf as 1.8e308), and those it cannot, as
    `name=inf`.
    """
    there = {name: float(value) for name, value in figures.items() if value is not None}
    odd = [f"{name}={value}" for name, value in there.items() if not math.isfinite(value)]
    return {name: value for name, value in there.items() if math.isfinite(value)}, odd


def _curves(
    history: pd.DataFrame, started_ms: int, ended_ms: int
) -> tuple[tuple[Point, ...], list[str]]:
    """Means over the seeds by epoch, and what is not finite; times are spread evenly over the
    training.
    """
    ours = history[history["protocol"] == "ordered"]
    means = ours.groupby("epoch")[list(CURVES)].mean(skipna=False)
    points, odd = [], []
    for epoch, row in zip(means.index.tolist(), means.itertuples(index=False), strict=True):
        at_ms = started_ms + round((ended_ms - started_ms) * epoch / max(means.index))
        found, missing = _finite({CURVES[name]: getattr(row, name) for name in CURVES})
        points += [Point(name, value, at_ms, int(epoch)) for name, value in found.items()]
        odd += [f"{name} in epoch {epoch}" for name in missing]
    return tuple(points), odd[:20]


def _span(machine: Mapping[str, Any]) -> tuple[int, int]:
    """Start and end of the training in milliseconds; a time without zone is taken as UTC.

    Where no time is known, the moment of the import: mlflow sorts by it.
    """
    seconds = float(machine.get("train_seconds") or 0.0)
    if not machine.get("started"):
        now = round(datetime.now(UTC).timestamp() * 1000)
        return now, now + round(seconds * 1000)
    began = datetime.fromisoformat(machine["started"])
    started = round((began if began.tzinfo else began.replace(tzinfo=UTC)).timestamp() * 1000)
    return started, started + round(seconds * 1000)
