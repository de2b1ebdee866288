"""Which machine does the work, and with how many bits: CUDA where there is one, else CPU.

Says what it chose, and never falls back silently when told. What it sets, it sets for the process.
"""

import os
import platform
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import torch

from recurrence import graphs
from recurrence.console import say
from recurrence.errors import RecurrenceError
from recurrence.params import Compute

SMALL = 128
"""Hidden units up to which a step is too short to share: threads would wait for each other longer than they work."""

COPIED = "RNN module weights are not part of single contiguous chunk of memory"
"""What torch says on a GPU of layers run one by one, or with a dropped matrix: there is no other way."""


def choose(compute: Compute, hidden: int | None = None) -> torch.device:
    """The device for `compute.device`; sets the number of threads, one for a small net or none, and says what it is.

    Full float32 everywhere: what `training` may lower, it lowers for its own block. RECURRENCE_DEVICE overrides
    params.yaml. Raises RecurrenceError where CUDA is demanded and absent.
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
    elif (hidden or 0) <= SMALL:
        torch.set_num_threads(1)
    graphs.allow(compute.cuda_graphs)
    _allow_tf32(False)
    device = torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")
    say(f"running on {describe(device)}")
    return device


@contextmanager
def training(where: torch.device, compute: Compute) -> Iterator[None]:
    """Training within this block computes as `compute` says: its precision, and repeatably if it must.

    Raises RecurrenceError for a precision that the device does not have.
    """
    _check_precision(where, compute)
    bf16 = compute.precision == "bf16"
    repeatable = compute.deterministic and where.type == "cuda"
    _allow_tf32(compute.precision == "tf32")
    if repeatable:
        _make_repeatable(True)
    try:
        # Without autocast's cache: it would keep the weights as they were when the block began.
        low = (
            torch.autocast(where.type, torch.bfloat16, cache_enabled=False)
            if bf16
            else nullcontext()
        )
        with low, warnings.catch_warnings():
            warnings.filterwarnings("ignore", COPIED)
            yield
    finally:
        _allow_tf32(False)
        if repeatable:
            _make_repeatable(False)


def _check_precision(where: torch.device, compute: Compute) -> None:
    if where.type == "cuda" or compute.precision == "float32":
        return
    if compute.precision == "tf32":
        raise RecurrenceError(
            "compute.precision: tf32 is a GPU's; on a CPU it must be float32 or bf16"
        )
    if not torch.cpu._is_amx_tile_supported():
        raise RecurrenceError(
            "compute.precision: bf16 on a CPU needs AMX, which this one has not: there it would be slower; use float32"
        )


def _allow_tf32(allowed: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed  # on unless it is turned off, and LSTMs are cuDNN's


def _make_repeatable(on: bool) -> None:
    """Only kernels that give the same bytes each time; an error for what has none."""
    if on:  # one workspace of one size per stream: cuDNN's layers and torch ask for just this; read at first use
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":16:8"
    torch.use_deterministic_algorithms(on)
    torch.utils.deterministic.fill_uninitialized_memory = not on  # type: ignore[attr-defined]  # only finds bugs
    torch.backends.cudnn.deterministic = on


def spare_cores(device: torch.device, compute: Compute) -> int:
    """How many small nets can train side by side, each in a process with one thread; 0 where that is no gain."""
    cores = compute.threads or os.cpu_count() or 1
    return (
        cores
        if device.type == "cpu" and torch.get_num_threads() == 1 < cores and hasattr(os, "fork")
        else 0
    )


def describe(device: torch.device, compute: Compute | None = None) -> str:
    """The device in words, as reports print it, and what about `compute` makes a training's results differ."""
    if device.type == "cuda":
        words = [f"cuda: {torch.cuda.get_device_name(device)}"]
    else:
        words = [f"cpu: {_processor()}", f"{torch.get_num_threads()} thread(s)"]
    if compute and compute.precision != "float32":
        words.append(compute.precision)
    if compute and compute.deterministic:
        words.append("deterministic")
    return ", ".join(words)


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
