"""Which samples loop, since when, and how badly. Takes ids from any model; needs numpy and nothing else.

verdict = DETECTORS["char"].judge(ids, text)
verdict.kind, verdict.start, verdict.period, verdict.copies
"""

from recurrence.loops.exact.runs import Run, all_runs, find_run, find_runs, nested_run, nested_runs
from recurrence.loops.near.copies import Near, find_near
from recurrence.loops.online import OnlineDetector
from recurrence.loops.verdict import (
    DEFAULT_FLOORS,
    DETECTORS,
    Detector,
    Verdict,
    judge,
    measured_floor,
    smallest_rotation,
    windows,
)

__all__ = [
    "DEFAULT_FLOORS",
    "DETECTORS",
    "Detector",
    "Near",
    "OnlineDetector",
    "Run",
    "Verdict",
    "all_runs",
    "find_near",
    "find_run",
    "find_runs",
    "judge",
    "measured_floor",
    "nested_run",
    "nested_runs",
    "smallest_rotation",
    "windows",
]
