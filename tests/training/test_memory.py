import platform
import subprocess
import sys

import pytest

FAULTS = """
import resource, torch
from recurrence.training import memory

def work():
    return [torch.ones(300_000) for _ in range(30)]

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    work()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

assert memory.keep()
print(min(faults() for _ in range(6)))
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_pages_are_not_fetched_again() -> None:
    """36 MB are 8,800 pages. In a process of its own, since what it sets stays."""
    done = subprocess.run(
        [sys.executable, "-c", FAULTS], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 100
