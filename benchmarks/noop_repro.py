"""How long `dvc repro` takes with nothing to do, against a pipeline of the same graph whose commands are empty.

The peer has the stages, dependencies and outputs of dvc.lock, each file a few bytes. Both are up to date before the
clock starts; rounds are interleaved, and the ratio of the best rounds is printed. Run the pipeline first: `make repro`.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROUNDS = 3
ROOT = Path(__file__).parents[1]
DVC = [str(Path(sys.executable).parent / "dvc")]


def empty_pipeline(lock: dict[str, dict[str, object]], folder: Path) -> None:
    """Write the peer: commands that only make their outputs, and one-word files for what no stage makes."""
    made = {out["path"] for stage in lock.values() for out in stage.get("outs", [])}  # type: ignore[attr-defined]
    stages: dict[str, dict[str, object]] = {}
    for number, stage in enumerate(lock.values()):
        deps = [dep["path"] for dep in stage.get("deps", [])]  # type: ignore[attr-defined]
        outs = [out["path"] for out in stage.get("outs", [])]  # type: ignore[attr-defined]
        for dep in deps:
            if dep not in made and not any(path.startswith(f"{dep}/") for path in made):
                (folder / dep).parent.mkdir(parents=True, exist_ok=True)
                (folder / dep).write_text(dep)
        make = " && ".join(f"mkdir -p $(dirname {out}) && echo {number} > {out}" for out in outs)
        stages[f"stage{number}"] = {"cmd": make, "deps": deps, "outs": outs}
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))


def timed(folder: Path) -> float:
    """Seconds of one `dvc repro` that must find nothing to do."""
    started = time.perf_counter()
    done = subprocess.run([*DVC, "repro"], cwd=folder, capture_output=True, text=True, check=True)
    took = time.perf_counter() - started
    if "Running stage" in done.stdout:
        sys.exit(f"{folder}: the pipeline was not up to date; run `make repro` first")
    return took


def main() -> None:
    lock = yaml.safe_load((ROOT / "dvc.lock").read_text())["stages"]
    with tempfile.TemporaryDirectory() as name:
        peer = Path(name)
        subprocess.run([*DVC, "init", "--no-scm", "--quiet"], cwd=peer, check=True)
        empty_pipeline(lock, peer)
        subprocess.run([*DVC, "repro", "--quiet"], cwd=peer, check=True)
        rounds = [(timed(ROOT), timed(peer)) for _ in range(ROUNDS)]
    ours, theirs = (min(column) for column in zip(*rounds, strict=True))
    print(f"{len(lock)} stages, best of {ROUNDS} interleaved rounds")
    print(f"no-op dvc repro   {ours:6.2f} s")
    print(f"empty pipeline    {theirs:6.2f} s")
    print(f"ratio             {ours / theirs:6.2f}")


if __name__ == "__main__":
    main()
