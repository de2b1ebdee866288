"""Puts records into MLflow so that it holds exactly these: no run is there twice, none half, none that is no more.

A run is ours if it has the tag `recurrence.fingerprint`; a model's run is whole, with its children, if it also has
`recurrence.complete`, which is set last. Whole runs of the same fingerprint stay as they are. Everything else of ours
is deleted, once its successor is whole. Runs that a person logged in the same experiment are left alone.

No run is RUNNING for longer than a moment, so that none stays so when the import is killed: a model's run is FAILED
until it is whole, and its children, which count only with it, are FINISHED from the start.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any

from recurrence.errors import RecurrenceError, command
from recurrence.tracking import notes, store
from recurrence.tracking.records import Record, Run

COMPLETE = "recurrence.complete"
METRICS_AT_ONCE, PARAMS_AT_ONCE = 900, 100
"""Together at most 1000 in a request, which is what servers accept."""
CLEARING_S = 3.0
"""For clearing away after a failure or Ctrl-C; what is left then, the next import clears away."""


@dataclass(frozen=True)
class Mirrored:
    """Ids of the runs that stand for one model."""

    run_id: str
    children: dict[str, str]


def import_corpus(
    corpus: str,
    records: Sequence[Record],
    home: Path,
    tell: Callable[[int], None] = lambda runs: None,
) -> dict[str, Any]:
    """Make MLflow's experiment `corpus` hold these models and no others; returns the receipt, ready for JSON.

    `home` is the folder of the store and its lock; `tell` hears how many more runs are there. Raises RecurrenceError
    when the store cannot be reached or written, or keeps one waiting.
    """
    at, failures = store.place(home), store.failures()
    done: dict[str, Mirrored] = {}
    try:
        with store.locked(at), store.stoppable() as heed:
            client = store.client(at)
            with store.patient(heed=heed) as go_on:
                experiment = _experiment(client, corpus, at)
                standing = _standing(client, experiment)
                for record in records:
                    runs = [
                        run for run in standing if run.data.tags["recurrence.model"] == record.model
                    ]
                    done[record.model] = _whole(record, runs) or _import(
                        client, experiment, record, go_on
                    )
                    tell(1 + len(record.decodings))
                _sweep(client, experiment, standing, done, go_on)
                _describe(client, experiment, records)
    except failures as error:
        left = (
            ", ".join(record.model for record in records if record.model not in done)
            or "its description"
        )
        reason = shorten(str(error).replace(at.uri, at.shown), 250)
        raise RecurrenceError(
            f"MLflow at {at.shown}: {reason}. Not imported: {corpus}: {left}. The result files are safe; "
            f"mend the store or unset MLFLOW_TRACKING_URI, then run {command('dvc', 'repro', f'track@{corpus}')}"
        ) from error
    return _receipt(at, experiment, records, done)


def _receipt(
    at: store.Place, experiment: str, records: Sequence[Record], done: dict[str, Mirrored]
) -> dict[str, Any]:
    models = {
        record.model: {
            "fingerprint": record.fingerprint,
            "run_id": done[record.model].run_id,
            "children": done[record.model].children,
        }
        for record in records
    }
    return {"store": at.shown, "experiment_id": experiment, "models": models}


def _experiment(client: Any, corpus: str, at: store.Place) -> str:
    """Id of the experiment of that name: found, revived or made."""
    location = (at.artifacts / corpus).as_uri() if at.artifacts else None
    found = client.get_experiment_by_name(corpus)
    if found is None:
        return str(client.create_experiment(corpus, artifact_location=location))
    if location:
        store.check_moved(found.artifact_location, location)
    if found.lifecycle_stage == "deleted":
        client.restore_experiment(found.experiment_id)
    return str(found.experiment_id)


def _standing(client: Any, experiment: str) -> list[Any]:
    """Our runs in the experiment, parents and children alike, whatever their state."""
    found: list[Any] = []
    page = None
    while page is None or page.token:
        token = page.token if page else None
        page = client.search_runs(
            [experiment],
            "tags.`recurrence.fingerprint` LIKE '%'",
            max_results=1000,
            page_token=token,
        )
        found += page
    return found


def _whole(record: Record, runs: Sequence[Any]) -> Mirrored | None:
    """The runs that already hold the record, if they are all there."""
    finished = [run for run in runs if run.info.status == "FINISHED"]
    for parent in (run for run in finished if run.data.tags.get(COMPLETE) == record.fingerprint):
        run_id = parent.info.run_id
        mine = [run for run in finished if run.data.tags.get("mlflow.parentRunId") == run_id]
        children = {run.data.tags["recurrence.strategy"]: run.info.run_id for run in mine}
        if children.keys() == record.decodings.keys():
            return Mirrored(run_id, {strategy: children[strategy] for strategy in record.decodings})
    return None


def _import(client: Any, experiment: str, record: Record, go_on: Callable[[], None]) -> Mirrored:
    """Log a record; on any failure or interruption, what was begun is deleted again."""
    made: list[str] = []
    try:
        run_id = _begin(client, experiment, record.run, made)
        _fill(client, run_id, record.run, _link(client, experiment, record, run_id))
        children = {}
        for strategy, run in record.decodings.items():
            go_on()
            children[strategy] = _begin(client, experiment, run, made, parent=run_id)
            _fill(client, children[strategy], run, {})
        client.set_terminated(run_id, "FINISHED", record.run.ended_ms)
        client.set_tag(run_id, COMPLETE, record.fingerprint)
    except BaseException:
        with suppress(*store.failures()), store.patient(CLEARING_S):
            _clear_away(client, experiment, made)
        raise
    return Mirrored(run_id, children)


def _clear_away(client: Any, experiment: str, begun: Sequence[str]) -> None:
    for model in list(_models(client, experiment)):
        if model.source_run_id in begun:
            client.delete_logged_model(model.model_id)
    for run_id in begun:
        client.set_terminated(run_id, "FAILED")
        client.delete_run(run_id)


def _begin(
    client: Any, experiment: str, run: Run, made: list[str], parent: str | None = None
) -> str:
    tags = run.tags | ({"mlflow.parentRunId": parent} if parent else {})
    created = client.create_run(experiment, start_time=run.started_ms, tags=tags, run_name=run.name)
    made.append(created.info.run_id)
    client.set_terminated(made[-1], "FINISHED" if parent else "FAILED", run.ended_ms)
    return made[-1]


def _fill(client: Any, run_id: str, run: Run, linked: dict[str, str]) -> None:
    """Log all that a begun run shall hold; `linked` ties its final figures to a model and a dataset."""
    from mlflow.entities import Metric, Param

    metrics = [
        Metric(name, value, run.ended_ms, 0, **linked) for name, value in run.figures.items()
    ]
    metrics += [Metric(point.name, point.value, point.at_ms, point.step) for point in run.curves]
    params = [Param(name, value) for name, value in run.params.items()]
    while metrics or params:
        client.log_batch(
            run_id, metrics[:METRICS_AT_ONCE], params[:PARAMS_AT_ONCE], synchronous=True
        )
        metrics, params = metrics[METRICS_AT_ONCE:], params[PARAMS_AT_ONCE:]
    with tempfile.TemporaryDirectory() as folder:
        for name, text in run.texts.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        client.log_artifacts(run_id, folder)


def _link(client: Any, experiment: str, record: Record, run_id: str) -> dict[str, str]:
    """Log the dataset and the model (a reference: its weights stay with dvc) and say how metrics name them."""
    from mlflow.entities import Dataset, DatasetInput, InputTag, LoggedModelOutput

    source = json.dumps({"get": f"dvc pull data/ids/{record.dataset}"})
    data = Dataset(
        record.dataset, record.dataset_digest, "dvc", source, profile=record.dataset_profile
    )
    client.log_inputs(run_id, [DatasetInput(data, [InputTag("mlflow.data.context", "train")])])
    tags = {"recurrence.fingerprint": record.fingerprint} | {
        f"md5 of {path}": md5 for path, md5 in record.weights.items()
    }
    model = client.create_logged_model(
        experiment,
        record.model,
        run_id,
        tags,
        params=record.run.params,
        model_type=record.run.params["core"],
    )
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, 0)])
    return {"model_id": model.model_id, "dataset_name": data.name, "dataset_digest": data.digest}


def _sweep(
    client: Any,
    experiment: str,
    standing: Sequence[Any],
    done: Mapping[str, Mirrored],
    go_on: Callable[[], None],
) -> None:
    """Delete all of ours that is not of the records: predecessors, halves, doubles.

    A server may have begun a run, or a model, twice: where it did so, but its answer was lost, it was asked again.
    """
    kept = {run_id for each in done.values() for run_id in (each.run_id, *each.children.values())}
    if made := kept - {run.info.run_id for run in standing}:
        standing = _standing(client, experiment)
    gone = {run.info.run_id: run.info.status for run in standing if run.info.run_id not in kept}
    for model in list(_models(client, experiment)) if gone or made else ():
        if model.source_run_id in gone or (
            model.source_run_id in made and str(model.status) != "READY"
        ):
            client.delete_logged_model(model.model_id)
    for run_id, status in gone.items():
        go_on()
        if status == "RUNNING":
            client.set_terminated(run_id, "KILLED")
        client.delete_run(run_id)


def _models(client: Any, experiment: str) -> Iterator[Any]:
    """All logged models of the experiment: to ask for those of each run would take most of the time."""
    page = None
    while page is None or page.token:
        page = client.search_logged_models([experiment], page_token=page.token if page else None)
        yield from page


def _describe(client: Any, experiment: str, records: Sequence[Record]) -> None:
    """Give the experiment its note and its views, where they differ from what it has."""
    models = {record.model: record.run.figures for record in records}
    rates: dict[str, list[float]] = {}
    for record in records:
        for strategy, run in record.decodings.items():
            rates.setdefault(strategy, []).append(run.figures.get("loops/loop_rate", 0.0))
    wanted = notes.views() | {
        "mlflow.note.content": notes.experiment(experiment, models, rates),
        "mlflow.experimentKind": "custom_model_development",
    }
    present = client.get_experiment(experiment).tags
    for name, value in wanted.items():
        if present.get(name) != value:
            client.set_experiment_tag(experiment, name, value)
