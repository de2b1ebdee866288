"""What the C library does with the memory of tensors that are done with; changes no result."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Of mallopt(3), in glibc."""
LARGEST = (1 << 30, 1 << 25)
"""Bytes up to which a block comes from the heap and stays there: as much as it takes, which older
releases refuse.
"""


def keep() -> bool:
    """Have memory that is freed kept for the next tensor, not given back to the system; whether
    that could be arranged.

    A training step frees what the next one asks for again. Given back, each page of it is fetched
    and zeroed anew, up to a tenth of the time of a step.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library
        return False
    return any(mallopt(M_MMAP_THRESHOLD, size) for size in LARGEST) and bool(
        mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
    )
