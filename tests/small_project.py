"""Fixtures shared by folders of tests."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml


@pytest.fixture(scope="session")
def fresh_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database, made once: making one takes seconds, copying it none."""
    from recurrence.tracking import store

    home = tmp_path_factory.mktemp("mlflow")
    store.client(store.Place(store.default_uri(home), home / "artifacts"), home)
    return store.database(home)


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh_store: Path) -> Path:
    """A project folder with the results of four models on the corpus `toy`, and an empty MLflow store."""
    from reporting import results_tree

    from recurrence import params

    monkeypatch.setenv("RECURRENCE_ROOT", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    results_tree.build(tmp_path)
    tree = yaml.safe_load((tmp_path / "params.yaml").read_text(encoding="utf-8"))
    tree["strategies"]["multinomial"] = {"pick": "sample", "filters": [{"top_k": 5}]}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    for block in params.load().models.values():
        folder = tmp_path / f"data/models/toy/{block.name}"
        config = {"model": block.model_dump(mode="json"), "vocab_size": 13}
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        for seed in block.seeds:
            (folder / f"seed{seed}.safetensors").write_bytes(bytes([seed]))
    (tmp_path / "data/ids/toy").mkdir(parents=True)
    for part in ("train", "valid"):
        np.save(tmp_path / f"data/ids/toy/{part}.npy", np.arange(50))
    (tmp_path / ".mlflow").mkdir()
    shutil.copy(fresh_store, tmp_path / ".mlflow/mlflow.db")
    return tmp_path
