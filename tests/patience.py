"""Waiting in tests for what comes in its own time."""

import time
from collections.abc import Callable

PATIENCE_S = 30


def until(is_so: Callable[[], object], seconds: float = PATIENCE_S) -> None:
    """Return when something is so; fail where it does not come."""
    last = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < last, "waited in vain"
        time.sleep(0.02)
