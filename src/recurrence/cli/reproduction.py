"""`recurrence repro`: what is known of the stages, the run, and at its end what became of them and
how to mend it.
"""

import os
import signal
import sys
import time
from datetime import timedelta
from functools import cache, partial
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING

from recurrence import machine, numerics, params, paths
from recurrence.console import KEPT
from recurrence.errors import RecurrenceError, command
from recurrence.escaping import escaped

if TYPE_CHECKING:
    from recurrence.repro.executor import MakeExecutor
    from recurrence.repro.progress import Log

NAMES_SHOWN = 8
PER_GPU = 4
"""Stages that share a GPU: each alone leaves it idle for much of the time, and each takes memory
for itself.
"""
COST = {
    "train": 60.0,
    "generate": 30.0,
    "calibrate": 10.0,
    "report": 10.0,
    "track": 10.0,
}
"""Seconds, roughly, where no run has left its time in reports/<corpus>/machine.csv."""


def run(
    targets: list[str],
    jobs: int | None = None,
    wait_s: float | None = None,
    machines: str = "here",
) -> int:
    """Reproduce the targets (none: everything), print the summary, and return the exit code.

    255 as dvc's where a stage failed, 128 and the signal's number where one stopped it.
    """
    try:
        from recurrence.repro.scheduler import Known, Limits, Scheduler
    except ImportError as error:
        raise RecurrenceError(
            "dvc is not installed; pip install 'recurrence-lab[lab]' (make run does)"
        ) from error
    os.chdir(paths.root())
    here = str(Path(sys.executable).parent)  # dvc.yaml says `python`, and means this one
    os.environ["PATH"] = os.pathsep.join((here, os.environ.get("PATH", "")))
    jobs = jobs or numerics.cores()
    started = time.monotonic()
    limits = Limits(jobs) if wait_s is None else Limits(jobs, wait_s)
    is_here = machines == "here"
    known = Known(
        cost=cost,
        cores=partial(cores, jobs=jobs),
        gpus=gpus_for if is_here else lambda name: (),
        may_use_gpu=lambda name: name.partition("@")[0] in numerics.WITH_NETS,
    )
    given = (paths.root(), targets, limits, known)
    scheduler = Scheduler(*given) if is_here else Scheduler(*given, _on_ray(machines))
    scheduler.run()
    print(escaped("\n".join(summary(scheduler.progress)), KEPT))
    print(f"in {timedelta(seconds=round(time.monotonic() - started))}")
    if scheduler.signal:
        print(
            f"stopped by {signal.Signals(scheduler.signal).name}; the same command goes on from "
            f"here"
        )
        return 128 + scheduler.signal
    return 255 if scheduler.progress.why else 0


def _on_ray(machines: str) -> "MakeExecutor":
    """The executor that `--on ray`, `--on ray://HOST:PORT` or `--on ray:ADDRESS` names."""
    head, _, rest = machines.partition(":")
    if head != "ray":
        raise RecurrenceError(
            f"--on {machines}: must be here, ray, ray://HOST:PORT (Ray's client) or ray:ADDRESS"
        )
    try:
        from recurrence.repro.on_ray.cluster import executor
    except ImportError as error:
        raise RecurrenceError(
            f"--on {machines}: Ray is not installed; pip install 'recurrence-lab[ray]'"
        ) from error
    address = machines if rest.startswith("//") else rest or None
    return partial(executor, address=address, gpu_share=1 / PER_GPU)


def summary(log: "Log") -> list[str]:
    """The lines of the summary."""
    stages: dict[str, list[str]] = {}
    for name, how in log.how.items():
        stages.setdefault(how, []).append(name)
    lines = [""]
    for heading in ("ran", "restored", "up to date", "left out", "stopped", "failed"):
        names = stages.get(heading, [])
        shown = (
            ", ".join(names)
            if len(names) <= NAMES_SHOWN and heading not in ("up to date", "failed")
            else ""
        )
        if names or heading != "stopped":
            lines.append(f"{heading:<11}{len(names):>4}  {shown}".rstrip())
    failed = stages.get("failed", [])
    lines += [f"  {name}: {log.why[name]}" for name in failed]
    if failed:
        lines.append(
            f"Mend that, then: {command('recurrence', 'repro', *failed)} (or everything: make "
            f"repro)"
        )
    return lines


@cache
def cost(name: str) -> float:
    """Seconds that a stage takes, roughly: what its last run took, or a guess."""
    stage, _, key = name.partition("@")
    known = machine.seconds(key.partition("-")[0], stage, key)
    return COST.get(stage, 1.0) if known is None else known


def cores(name: str, jobs: int) -> int:
    """How many of the jobs a stage stands for: as many as it computes with threads, or its part of
    a GPU.

    In fast numerics each computes with as many threads as it would alone, since the last digits of
    a large net depend on their number; so such a stage has the cores to itself. In portable
    numerics a net computes on one core.
    """
    stage, _, key = name.partition("@")
    if stage not in numerics.WITH_NETS:
        return 1
    if count := len(gpus()):
        return max(1, jobs // (PER_GPU * count))
    from recurrence.device import SMALL

    if numerics.of_model(key) == "portable":
        return 1
    loaded = params.load()
    block = loaded.models[key]
    return loaded.compute.threads or jobs if (block.hidden or 0) > SMALL else 1


def gpus_for(name: str) -> list[str]:
    """The GPUs of which a stage may have one."""
    return gpus() if name.partition("@")[0] in numerics.WITH_NETS else []


@cache
def gpus() -> list[str]:
    """The CUDA devices that stages may use, as CUDA_VISIBLE_DEVICES names them."""
    if (
        not glob("/dev/nvidia[0-9]*")
        or os.environ.get("RECURRENCE_DEVICE", params.load().compute.device) == "cpu"
    ):
        return []
    import torch

    count = torch.cuda.device_count()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES") or ",".join(map(str, range(count)))
    return visible.split(",")[:count]
