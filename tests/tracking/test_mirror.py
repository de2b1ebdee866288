"""MLflow holds exactly what the files say, however often, however interrupted the import."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from recurrence import paths
from recurrence.errors import RecurrenceError
from recurrence.stages import track
from recurrence.tracking import history, mirror, writer
from tracked_project import (
    client,
    contents_of,
    deleted,
    edit_scores,
    experiment,
    ids,
    logged_models,
    names,
    runs,
)

MODELS = ["good", "poor"]
mirror_whole = mirror.whole
DECODINGS = {f"{model} / {strategy}" for model in MODELS for strategy in ("greedy", "multinomial")}


def test_a_run_per_model_and_a_child_per_strategy(imported: Path) -> None:
    found = {run.info.run_name: run for run in runs(imported)}
    assert found.keys() == {*MODELS, *DECODINGS}
    assert {run.info.status for run in found.values()} == {"FINISHED"}
    for name in DECODINGS:
        parent = found[name.split(" / ")[0]].info.run_id
        assert found[name].data.tags["mlflow.parentRunId"] == parent


def test_sorting_answers_which_model_and_which_decoding(imported: Path) -> None:
    assert names(imported, order_by=["metrics.`valid/nats` ASC"])[:2] == ["good", "poor"]
    assert names(imported, order_by=["metrics.`loops/loop_rate` DESC"])[:2] == [
        "good / greedy",
        "poor / greedy",
    ]


def test_the_receipt_names_the_runs(imported: Path) -> None:
    receipt = json.loads(paths.receipt("toy").read_text(encoding="utf-8"))
    assert list(receipt["models"]) == MODELS
    tags = client(imported).get_run(ids(imported)["good"]).data.tags
    assert receipt["models"]["good"] == {
        "fingerprint": tags["recurrence.fingerprint"],
        "decodings": ["greedy", "multinomial"],
    }


def test_twice_is_as_once(imported: Path) -> None:
    before, receipt = ids(imported), paths.receipt("toy").read_text(encoding="utf-8")
    track.main("toy")
    assert ids(imported) == before
    assert not deleted(imported)
    assert paths.receipt("toy").read_text(encoding="utf-8") == receipt


def test_another_clone_with_a_new_store_gets_the_same_contents(
    imported: Path, results: Path
) -> None:
    track.main("toy")
    before, after = contents_of(imported), contents_of(results)
    assert after.keys() == before.keys()
    for name in before:
        assert after[name] == before[name]


def test_an_interrupted_import_clears_away_what_it_began(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill = writer.Writer._fill
    calls = iter(range(100))

    def interrupted(*arguments: Any) -> None:
        if next(calls) == 4:  # good and its two children are whole, poor is, its first child is not
            raise KeyboardInterrupt
        fill(*arguments)

    monkeypatch.setattr(writer.Writer, "_fill", interrupted)
    with pytest.raises(KeyboardInterrupt):
        track.main("toy")
    assert ids(results).keys() == {"good", "good / greedy", "good / multinomial"}
    assert not [run for run in deleted(results) if run.info.status == "RUNNING"]
    assert not paths.receipt("toy").exists()
    monkeypatch.undo()
    monkeypatch.setenv("RECURRENCE_ROOT", str(results))
    before = ids(results)
    track.main("toy")
    assert ids(results).keys() == {*MODELS, *DECODINGS}
    assert ids(results).items() >= before.items()


def test_half_runs_of_a_killed_import_are_redone(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill leaves whatever was there: a run without its children, one still RUNNING."""
    monkeypatch.setattr(history.Keeper, "discard", lambda *_: None)
    fill = writer.Writer._fill
    calls = iter(range(100))

    def killed(*arguments: Any) -> None:
        if next(calls) == 1:
            raise SystemExit
        fill(*arguments)

    monkeypatch.setattr(writer.Writer, "_fill", killed)
    with pytest.raises(SystemExit):
        track.main("toy")
    half = ids(results)
    assert half.keys() == {"good", "good / greedy"}
    monkeypatch.undo()
    monkeypatch.setenv("RECURRENCE_ROOT", str(results))
    client(results).update_run(half["good / greedy"], "RUNNING")
    track.main("toy")
    assert not set(ids(results).values()) & set(half.values())
    assert sorted(names(results)) == sorted([*MODELS, *DECODINGS])
    assert {run.info.status for run in runs(results)} == {"FINISHED"}


def test_a_child_deleted_by_hand_comes_back(results: Path) -> None:
    track.main("toy")
    client(results).delete_run(ids(results)["good / greedy"])
    track.main("toy")
    assert sorted(names(results)) == sorted([*MODELS, *DECODINGS])


def test_doubles_of_a_race_on_a_server_are_reduced_to_one(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    track.main("toy")
    with monkeypatch.context() as patch:
        patch.setattr(history.Keeper, "settle", lambda *_: None)
        patch.setattr(mirror, "whole", unseen)
        track.main("toy")
    assert len(runs(results)) == 12
    track.main("toy")
    assert sorted(names(results)) == sorted([*MODELS, *DECODINGS])


def unseen(record: Any, present: list[Any]) -> list[Any]:
    """As if there were no runs yet, until there are twelve."""
    return mirror_whole(record, present) if len(present) == 12 else []


def test_runs_of_others_are_left_alone(results: Path) -> None:
    track.main("toy")
    client(results).create_run(experiment(results), run_name="mine")
    edit_scores("good", 1.0)
    track.main("toy")
    assert "mine" in names(results)


def test_an_experiment_deleted_by_hand_is_revived(results: Path) -> None:
    track.main("toy")
    before = experiment(results)
    client(results).delete_experiment(before)
    track.main("toy")
    assert experiment(results) == before
    assert sorted(names(results)) == sorted([*MODELS, *DECODINGS])


def test_long_curves_go_in_requests_that_a_server_accepts(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = paths.model("toy", "good") / "history.csv"
    history = pd.read_csv(path)
    rows = [history.iloc[[0]].assign(epoch=epoch, valid_nats=1 / epoch) for epoch in range(1, 301)]
    pd.concat(rows).to_csv(path, index=False)
    sizes = list(spied(monkeypatch))
    track.main("toy")
    run_id = ids(results)["good"]
    points = client(results).get_metric_history(run_id, "curve/valid_nats")
    assert [(point.step, point.value) for point in points] == [
        (epoch, 1 / epoch) for epoch in range(1, 301)
    ]
    assert len(points) == len({point.timestamp for point in points})
    assert sum(metrics for metrics, _ in sizes[0]) > 1000
    assert max(metrics + params for metrics, params in sizes[0]) <= 1000
    assert max(params for _, params in sizes[0]) <= 100


def spied(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[int, int]]]:
    """The sizes (metrics, params) of the requests to come: sqlite takes any, a server does not."""
    from mlflow import MlflowClient

    sizes: list[tuple[int, int]] = []
    log_batch = MlflowClient.log_batch

    def spy(self: Any, run_id: str, metrics: Any, params: Any, **rest: Any) -> None:
        sizes.append((len(metrics), len(params)))
        log_batch(self, run_id, metrics, params, **rest)

    monkeypatch.setattr(MlflowClient, "log_batch", spy)
    yield sizes


def test_a_model_is_linked_with_its_run_figures_and_data(imported: Path) -> None:
    models = logged_models(imported)
    assert models.keys() == set(MODELS)
    good = models["good"]
    assert good.source_run_id == ids(imported)["good"]
    assert good.model_type == "lstm"
    assert str(good.status) == "READY"
    figures = {metric.key: (metric.value, metric.dataset_name) for metric in good.metrics}
    assert figures["valid/nats"] == (1.32, "toy")
    assert "md5 of data/models/toy/good/seed0.safetensors" in good.tags


def test_no_weights_are_copied_to_runs(imported: Path) -> None:
    """To the registered model those of one net are: test_registry.py."""
    folder = imported / ".mlflow/artifacts/toy"
    of_runs = [path for path in folder.rglob("*") if "models" not in path.relative_to(folder).parts]
    assert {path.suffix for path in of_runs if path.is_file()} == {".csv", ".json", ".jsonl"}


def test_the_experiment_says_which_is_best_and_links_to_the_views(imported: Path) -> None:
    tags = client(imported).get_experiment(experiment(imported)).tags
    note = tags["mlflow.note.content"]
    assert (
        "Best: **good**, 1.32 nats. Loops: **multinomial** 0 %, **greedy** 66.7 %."
        in note.split("\n")[0]
    )
    assert note.index("| good | 1.32 |") < note.index("| poor | 1.6 |")
    assert "| greedy | 66.7 % | 33.3 % | 100 % |" in note
    assert json.loads(tags["mlflow.sharedViewState.models"])["orderByKey"] == "metrics.`valid/nats`"
    assert (
        json.loads(tags["mlflow.sharedViewState.decoding"])["searchFilter"]
        == "tags.`recurrence.kind` = 'decoding' and tags.`recurrence.state` = 'current'"
    )


def test_an_unreachable_server_is_named_with_what_is_missing(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RecurrenceError) as caught:
        track.main("toy")
    assert "Not imported: toy: good, poor." in str(caught.value)
    assert "dvc repro track@toy" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert not paths.receipt("toy").exists()


def test_a_store_in_files_is_refused(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", str(results / "mlruns"))
    with pytest.raises(RecurrenceError, match="Not imported: toy: good"):
        track.main("toy")
    assert not (results / "mlruns").exists()


def test_a_broken_database_is_met_with_the_remedy(results: Path) -> None:
    (results / ".mlflow/mlflow.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(RecurrenceError, match="not a database") as caught:
        track.main("toy")
    file = results / ".mlflow/mlflow.db"
    assert f"mv {file} {file}.damaged" in str(caught.value)
    assert "MLFLOW_TRACKING_URI" not in str(caught.value)
