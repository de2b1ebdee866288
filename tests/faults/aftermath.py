"""What kills left behind: locks of the dead, and whatever differs from a run that nobody
disturbed.
"""

import json
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

from faults.small_pipeline import Pipeline
from recurrence import integrity, locks
from recurrence.tracking.history import families
from recurrence.tracking.tags import NAME, STATE, SUPERSEDED


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
    names, states, _ = held(store(found), "mine")
    if names != held(store(expected), "mine")[0]:
        lost.append(f"MLflow holds {names}")
    if states["RUNNING"]:
        lost.append(f"MLflow's runs are {states}")
    return lost


def store(pipeline: Pipeline) -> str:
    return f"sqlite:///{pipeline.root}/.mlflow/mlflow.db"


def held(uri: str, experiment: str) -> tuple[Counter[str], Counter[str], list[list[str]]]:
    """Names of MLflow's current runs and of their logged models; the states of all runs, the
    deleted ones too; and of each model's superseded runs the names, its own first (they stay, and
    are no doubles).
    """
    from mlflow import MlflowClient

    client = MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    if not found:
        return Counter(), Counter(), []
    everything = list(
        client.search_runs([found.experiment_id], run_view_type=3, max_results=10_000)
    )  # ViewType.ALL
    runs = [run for run in everything if run.info.lifecycle_stage == "active"]
    over = [run for run in runs if run.data.tags.get(STATE) == SUPERSEDED]
    current = {run.info.run_id: run.info.run_name for run in runs if run not in over}
    names = Counter(current.values())
    for model in client.search_logged_models([found.experiment_id], max_results=10_000):
        names.update([f"model {model.name}"] if model.source_run_id in current else [])
    superseded = [[run.data.tags[NAME] for run in family] for family in families(over).values()]
    return names, Counter(run.info.status for run in everything), superseded
