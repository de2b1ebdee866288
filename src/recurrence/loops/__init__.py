"""Which samples loop, since when, and how badly. Takes ids from any model; needs numpy and nothing else.

verdict = judge(ids, floor=DEFAULT_FLOORS["char"])
verdict.kind, verdict.start, verdict.period, verdict.copies
"""

from recurrence.loops.metrics import METRICS, distinct_n, longest_repeat, measure, rep_n, zlib_ratio
from recurrence.loops.runs import Run, find_run, nested_run
from recurrence.loops.verdict import (
    DEFAULT_FLOORS,
    Verdict,
    judge,
    measured_floor,
    rates,
    smallest_rotation,
    wilson,
    windows,
)

__all__ = [
    "DEFAULT_FLOORS",
    "METRICS",
    "Run",
    "Verdict",
    "distinct_n",
    "find_run",
    "judge",
    "longest_repeat",
    "measure",
    "measured_floor",
    "nested_run",
    "rates",
    "rep_n",
    "smallest_rotation",
    "wilson",
    "windows",
    "zlib_ratio",
]
