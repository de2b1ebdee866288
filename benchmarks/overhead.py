"""Where the time of a run goes that is not computing: human numbers from nothing, in a clone of the
last commit.

    python benchmarks/overhead.py [--jobs 2] [TARGET ...]

With J jobs a run of W seconds has J * W seconds to spend; the table says on what: the stages' own
computing (between the call of a stage's `main` and its return), starting its process (imports too,
and its end), dvc (looking, saving, caching, recording), and waiting for a stage that others need.
Takes minutes, so `make bench` leaves it out.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
TARGETS = ["report@human_numbers", "track@human_numbers"]
LARGEST = 8

RUN = """
import json, os, sys, time
from recurrence.cli import reproduction
from recurrence.repro.commands import Commands
from recurrence.repro.scheduler import Scheduler

def timed(owner, name, kind):
    whole = getattr(owner, name)
    def wrapper(self, stage, *words):
        began = time.time()
        try:
            return whole(self, stage, *words)
        finally:
            with open(os.environ["TIMES"], "a") as file:
                print(json.dumps([kind, stage, began, time.time()]), file=file)
    setattr(owner, name, wrapper)

timed(Commands, "run", "process")
timed(Scheduler, "_work", "stage")
sys.exit(reproduction.run(sys.argv[2:], int(sys.argv[1])))
"""
IN_STAGES = """

def run(stage: Callable[[str], None], whole: Callable[[Callable[[str], None]], None] = run) -> None:
    import json
    import time

    def timed(key: str) -> None:
        began = time.time()
        stage(key)
        with open(os.environ["TIMES"], "a") as file:
            print(json.dumps(["computing", os.environ["DVC_STAGE"], began, time.time()]), file=file)

    timed.__module__ = stage.__module__
    whole(timed)
"""
"""Goes into the clone's stages/__init__.py, which no stage depends on."""

Span = tuple[float, float]


def measure(jobs: int, targets: Sequence[str]) -> tuple[float, dict[str, dict[str, Span]]]:
    """Seconds of the run, and when each stage was at work, by kind and name."""
    with tempfile.TemporaryDirectory() as folder:
        clone, times = Path(folder) / "clone", Path(folder) / "times"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        with (clone / "src/recurrence/stages/__init__.py").open("a", encoding="utf-8") as file:
            file.write(IN_STAGES)
        env = os.environ | {
            "RECURRENCE_ROOT": str(clone),
            "PYTHONPATH": str(clone / "src"),
            "TIMES": str(times),
        }
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", RUN, str(jobs), *targets], cwd=clone, env=env, check=True
        )
        wall = time.perf_counter() - started
        spans: dict[str, dict[str, Span]] = defaultdict(dict)
        for line in times.read_text().splitlines():
            kind, name, begin, end = json.loads(line)
            spans[kind][name] = begin, end
    return wall, spans


def covered(spans: Sequence[Span]) -> float:
    """Seconds in which at least one of them lies."""
    total, until = 0.0, 0.0
    for begin, end in sorted(spans):
        total += max(0.0, end - max(begin, until))
        until = max(until, end)
    return total


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("targets", nargs="*", default=TARGETS, metavar="TARGET")
    parser.add_argument("--jobs", type=int, default=2)
    asked = parser.parse_args()
    wall, spans = measure(asked.jobs, asked.targets)
    sums = {kind: sum(end - begin for begin, end in of.values()) for kind, of in spans.items()}
    rows = {
        "the stages' own computing": sums["computing"],
        "processes: start, imports, end": sums["process"] - sums["computing"],
        "dvc: look, save, cache, record": sums["stage"] - sums["process"],
        "no stage at work: start, end, waiting": asked.jobs * wall - sums["stage"],
    }
    print(
        f"\n{wall:.1f} s for {len(spans['stage'])} stages, {asked.jobs} at a time; of "
        f"{asked.jobs} x {wall:.1f} s:"
    )
    for name, seconds in rows.items():
        print(f"{name:<40}{seconds:>8.1f} s{seconds / (asked.jobs * wall):>7.1%}")
    print(
        f"overhead: {wall - sums['computing'] / asked.jobs:.1f} s (wall time less computing / "
        f"{asked.jobs})"
    )
    idle = wall - covered(list(spans["computing"].values()))
    print(f"          {idle:.1f} s in which no stage computes")
    lengths = {
        kind: {name: end - begin for name, (begin, end) in of.items()} for kind, of in spans.items()
    }
    in_dvc = {
        name: length - lengths["process"].get(name, 0.0)
        for name, length in lengths["stage"].items()
    }
    for title, of in (("computing", lengths["computing"]), ("in dvc", in_dvc)):
        longest = sorted(of, key=lambda name: -of[name])[:LARGEST]
        print(f"longest {title}: " + ", ".join(f"{name} {of[name]:.1f} s" for name in longest))


if __name__ == "__main__":
    main()
