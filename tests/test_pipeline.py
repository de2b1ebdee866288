"""The pipeline end to end, in a clone of the last commit with params made small.

What a person does, and what CI must know of it. The tests go in order, each from the state that the
one before left: everything up to date.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]

ROOT = Path(__file__).parents[1]
MIRROR = ROOT.parent / "shared/corpora"
MODELS = (
    "human_numbers-lm2",
    "human_numbers-lm6",
    "human_numbers-kneser_ney",
    "nietzsche-rnn",
    "nietzsche-kneser_ney",
)
CORPORA = ("human_numbers", "nietzsche")
# reference model and amateur; lm2 is nobody's, so that a change of it touches no other model
PEERS = {
    "human_numbers-lm2": ("lm6", "kneser_ney"),
    "human_numbers-lm6": ("kneser_ney", "kneser_ney"),
    "human_numbers-kneser_ney": ("lm6", "lm6"),
    "nietzsche-rnn": ("kneser_ney", "kneser_ney"),
    "nietzsche-kneser_ney": ("rnn", "rnn"),
}
BY_MODEL = ("train", "evaluate", "generate", "detect_loops")
BY_CORPUS = (
    "download",
    "split",
    "build_vocab",
    "numericalize",
    "calibrate",
    "report",
    "track",
)
ALL = {f"{s}@{m}" for s in BY_MODEL for m in MODELS} | {
    f"{s}@{c}" for s in BY_CORPUS for c in CORPORA
}
DIGEST = {"digest@code"}


def shrunk(tree: dict[str, Any]) -> dict[str, Any]:
    """params.yaml with few models, one epoch per phase, one seed (lm6: two), little text and short
    samples.
    """
    tree["corpora"] = {name: tree["corpora"][name] for name in CORPORA}
    tree["models"] = {name: tree["models"][name] for name in MODELS}
    tree["corpora"]["nietzsche"]["sample"] = {"train_lines": 400, "valid_lines": 120}
    tree["sampling"] = {
        key: tree["sampling"][key] | {"reference": reference, "amateur": amateur}
        for key, (reference, amateur) in PEERS.items()
    }
    tree["protocol"] = {
        "size": "tiny",
        "reference": tree["protocol"]["reference"],
        "bound": tree["protocol"]["bound"],
        "tiny": {"pairs": 2, "seeds": [0], "candidates": 1, "card_trials": 1},
    }
    for corpus in tree["corpora"].values():
        corpus["prompts"] |= {"length": 200, "long_length": 300}
    for name, model in tree["models"].items():
        model["seeds"] = [0, 1] if name == "human_numbers-lm6" else [0]
    for recipe in tree["recipes"].values():
        for phase in recipe.get("phases", ()):
            phase["epochs"] = 1
    tree["loops"]["human_windows"] = 20
    return tree


@dataclass(frozen=True)
class Clone:
    """A clone of the project with the environment its commands run in."""

    root: Path
    env: dict[str, str]

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.root, env=self.env, capture_output=True, text=True, timeout=1100
        )

    def repro(self, *targets: str, code: int = 0) -> set[str]:
        """`recurrence repro`; which stages ran, but for the look at the store, which always
        does.
        """
        done = self.run("recurrence", "repro", *targets)
        assert done.returncode == code, done.stdout + done.stderr
        ran = set(re.findall(r"^(\S+@\S+): started$", done.stderr, re.M))
        return {stage for stage in ran if not stage.startswith("check_store@")}

    def change_params(self, change: Any) -> None:
        path = self.root / "params.yaml"
        tree = yaml.safe_load(path.read_text(encoding="utf-8"))
        change(tree)
        path.write_text(yaml.safe_dump(tree, sort_keys=False, allow_unicode=True), encoding="utf-8")

    def outputs(self) -> dict[str, str]:
        """The digest of every result: without the tracking store, and what runs took here."""
        folders = [self.root / "data", self.root / "reports"]
        files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        return {
            str(path.relative_to(self.root)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
            if path.name != "machine.csv"
        }


def clone_into(folder: Path) -> Clone:
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    dropped = ("RECURRENCE_ROOT", "MLFLOW_TRACKING_URI")
    env = {name: value for name, value in os.environ.items() if name not in dropped}
    env["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), env["PATH"]))
    env |= {"PYTHONPATH": str(folder / "src"), "RECURRENCE_DEVICE": "cpu"}
    if MIRROR.is_dir():
        env.setdefault("RECURRENCE_MIRROR", str(MIRROR))
    return Clone(folder, env)


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    made = clone_into(tmp_path_factory.mktemp("pipeline") / "clone")
    (made.root / "dvc.lock").unlink(missing_ok=True)  # it tells of other params
    shutil.rmtree(made.root / "reports", ignore_errors=True)
    made.change_params(shrunk)
    yield made
    shutil.rmtree(made.root)


def test_the_first_repro_runs_everything(clone: Clone) -> None:
    assert clone.repro() == DIGEST | ALL


@pytest.mark.parametrize("corpus", CORPORA)
def test_a_report_is_left_to_read(clone: Clone, corpus: str) -> None:
    folder = clone.root / "reports" / corpus
    models = pd.read_csv(folder / "models.csv")
    decoding = pd.read_csv(folder / "decoding.csv")
    names = [name.removeprefix(f"{corpus}-") for name in MODELS if name.startswith(f"{corpus}-")]
    strategies = list(
        yaml.safe_load((clone.root / "params.yaml").read_text(encoding="utf-8"))["strategies"]
    )
    assert sorted(models["model"]) == sorted(names)
    assert set(decoding["strategy"]) >= set(strategies)
    for name in names:
        assert name in (folder / "summary.md").read_text(encoding="utf-8")
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert not re.findall(r'(?:src|<(?!a )\w+[^>]* href)="https?://', page)  # a link is no request


def test_a_second_repro_runs_nothing(clone: Clone) -> None:
    assert clone.repro() == set()


def test_deleted_outputs_and_lock_are_restored_without_computing(clone: Clone) -> None:
    before = clone.outputs()
    for folder in (clone.root / "data").iterdir():
        if folder.is_dir():
            shutil.rmtree(folder)
    shutil.rmtree(clone.root / "reports")
    (clone.root / "dvc.lock").unlink()
    ran = clone.repro()
    assert {stage.split("@")[0] for stage in ran} <= {"digest", "report", "track"}
    assert clone.outputs() == before


def test_a_deleted_store_is_filled_with_the_same_runs(clone: Clone) -> None:
    before = runs_in(clone)
    shutil.rmtree(clone.root / ".mlflow")
    assert clone.repro() == {f"track@{corpus}" for corpus in CORPORA}
    assert runs_in(clone) == before
    assert len(before) > len(MODELS)


def runs_in(clone: Clone) -> list[tuple[Any, ...]]:
    """Every run of the store as values, without the ids that MLflow draws."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{clone.root}/.mlflow/mlflow.db")
    found = []
    for experiment in client.search_experiments():
        for run in client.search_runs([experiment.experiment_id], max_results=1000):
            tags = {
                name: value
                for name, value in run.data.tags.items()
                if not name.startswith("mlflow.")
            }
            times = (run.info.start_time, run.info.end_time, run.info.status)
            values = (
                sorted(run.data.params.items()),
                sorted(run.data.metrics.items()),
                sorted(tags.items()),
            )
            found.append((experiment.name, run.info.run_name, *times, *values))
    return sorted(found)


def test_one_changed_param_runs_only_its_stages(clone: Clone) -> None:
    def faster(tree: dict[str, Any]) -> None:
        tree["recipes"]["lm_rows"]["phases"][0]["schedule"]["lr"] = 2.0e-3

    clone.change_params(faster)
    own = {f"{stage}@human_numbers-lm2" for stage in BY_MODEL}
    assert clone.repro() == DIGEST | own | {"report@human_numbers", "track@human_numbers"}


def test_a_corpus_that_cannot_be_had_stops_only_itself(clone: Clone) -> None:
    def with_another(tree: dict[str, Any]) -> None:
        source = {"kind": "text", "addresses": ["texts/nowhere.txt"]}
        like = deepcopy(tree["corpora"]["nietzsche"])  # what is written has no aliases
        tree["corpora"]["lost"] = like | {"source": source}
        tree["models"]["human_numbers-unigram"] = {
            "corpus": "human_numbers",
            "name": "unigram",
            "core": "unigram",
            "recipe": "counted",
        }

    clone.change_params(with_another)
    ran = clone.repro(code=255)
    assert {"download@lost", "train@human_numbers-unigram", "report@human_numbers"} <= ran
    assert {stage for stage in ran if stage.endswith("@lost")} == {"download@lost"}


def test_the_lock_is_honest(tmp_path: Path) -> None:
    """dvc.lock tells of this dvc.yaml and params.yaml: what it names has nothing left to run in a
    clean clone.
    """
    clean = clone_into(tmp_path / "clean")
    lock = yaml.safe_load((clean.root / "dvc.lock").read_text(encoding="utf-8"))
    targets = [name for name in lock["stages"] if name.startswith(("report@", "track@"))]
    assert targets
    dry = clean.run("dvc", "repro", "--dry", "--allow-missing", *targets)
    assert dry.returncode == 0, dry.stdout + dry.stderr
    assert not re.findall(r"^Running stage '(?!check_store@).*", dry.stdout, re.M)
