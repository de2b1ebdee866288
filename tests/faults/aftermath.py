"""What kills left behind: locks of the dead, and whatever differs from a run that nobody disturbed."""

import json
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

from faults.small_pipeline import Pipeline
from recurrence import integrity, locks


def stale_locks(root: Path) -> list[str]:
    """What the dead still hold, by name: dvc's list of readers and writers, the locks of stages."""
    found = []
    with suppress(OSError, ValueError):
        held = json.loads((root / ".dvc/tmp/rwlock").read_text(encoding="utf-8"))
        found += [path for kind in ("read", "write") for path in held.get(kind, ())]
    for path in root.glob(".recurrence/locks/*"):
        holder = locks.read(path)
        found += [str(path)] if holder and not holder.lives else []
    return found


def differences(expected: Pipeline, found: Pipeline) -> list[str]:
    """What differs from the undisturbed run, once the reports are made anew."""
    lost = [
        f"half-written: {path}"
        for path in found.root.rglob("*.partial")
        if ".checkpoints" not in path.parts
    ]
    lost += [
        f"not what dvc.lock says: {path}" for _, path, _ in integrity.changed_outputs(found.root)
    ]
    found.run(sys.executable, "-m", "recurrence.stages", "report", "mine")
    ours, theirs = found.outputs(), expected.outputs()
    lost += [
        f"differs: {name}"
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name)
    ]
    names, states = runs(found.root)
    if names != runs(expected.root)[0]:
        lost.append(f"MLflow holds {names}")
    if states["RUNNING"]:
        lost.append(f"MLflow's runs are {states}")
    return lost


def runs(root: Path) -> tuple[Counter[str], Counter[str]]:
    """Names of MLflow's runs and models, and the states of all runs, the deleted ones too."""
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{root}/.mlflow/mlflow.db")
    experiment = client.get_experiment_by_name("mine").experiment_id
    found = list(
        client.search_runs([experiment], run_view_type=3, max_results=10_000)
    )  # ViewType.ALL
    names = Counter(run.info.run_name for run in found if run.info.lifecycle_stage == "active")
    names.update(f"model {model.name}" for model in client.search_logged_models([experiment]))
    return names, Counter(run.info.status for run in found)
