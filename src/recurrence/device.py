"""Which device does the work, with how many threads and bits: CUDA where there is one, else CPU.

Says what it chose, and never falls back silently when told. What it sets, it sets for the process.
The facts that come of it go to reports/<corpus>/machine.csv.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch

from recurrence import graphs, known_answer, machine, numerics
from recurrence.console import say
from recurrence.errors import RecurrenceError
from recurrence.params import Compute

SMALL = 128
"""Hidden units up to which a step is too short to share: threads would wait for each other longer
than they work.
"""

COPIED = "RNN module weights are not part of single contiguous chunk of memory"
"""What torch says on a GPU of layers run one by one, or with a dropped matrix: there is no other
way.
"""


def choose(compute: Compute, hidden: int | None = None) -> torch.device:
    """The device for `compute.device`; sets the number of threads, and says what it is.

    One thread for a small net or none, and in portable numerics, where a sum must not depend on how
    many there are. Full float32 everywhere: what `training` may lower, it lowers for its own block.
    RECURRENCE_DEVICE overrides params.yaml. Raises RecurrenceError where CUDA is demanded and
    absent.
    """
    wanted = os.environ.get("RECURRENCE_DEVICE", compute.device)
    if wanted not in ("auto", "cpu", "cuda"):
        raise RecurrenceError(f"RECURRENCE_DEVICE: must be auto, cpu or cuda, got {wanted!r}")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise RecurrenceError(
            "compute.device: cuda is demanded, but torch finds no CUDA device here; "
            "use auto or cpu (params.yaml, or RECURRENCE_DEVICE=cpu)"
        )
    device = torch.device("cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu")
    if device.type == "cpu" and numerics.are_set():
        torch.set_num_threads(1)
    elif compute.threads is not None:
        torch.set_num_threads(compute.threads)
    elif (hidden or 0) <= SMALL:
        torch.set_num_threads(1)
    graphs.allow(compute.cuda_graphs)
    _allow_tf32(False)
    known = facts(device)
    machine.note(**known)
    say(f"running on {describe(device)}, {known['numerics']} numerics")
    if device.type == "cpu" and numerics.are_set() and known["numerics"] == "fast":
        say(
            f"torch {known['torch']} computes otherwise here: no bytes are claimed "
            f"(docs/numerics.md)"
        )
    return device


def numerics_of(device: torch.device) -> numerics.Numerics:
    """portable, where the same bytes come out on any machine that says so; else fast, which claims
    no bytes.

    What the environment asks for is believed only where torch answers a known question as it did
    elsewhere: another build of torch, or one that had computed before it was asked, may not.
    """
    if device.type == "cpu" and numerics.are_set() and torch.get_num_threads() == 1:
        return "portable" if known_answer.is_given() else "fast"
    return "fast"


@contextmanager
def training(where: torch.device, compute: Compute) -> Iterator[None]:
    """Training within this block computes as `compute` says: its precision, and repeatably if it
    must.

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
            "compute.precision: bf16 on a CPU needs AMX, which this one has not: there it would "
            "be slower; use float32"
        )


def _allow_tf32(allowed: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed  # on unless it is turned off, and LSTMs are cuDNN's


def _make_repeatable(on: bool) -> None:
    """Only kernels that give the same bytes each time; an error for what has none."""
    # one workspace of one size per stream: cuDNN's layers and torch ask for just this; read at
    # first use
    if on:
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":16:8"
    torch.use_deterministic_algorithms(on)
    torch.utils.deterministic.fill_uninitialized_memory = not on  # type: ignore[attr-defined]  # only finds bugs
    torch.backends.cudnn.deterministic = on


def spare_cores(device: torch.device, compute: Compute) -> int:
    """How many nets can train side by side, each in a process with one thread; 0 where that is no
    gain.
    """
    cores = compute.threads or numerics.cores()
    one_each = device.type == "cpu" and torch.get_num_threads() == 1 < cores
    return cores if one_each and hasattr(os, "fork") else 0


def describe(device: torch.device) -> str:
    """The device in words."""
    if device.type == "cuda":
        return f"cuda: {torch.cuda.get_device_name(device)}"
    return f"cpu: {machine.processor()}, {torch.get_num_threads()} thread(s)"


def facts(device: torch.device) -> dict[str, str]:
    """What the machine times say of it."""
    on_cpu = device.type == "cpu"
    return {
        "device": "cpu" if on_cpu else describe(device),
        "threads": str(torch.get_num_threads()),
        "numerics": numerics_of(device),
        "torch": torch.__version__,
    }


def remarks(compute: Compute) -> list[str]:
    """What about `compute` makes a training's results differ."""
    words: list[str] = []
    if compute.precision != "float32":
        words.append(compute.precision)
    if compute.deterministic:
        words.append("deterministic")
    return words
