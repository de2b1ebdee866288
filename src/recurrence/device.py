"""Which machine does the work: CUDA where there is one, else CPU; says so, and never falls back silently when told."""

import os
import platform
from pathlib import Path

import torch

from recurrence.console import say
from recurrence.errors import RecurrenceError
from recurrence.params import Compute

SMALL = 128
"""Hidden units up to which a step is too short to share: threads would wait for each other longer than they work."""


def choose(compute: Compute, hidden: int | None = None) -> torch.device:
    """The device for `compute.device`; sets the number of threads, fewer for a small net, and prints what it runs on.

    RECURRENCE_DEVICE overrides params.yaml. Raises RecurrenceError where CUDA is demanded and absent.
    """
    wanted = os.environ.get("RECURRENCE_DEVICE", compute.device)
    if wanted not in ("auto", "cpu", "cuda"):
        raise RecurrenceError(f"RECURRENCE_DEVICE: must be auto, cpu or cuda, got {wanted!r}")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise RecurrenceError(
            "compute.device: cuda is demanded, but torch finds no CUDA device here; "
            "use auto or cpu (params.yaml, or RECURRENCE_DEVICE=cpu)"
        )
    if compute.threads is not None:
        torch.set_num_threads(compute.threads)
    elif hidden is not None and hidden <= SMALL:
        torch.set_num_threads(1)
    device = torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")
    say(f"running on {describe(device)}")
    return device


def spare_cores(device: torch.device, compute: Compute) -> int:
    """How many small nets can train side by side, each in a process with one thread; 0 where that is no gain."""
    cores = compute.threads or os.cpu_count() or 1
    return cores if device.type == "cpu" and torch.get_num_threads() == 1 < cores and hasattr(os, "fork") else 0


def describe(device: torch.device) -> str:
    """The device in words, as reports print it."""
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    return f"cpu: {_processor()}, {torch.get_num_threads()} thread(s)"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
