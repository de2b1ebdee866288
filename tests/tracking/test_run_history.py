"""What becomes of runs whose results are no more: they stay, marked, while what is no result goes
for good.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from recurrence import paths
from recurrence.stages import track
from recurrence.tracking import records
from tracked_project import (
    client,
    deleted,
    edit_scores,
    experiment,
    ids,
    logged_models,
    names,
    of_state,
    runs,
)

POOR = {"poor", "poor / greedy", "poor / multinomial"}


def by_name(found: list[Any]) -> dict[str, str]:
    return {run.info.run_name: run.info.run_id for run in found}


def test_a_model_trained_anew_supersedes_its_own_runs_alone(tracked: Path) -> None:
    before = ids(tracked)
    edit_scores("poor", 1.25)
    track.main("toy")
    after = by_name(of_state(tracked, "current"))
    assert {name for name in after if after[name] != before[name]} == POOR
    assert after.keys() == before.keys()
    superseded = of_state(tracked, "superseded")
    assert {run.info.run_id for run in superseded} == {before[name] for name in POOR}
    assert len(logged_models(tracked)) == 2
    assert not deleted(tracked)


def test_before_and_after_can_be_compared(tracked: Path) -> None:
    edit_scores("poor", 1.25)
    track.main("toy")
    query = "tags.`recurrence.model` = 'poor' and tags.`recurrence.kind` = 'model'"
    new, old = runs(tracked, filter_string=query, order_by=["metrics.`valid/nats` ASC"])
    assert (new.data.metrics["valid/nats"], old.data.metrics["valid/nats"]) == (1.25, 1.6)
    assert old.info.run_name.startswith("poor (until 20")
    assert old.data.tags["recurrence.superseded_by"] == new.info.run_id
    assert old.data.tags["recurrence.superseded_at"].endswith("+00:00")
    assert client(tracked).list_artifacts(old.info.run_id)


def test_twice_is_as_once_with_a_history(results: Path) -> None:
    for nats in (1.25, 1.3, 1.3):
        track.main("toy")
        edit_scores("poor", nats)
    track.main("toy")
    before = [(run.info.run_id, run.info.run_name, run.data.tags) for run in runs(results)]
    assert len(before) == 3 + 3 * 3
    track.main("toy")
    after = [(run.info.run_id, run.info.run_name, run.data.tags) for run in runs(results)]
    assert sorted(map(repr, after)) == sorted(map(repr, before))


def test_results_that_come_back_are_current_again(results: Path) -> None:
    """As after `git checkout` of an older dvc.lock."""
    text = paths.scores("toy", "poor").read_text(encoding="utf-8")
    track.main("toy")
    before = ids(results)
    edit_scores("poor", 1.25)
    track.main("toy")
    paths.scores("toy", "poor").write_text(text, encoding="utf-8")
    track.main("toy")
    assert by_name(of_state(results, "current")) == before
    assert len(of_state(results, "superseded")) == 3
    assert client(results).get_run(before["poor"]).data.tags["recurrence.superseded_by"] == ""


def test_models_and_decodings_that_are_no_more_are_superseded_by_none(tracked: Path) -> None:
    tree = yaml.safe_load((tracked / "params.yaml").read_text(encoding="utf-8"))
    del tree["models"]["toy-poor"], tree["sampling"]
    (tracked / "params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    track.main("toy")
    assert by_name(of_state(tracked, "current")).keys() == {"good"}
    superseded = of_state(tracked, "superseded")
    assert len(superseded) == 6
    of_poor = {run.data.tags["recurrence.superseded_by"] for run in superseded[:]}
    assert of_poor == {ids(tracked)["good"], ""}


def test_a_model_whose_files_are_not_there_waits_and_keeps_its_runs(
    tracked: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = ids(tracked)
    paths.scores("toy", "poor").unlink()
    track.main("toy")
    assert "poor waits: data/scores/toy/poor.json is not there" in capsys.readouterr().err
    assert by_name(of_state(tracked, "current")) == before


def test_the_same_results_in_other_words_replace_their_runs_for_good(
    tracked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else every change of a note here would double what MLflow holds."""
    before = ids(tracked)
    monkeypatch.setattr(records, "RECORDERS", (records.__file__,))
    track.main("toy")
    after = ids(tracked)
    assert after.keys() == before.keys()
    assert not set(after.values()) & set(before.values())
    assert {run.info.run_id for run in deleted(tracked)} == set(before.values())
    artifacts = {path.name for path in (tracked / ".mlflow/artifacts/toy").iterdir()}
    assert artifacts - {"models"} == set(after.values())
    assert len(list((tracked / ".mlflow/artifacts/toy/models").iterdir())) == 1


def test_a_run_of_a_person_is_left_alone_deleted_or_not(tracked: Path) -> None:
    mlflow = client(tracked)
    thrown = mlflow.create_run(experiment(tracked), run_name="thrown away").info.run_id
    mlflow.create_run(experiment(tracked), run_name="mine")
    mlflow.delete_run(thrown)
    edit_scores("good", 1.0)
    track.main("toy")
    assert "mine" in names(tracked)
    assert [run.info.run_name for run in deleted(tracked)] == ["thrown away"]


# ---------------------------------------------------------------- dvc experiments


def in_experiment(monkeypatch: pytest.MonkeyPatch, root: Path, name: str) -> None:
    monkeypatch.setenv("DVC_EXP_NAME", name)
    monkeypatch.setenv("DVC_EXP_BASELINE_REV", "cafe")
    monkeypatch.setenv("DVC_ROOT", str(root))


def test_an_experiment_is_in_the_same_list_and_supersedes_nothing(
    tracked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ids(tracked)
    for name, nats in (("slow-lr", 1.5), ("fast-lr", 1.4)):
        in_experiment(monkeypatch, tracked, name)
        edit_scores("poor", nats)
        track.main("toy")
    assert by_name(of_state(tracked, "current")) == before
    assert not of_state(tracked, "superseded")
    query = "tags.`recurrence.kind` = 'model' and tags.`recurrence.state` = 'experiment'"
    sweep = runs(tracked, filter_string=query, order_by=["metrics.`valid/nats` ASC"])
    assert [run.info.run_name for run in sweep] == ["poor [fast-lr]", "poor [slow-lr]"]
    assert [run.data.tags["dvc.experiments"] for run in sweep] == ["fast-lr", "slow-lr"]
    assert sweep[0].data.tags["dvc.baseline"] == "cafe"
    of_good = client(tracked).get_run(before["good"]).data.tags
    assert of_good["dvc.experiments"] == "slow-lr, fast-lr"


def test_an_experiment_that_is_applied_becomes_current(
    tracked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ids(tracked)
    in_experiment(monkeypatch, tracked, "fast-lr")
    edit_scores("poor", 1.4)
    track.main("toy")
    sweep = {run.info.run_id for run in of_state(tracked, "experiment")}
    monkeypatch.delenv("DVC_EXP_NAME")
    track.main("toy")
    after = by_name(of_state(tracked, "current"))
    assert {after[name] for name in POOR} == sweep
    assert {run.info.run_id for run in of_state(tracked, "superseded")} == {
        before[name] for name in POOR
    }


def test_an_experiment_in_a_folder_of_its_own_goes_to_the_store_of_its_project(
    tracked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `dvc queue` runs them, in .dvc/tmp/exps; the folder is gone afterwards."""
    own = tracked / ".dvc/tmp/exps/tmpx"
    own.mkdir(parents=True)
    for name in ("data", "params.yaml"):
        (own / name).symlink_to(tracked / name)
    in_experiment(monkeypatch, tracked, "queued")
    monkeypatch.setenv("RECURRENCE_ROOT", str(own))
    edit_scores("poor", 1.1)
    track.main("toy")
    assert (own / ".mlflow/receipts/toy.json").exists()
    assert not (own / ".mlflow/mlflow.db").exists()
    assert len(of_state(tracked, "experiment")) == 3
