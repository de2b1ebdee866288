"""How long a run takes that finds nothing to do, against pipelines whose commands are empty.

Two peers: `same` has this dvc.yaml and params.yaml, code files and all, and each stage only writes
a few bytes to its outputs; `bare` has the stages, dependencies and outputs of dvc.lock, and neither
params nor code. All are up to date before the clock starts; rounds are interleaved, and the best of
each is printed, for `dvc repro` and for `recurrence repro`. Run the pipeline first: `make repro`.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

ROUNDS = 3
ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
COMMANDS = {
    "dvc repro": [str(BIN / "dvc"), "repro"],
    "recurrence repro": [str(BIN / "recurrence"), "repro"],
}
FEW_BYTES = '{"train_seconds": 1}'
"""What each output holds; it passes for wall times, which `recurrence repro` looks at."""


def same_pipeline(folder: Path) -> None:
    """Write the peer that differs from this project in its commands only."""
    shutil.copytree(
        ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info")
    )
    for name in ("params.yaml", ".dvcignore"):
        shutil.copy(ROOT / name, folder)
    tree = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
    for stage in tree["stages"].values():
        outs = [next(iter(out)) if isinstance(out, dict) else out for out in stage["do"]["outs"]]
        stage["do"]["cmd"] = writing(outs)
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": tree["stages"]}), encoding="utf-8")


def bare_pipeline(folder: Path) -> None:
    """Write the peer that has the graph only; a word stands in each file that no stage makes."""
    lock = yaml.safe_load((ROOT / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    made = {out["path"] for stage in lock.values() for out in stage.get("outs", [])}
    needed = {dep["path"] for stage in lock.values() for dep in stage.get("deps", [])}
    for dep in sorted(
        needed, key=lambda path: -path.count("/")
    ):  # what lies in a folder before the folder
        if (
            dep not in made
            and not any(path.startswith(f"{dep}/") for path in made)
            and not (folder / dep).exists()
        ):
            (folder / dep).parent.mkdir(parents=True, exist_ok=True)
            (folder / dep).write_text(dep)
    stages: dict[str, dict[str, Any]] = {}
    for number, stage in enumerate(lock.values()):
        deps = [dep["path"] for dep in stage.get("deps", [])]
        outs = [out["path"] for out in stage.get("outs", [])]
        stages[f"stage{number}"] = {"cmd": writing(outs), "deps": deps, "outs": outs}
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}), encoding="utf-8")
    shutil.copy(
        ROOT / "params.yaml", folder
    )  # no stage looks at it, but `recurrence repro` checks it first


def writing(outs: list[str]) -> str:
    return " && ".join(f"mkdir -p $(dirname {out}) && echo '{FEW_BYTES}' > {out}" for out in outs)


def brought_up_to_date(folder: Path) -> Path:
    """The peer after its first run: `recurrence repro`, as dvc would take an hour to write its lock
    file so often.
    """
    subprocess.run([BIN / "dvc", "init", "--no-scm", "--quiet"], cwd=folder, check=True)
    code = "from recurrence.cli import reproduction; raise SystemExit(reproduction.run([]))"
    subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        check=True,
    )
    return folder


def environment(folder: Path) -> dict[str, str]:
    return os.environ | {"RECURRENCE_ROOT": str(folder)}


def timed(command: list[str], folder: Path) -> float:
    """Seconds of one run that must find nothing to do."""
    started = time.perf_counter()
    done = subprocess.run(
        command, cwd=folder, env=environment(folder), capture_output=True, text=True, check=True
    )
    took = time.perf_counter() - started
    if "Running stage" in done.stdout or ": started" in done.stderr:
        sys.exit(f"{folder}: the pipeline was not up to date; run `make repro` first")
    return took


def main() -> None:
    best: dict[tuple[str, str], float] = {}
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        same_pipeline(Path(one))
        bare_pipeline(Path(other))
        folders = {
            "this": ROOT,
            "same": brought_up_to_date(Path(one)),
            "bare": brought_up_to_date(Path(other)),
        }
        for _ in range(ROUNDS + 1):  # the first fills caches
            for name, command in COMMANDS.items():
                for pipeline, folder in folders.items():
                    best[name, pipeline] = min(
                        best.get((name, pipeline), 1e9), timed(command, folder)
                    )
    print(f"seconds with nothing to do, best of {ROUNDS + 1} interleaved rounds")
    print(f"{'':<18}{'this':>8}{'same':>8}{'bare':>8}{'this/same':>11}{'this/bare':>11}")
    for name in COMMANDS:
        this, same, bare = (best[name, pipeline] for pipeline in folders)
        print(
            f"{name:<18}{this:>8.2f}{same:>8.2f}{bare:>8.2f}{this / same:>11.2f}{this / bare:>11.2f}"
        )
    this, (same, bare) = (
        best["recurrence repro", "this"],
        (best["dvc repro", peer] for peer in ("same", "bare")),
    )
    print(
        f"recurrence repro here, against dvc repro on the peers: {this / same:.2f} and "
        f"{this / bare:.2f}"
    )


if __name__ == "__main__":
    main()
