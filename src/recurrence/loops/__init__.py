"""Which samples loop, since when, and how badly. Takes ids from any model; needs numpy and nothing
else.

verdict = judge("some text, of any kind and length")
verdict.kind, verdict.start, verdict.period, verdict.copies
"""

from recurrence.loops.exact.runs import Run, all_runs, find_run, find_runs, nested_run, nested_runs
from recurrence.loops.near.copies import Near, find_near
from recurrence.loops.online import OnlineDetector
from recurrence.loops.streaming import Stream, TextWatch, stream
from recurrence.loops.texts import TextDetector, judge, judge_many
from recurrence.loops.verdict import (
    DEFAULT_FLOORS,
    DETECTORS,
    LOOPS,
    Detector,
    Verdict,
    measured_floor,
    smallest_rotation,
    windows,
)

__all__ = [
    "DEFAULT_FLOORS",
    "DETECTORS",
    "LOOPS",
    "Detector",
    "Near",
    "OnlineDetector",
    "Run",
    "Stream",
    "TextDetector",
    "TextWatch",
    "Verdict",
    "all_runs",
    "find_near",
    "find_run",
    "find_runs",
    "judge",
    "judge_many",
    "measured_floor",
    "nested_run",
    "nested_runs",
    "smallest_rotation",
    "stream",
    "windows",
]
