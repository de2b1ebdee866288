"""The pipeline of dvc.yaml over a corpus of some kilobytes: all stages, a training of seconds."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from small_project import PARAMS

ROOT = Path(__file__).parents[2]
DROPPED = ("RECURRENCE_ROOT", "RECURRENCE_MIRROR", "RECURRENCE_DEVICE", "MLFLOW_TRACKING_URI")


@dataclass(frozen=True)
class Pipeline:
    """A project folder, and the environment that its commands run in."""

    root: Path
    env: dict[str, str]

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(command, cwd=self.root, env=self.env, capture_output=True, text=True)
        if check and done.returncode:
            raise AssertionError(f"{command}\n{done.stdout}{done.stderr}")
        return done

    def outputs(self) -> dict[str, bytes]:
        """Every result that the stages wrote, from the root: not the tracking store, nor
        machine.csv.
        """
        files = [
            path
            for folder in ("data", "reports")
            for path in (self.root / folder).rglob("*")
            if path.is_file() and path.name != "machine.csv"
        ]
        return {str(path.relative_to(self.root)): path.read_bytes() for path in files}


def build(root: Path, epochs: int = 1, seeds: tuple[int, ...] = (0,)) -> Pipeline:
    """Make the project: today's code and dvc.yaml, small params, a dvc repository without git."""
    root.mkdir(parents=True)
    shutil.copytree(
        ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", ".*")
    )
    shutil.copy(ROOT / ".dvcignore", root)
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    (root / "dvc.yaml").write_text(
        yaml.safe_dump({"stages": stages}, sort_keys=False), encoding="utf-8"
    )
    params = _params(epochs, seeds)
    (root / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
    text = "".join(f"the cat sat on mat {i}, and the dog ate it.\n" for i in range(60))
    (root / "texts").mkdir()
    (root / "texts/mine.txt").write_text(text, encoding="utf-8")
    env = {name: value for name, value in os.environ.items() if name not in DROPPED}
    env |= {"PYTHONPATH": str(root / "src"), "OMP_NUM_THREADS": "1"}
    env["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), env["PATH"]))
    made = Pipeline(root, env)
    made.run("dvc", "init", "--no-scm", "--quiet")
    made.run("dvc", "config", "core.analytics", "false")
    return made


def _params(epochs: int, seeds: tuple[int, ...]) -> dict[str, Any]:
    tree: dict[str, Any] = yaml.safe_load(PARAMS)
    tree["loops"] = {"human_windows": 20}
    tree["models"]["mine-rnn"]["seeds"] = list(seeds)
    tree["recipes"]["short"]["phases"][0]["epochs"] = epochs
    return tree
