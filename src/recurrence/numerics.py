"""Portable or fast numerics: what decides the last bits of a figure, fixed before anything is
computed.

Comes in: the stage that is to run, and what params.yaml says of its model. Goes out: environment
variables of this process. Imports neither torch nor numpy: OpenMP and numpy read theirs when they
are loaded, the others at the first computation.
"""

import os
import platform
from typing import Literal

Numerics = Literal["portable", "fast"]

PORTABLE = {
    "ATEN_CPU_CAPABILITY": "avx2",  # torch's own kernels
    "ONEDNN_MAX_CPU_ISA": "AVX2",  # the LSTM kernel
    "MKL_CBWR": "COMPATIBLE",  # matrix products, exp, log, tanh: as on a processor of any maker
}
"""What torch computes with, where params.yaml asks for portable numerics; it overrides what the
shell had set.
"""
WITHOUT_TORCH = {"NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR"}
"""numpy's own exp and log round otherwise with AVX-512; no stage is any slower without."""
SHARING = {"OMP_WAIT_POLICY": "PASSIVE", "GOMP_SPINCOUNT": "0"}
"""A thread that waits for another gives its core away: with others at work it would wait for one
that does not run.
"""
WITH_NETS = ("train", "evaluate", "generate")
"""The stages that compute with torch, and whose key is a model."""


def before_imports() -> None:
    """Set what libraries read when they are imported, whatever stage follows; what the user has set
    stays.
    """
    for name, value in {**WITHOUT_TORCH, **SHARING}.items():
        os.environ.setdefault(name, value)


def prepare(stage: str, key: str) -> None:
    """Set what a stage is to compute with. Call it before its module is imported.

    torch may have been imported already, as long as it has computed nothing. Raises RecurrenceError
    for a model that params.yaml does not have.
    """
    before_imports()
    if stage in WITH_NETS and of_model(key) == "portable":
        os.environ.update(PORTABLE)


def of_model(key: str) -> Numerics:
    """What params.yaml asks for: the model's own numerics, or the default of all."""
    from recurrence import params

    return params.model(key).numerics or params.load().compute.numerics


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def are_set() -> bool:
    """Whether this process has what portable numerics need of the machine and of the
    environment.
    """
    made_for_it = platform.machine() in ("x86_64", "AMD64")
    return made_for_it and all(os.environ.get(name) == PORTABLE[name] for name in PORTABLE)
