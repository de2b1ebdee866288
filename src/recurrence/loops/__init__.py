"""Which samples loop, since when, and how badly. Takes ids from any model; needs numpy and nothing else.

verdict = DETECTORS["char"].judge(ids, text)
verdict.kind, verdict.start, verdict.period, verdict.copies
"""

from recurrence.loops.card import Human, detector_card, detector_of
from recurrence.loops.metrics import (
    METRICS,
    Training,
    distinct_n,
    longest_repeat,
    lz_factors,
    measure,
    measure_all,
    non_word,
    rep_n,
    rep_r,
    rep_w,
    words_of,
    zlib_ratio,
)
from recurrence.loops.near import Near, find_near
from recurrence.loops.online import OnlineDetector
from recurrence.loops.pooled import diversity, pooled_rep_n, self_bleu, zipf
from recurrence.loops.published import PUBLISHED, holtzman_code, holtzman_paper, vllm_repetition, whisper_zlib
from recurrence.loops.rates import rates
from recurrence.loops.runs import Run, all_runs, find_run, find_runs, nested_run, nested_runs
from recurrence.loops.statistics import (
    cluster_bootstrap,
    holm,
    kaplan_meier,
    restricted_mean,
    sign_flip,
    wilson,
)
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
    "METRICS",
    "PUBLISHED",
    "Detector",
    "Human",
    "Near",
    "OnlineDetector",
    "Run",
    "Training",
    "Verdict",
    "all_runs",
    "cluster_bootstrap",
    "detector_card",
    "detector_of",
    "distinct_n",
    "diversity",
    "find_near",
    "find_run",
    "find_runs",
    "holm",
    "holtzman_code",
    "holtzman_paper",
    "judge",
    "kaplan_meier",
    "longest_repeat",
    "lz_factors",
    "measure",
    "measure_all",
    "measured_floor",
    "nested_run",
    "nested_runs",
    "non_word",
    "pooled_rep_n",
    "rates",
    "rep_n",
    "rep_r",
    "rep_w",
    "restricted_mean",
    "self_bleu",
    "sign_flip",
    "smallest_rotation",
    "vllm_repetition",
    "whisper_zlib",
    "wilson",
    "windows",
    "words_of",
    "zipf",
    "zlib_ratio",
]
