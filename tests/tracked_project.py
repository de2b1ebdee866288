"""A project with the results of two models, made by rule, and an MLflow store: for tests of
`track`.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

IN_MLFLOW = ("good", "poor")
DECODINGS = ("greedy", "multinomial")
MACHINE = {"seconds": "75", "started": "2020-01-01T00:00:10+00:00", "device": "cpu"}
"""What is known of how the models were trained: MLflow takes the times of its runs from there."""
"""Fewer models and strategies than the tree has: logging a run takes a tenth of a second."""


TRAINED = {"stage": "train", "seconds": "1.50", "device": "cpu", "started": "2026-01-01T00:00:00"}
"""When each model was trained: without it a run begins when it is imported, in every store at
another time.
"""


@pytest.fixture(scope="session")
def fresh_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database, made once: making one takes seconds, copying it none."""
    from recurrence.tracking import store
    from recurrence.tracking.place import Place, sqlite_uri

    file = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    store.client(Place(sqlite_uri(file), file.parent))
    return file


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_store: Path) -> Path:
    """A project folder with the results of two models on the corpus `toy`, and an empty MLflow
    store.
    """
    return make_results(tmp_path, monkeypatch, fresh_store)


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory, fresh_store: Path) -> Iterator[Path]:
    """The same with the results imported; for tests that only look."""
    from recurrence.stages import track

    with pytest.MonkeyPatch.context() as monkeypatch:
        root = make_results(tmp_path_factory.mktemp("imported"), monkeypatch, fresh_store)
        track.main("toy")
        yield root


@pytest.fixture
def tracked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, imported: Path) -> Path:
    """The same as a copy of its own: to copy a store takes less than to fill one."""
    from recurrence.tracking import standing
    from recurrence.tracking.place import home, place

    root = tmp_path / "tracked"
    shutil.copytree(imported, root)
    forget_stores()
    monkeypatch.setenv("RECURRENCE_ROOT", str(root))
    assert standing.settle_in(place(home()))
    return root


def forget_stores() -> None:
    """As in a new process: mlflow keeps files open, and artifacts by the id of their run."""
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
    from mlflow.tracking._tracking_service import utils

    for engine in SqlAlchemyStore._engine_map.values():
        engine.dispose()
    SqlAlchemyStore._engine_map.clear()
    utils._artifact_repos_cache.clear()
    type(utils._tracking_store_registry)._get_store_with_resolved_uri.cache_clear()


def make_results(root: Path, monkeypatch: pytest.MonkeyPatch, fresh_store: Path) -> Path:
    """Make `root` the project, with all that `track` reads."""
    from recurrence import machine, params
    from reporting import results_tree

    monkeypatch.setenv("RECURRENCE_ROOT", str(root))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    results_tree.build(root)
    tree = yaml.safe_load((root / "params.yaml").read_text(encoding="utf-8"))
    for section in ("models", "sampling"):
        tree[section] = {f"toy-{name}": tree[section][f"toy-{name}"] for name in IN_MLFLOW}
    for name in IN_MLFLOW:
        rates = json.loads((root / f"data/loops/toy/{name}/rates.json").read_text(encoding="utf-8"))
        rates["strategies"] = {kept: rates["strategies"][kept] for kept in (*DECODINGS, "human")}
        (root / f"data/loops/toy/{name}/rates.json").write_text(json.dumps(rates), encoding="utf-8")
    (root / "params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    for block in params.load().models.values():
        machine.put("toy", TRAINED | {"key": f"toy-{block.name}"})
        folder = root / f"data/models/toy/{block.name}"
        config = {"model": block.model_dump(mode="json"), "vocab_size": 13}
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        row = dict.fromkeys(machine.COLUMNS, "") | MACHINE
        machine.put("toy", row | {"stage": "train", "key": f"toy-{block.name}"})
        for seed in block.seeds:
            (folder / f"seed{seed}.safetensors").write_bytes(bytes([seed]))
    (root / "data/ids/toy").mkdir(parents=True)
    for part in ("train", "valid"):
        np.save(root / f"data/ids/toy/{part}.npy", np.arange(50))
    (root / ".mlflow").mkdir()
    shutil.copy(fresh_store, root / ".mlflow/mlflow.db")
    return root


def client(project: Path) -> Any:
    from recurrence.tracking import store
    from recurrence.tracking.place import place

    return store.client(place(project / ".mlflow"))


def experiment(project: Path) -> str:
    return str(client(project).get_experiment_by_name("toy").experiment_id)


def runs(project: Path, **query: Any) -> list[Any]:
    return list(client(project).search_runs([experiment(project)], **query))


def deleted(project: Path) -> list[Any]:
    return runs(project, run_view_type=2)  # ViewType.DELETED_ONLY


def of_state(project: Path, state: str) -> list[Any]:
    return runs(project, filter_string=f"tags.`recurrence.state` = '{state}'")


def names(project: Path, **query: Any) -> list[str]:
    return [run.info.run_name for run in runs(project, **query)]


def ids(project: Path) -> dict[str, str]:
    return {run.info.run_name: run.info.run_id for run in runs(project)}


def edit_scores(name: str, nats: float) -> None:
    """As if the model had been trained anew."""
    from recurrence import paths

    path = paths.scores("toy", name)
    tree = json.loads(path.read_text(encoding="utf-8"))
    tree["exact"]["nats"] = nats
    path.write_text(json.dumps(tree), encoding="utf-8")


def logged_models(project: Path) -> dict[str, Any]:
    return {
        model.name: model for model in client(project).search_logged_models([experiment(project)])
    }


def contents_of(project: Path) -> dict[str, Any]:
    """Everything that the runs hold but the ids that MLflow draws."""
    held, by_id, mlflow = (
        {},
        {run_id: name for name, run_id in ids(project).items()},
        client(project),
    )
    for run in runs(project):
        info, tags = run.info, dict(run.data.tags)
        if parent := tags.get("mlflow.parentRunId"):
            tags["mlflow.parentRunId"] = by_id[parent]
        points = {
            m: [(p.value, p.timestamp, p.step) for p in mlflow.get_metric_history(info.run_id, m)]
            for m in run.data.metrics
        }
        texts = {a.path: a.file_size for a in mlflow.list_artifacts(info.run_id)}
        data = [
            (each.dataset.name, each.dataset.digest, each.dataset.profile)
            for each in run.inputs.dataset_inputs
        ]
        held[info.run_name] = (
            info.status,
            info.start_time,
            info.end_time,
            run.data.params,
            tags,
            points,
            texts,
            data,
        )
    return held
