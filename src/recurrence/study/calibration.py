"""The detector card of a corpus: limits measured on its training text, false alarms, recall of
planted loops, bands.

In: the corpus's own ids. Out: a tree ready for JSON, the same every time. What counts as found: a
loop that is said to be where one was planted; of an exact loop without edits, its whole extent and
its very period.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from recurrence.loops.exact.runs import find_runs
from recurrence.loops.fingerprints import Ints
from recurrence.loops.near.copies import SEEDS, find_nears
from recurrence.loops.recycling import reuse_limit, squeeze_limit
from recurrence.loops.verdict import Detector, Kind, Verdict, measured_floor, told_apart, windows
from recurrence.repetition.metrics import METRICS, Training, measure_all, words_of
from recurrence.repetition.published import PUBLISHED
from recurrence.study.planted import GRID, Cell, Planted, plant

KINDS: tuple[Kind, ...] = ("exact", "near", "recycling")
LIMITS = ("floor", "near_floor", "near_delta", "rep_n", "rep_limit", "zlib_limit")
"""What a card says of its detector."""
DELTAS = (0.4, 0.3, 0.2, 0.14, 0.1, 0.07)
"""Tried in this order: text that counts or lists is like itself a line before, but for a word in so
many.
"""
FALSE_NEAR = 1_000
"""One of so many windows of people's text may be taken for a near loop."""
LAYINGS = 10
"""In so many ways windows are laid end to end for limits, each way a tenth of a window further on:
a passage that one way cuts in two, and whose evidence it halves, stands whole in another's window.
"""
_SEED = 4


@dataclass(frozen=True)
class Human:
    """Text that people wrote: what a corpus's models were trained on, and what was held out."""

    train: Ints
    valid: Ints
    spell: Callable[[Sequence[int]], str]
    """The text of ids."""
    unknown: int | None = None
    """The id of <unk>."""

    def windows(self, part: Ints, length: int) -> tuple[list[Ints], list[str]]:
        """All windows of one part that do not overlap, and their texts."""
        cut = windows(part, length)
        return cut, self.texts(cut)

    def layings(self, part: Ints, length: int) -> Iterator[list[Ints]]:
        """Windows of one part laid end to end, in LAYINGS ways."""
        for first in (way * length // LAYINGS for way in range(LAYINGS)):
            yield [
                part[start : start + length]
                for start in range(first, len(part) - length + 1, length)
            ]

    def texts(self, cut: Iterable[Ints]) -> list[str]:
        """The texts of windows."""
        return [self.spell(ids.tolist()) for ids in cut]


def detector_card(
    human: Human,
    default: Detector,
    length: int,
    trials: int,
    tell: Callable[[float], None] = lambda done: None,
) -> dict[str, Any]:
    """The card for samples of `length` tokens; `default` are the limits where the text asks for no
    others.

    `tell` hears of every planted text, trials * len(GRID) of them.
    """
    detector = calibrated(default, human, length)
    planted = list(_planted(human, detector, trials, tell))
    return {
        "unit": detector.unit,
        "length": length,
        "detector": {name: getattr(detector, name) for name in LIMITS},
        "default_floor": default.floor,
        "human": {
            "train": _alarms(detector, human, human.train),
            "valid": _alarms(detector, human, human.valid),
        },
        "planted": planted,
        "recall": {
            "exact_above_floor": _recall(planted, 0.0, "exact"),
            "near_05": _recall(planted, 0.05, "any"),
            "near_10": _recall(planted, 0.1, "any"),
        },
        "bands": _bands(human, detector),
    }


def detector_of(tree: Mapping[str, Any], unknown: int | None = None) -> Detector:
    """The detector that a card was made for; `unknown` is the id of <unk>."""
    return Detector(tree["unit"], **tree["detector"], unknown=unknown, length=tree["length"])


def calibrated(default: Detector, human: Human, length: int) -> Detector:
    """The detector with limits above what windows of the training text have, however they are
    laid.
    """
    found = replace(default, unknown=human.unknown, length=length)
    ways = list(human.layings(human.train, length))
    told = [[told_apart(ids, human.unknown) for ids in cut] for cut in ways]
    found = replace(found, floor=max(measured_floor(cut, default.floor) for cut in told))
    found = replace(
        found, rep_limit=max(reuse_limit(cut, default.rep_n, default.rep_limit) for cut in told)
    )
    found = replace(
        found, zlib_limit=squeeze_limit(text for cut in ways for text in human.texts(cut))
    )
    for delta in DELTAS:
        floor = max(_near_floor(cut, found, delta) for cut in told)
        if floor <= 2 * default.near_floor:
            break
    return replace(found, near_floor=floor, near_delta=delta)


def _near_floor(told: Sequence[Ints], detector: Detector, delta: float) -> int:
    """The least evidence of a near loop: a tenth more than all but one in FALSE_NEAR of these
    windows have.

    A tenth, as the same passage has a little more in another spelling, and text that is not seen
    here in another one.
    """
    found = find_nears(told, detector.near_floor, delta, SEEDS[detector.unit])
    weights = sorted((near.weight for near in found if near), reverse=True)
    spared = len(found) // FALSE_NEAR
    return round(1.1 * weights[spared]) + 1 if len(weights) > spared else detector.near_floor


# ---------------------------------------------------------------- people's text


def _alarms(detector: Detector, human: Human, part: Ints) -> dict[str, Any]:
    """How many windows of human text each rule takes for repetition, and the most evidence in one
    of them.

    Counted in windows laid end to end; `laid_anyhow`: those of all LAYINGS, by our rules alone.
    """
    cut, texts = human.windows(part, detector.length)
    alarms: dict[str, int] = _counts(detector.judge_all(cut, texts))
    for name, rule in PUBLISHED.items():
        alarms[name] = sum(rule(ids, text) for ids, text in zip(cut, texts, strict=True))
    ways, largest = Counter(dict.fromkeys(("windows", *KINDS), 0)), 0
    for way in human.layings(part, detector.length):
        runs = find_runs([told_apart(ids, detector.unknown) for ids in way])
        largest = max([largest, *(run.matched for run in runs if run)])
        ways.update(_counts(detector.judge_all(way, human.texts(way))), windows=len(way))
    anyhow = {"windows": ways.pop("windows"), "false_positives": dict(ways)}
    return {
        "windows": len(cut),
        "largest_matched": largest,
        "false_positives": alarms,
        "laid_anyhow": anyhow,
    }


def _counts(verdicts: Sequence[Verdict]) -> dict[str, int]:
    kinds = [verdict.kind for verdict in verdicts]
    return {kind: kinds.count(kind) for kind in KINDS}


def _bands(human: Human, detector: Detector) -> dict[str, dict[str, float | None]]:
    """Where the metrics of held-out windows lie: what a sample's are to be compared with."""
    words = words_of(human.spell(human.train.tolist())) if detector.unit == "char" else None
    rows = measure_all(*human.windows(human.valid, detector.length), Training(human.train, words))
    return {name: _band([row[name] for row in rows]) for name in METRICS}


def _band(values: Sequence[float]) -> dict[str, float | None]:
    names, shares = ("median", "low", "high", "p999", "max"), (50, 2.5, 97.5, 99.9, 100)
    known = [value for value in values if np.isfinite(value)]
    if not known:
        return dict.fromkeys(names)
    return dict(zip(names, np.percentile(known, shares).tolist(), strict=True))


# ---------------------------------------------------------------- planted loops


def _planted(
    human: Human, detector: Detector, trials: int, tell: Callable[[float], None]
) -> Iterable[dict[str, Any]]:
    """A row per cell of the grid that the held-out text is long enough for."""
    for number, cell in enumerate(GRID):
        rngs = [np.random.default_rng([_SEED, number, trial]) for trial in range(trials)]
        try:
            texts = [
                plant(rng, human.valid, cell, detector.length, detector.unknown) for rng in rngs
            ]
        except ValueError:
            texts = []
        if texts:
            yield _row(cell, detector, texts, [human.spell(text.ids.tolist()) for text in texts])
        tell(trials)


def _row(
    cell: Cell, detector: Detector, texts: Sequence[Planted], spelled: Sequence[str]
) -> dict[str, Any]:
    """How many of a cell's texts each rule finds."""
    verdicts = detector.judge_all([text.ids for text in texts], spelled)
    exact = [_exact(verdict, text, cell) for verdict, text in zip(verdicts, texts, strict=True)]
    near = [
        v.kind == "near" and _overlaps(v, text) for v, text in zip(verdicts, texts, strict=True)
    ]
    row = vars(cell) | {"trials": len(texts), "above_floor": above_floor(cell, detector)}
    row |= {"exact": sum(exact), "near": sum(near), "any": sum(exact) + sum(near)}
    for name, rule in PUBLISHED.items():
        row[name] = sum(
            rule(text.ids, spelling) for text, spelling in zip(texts, spelled, strict=True)
        )
    return row


def above_floor(cell: Cell, detector: Detector) -> bool:
    """Whether a loop so planted is to be found: without edits at the exact floor, else at the near
    floor.

    Both of two copies that are held against each other are edited, so 2 edits for each that the
    cell says; they are taken off the evidence, and must be fewer than the detector's delta.
    """
    if not cell.edits:
        return cell.matched >= detector.floor
    left = cell.matched * (1 - 2 * cell.edits)
    least = detector.near_floor if cell.copies >= 3 else 2 * detector.near_floor
    return 2 * cell.edits < detector.near_delta and left >= least


def _exact(verdict: Verdict, text: Planted, cell: Cell) -> bool:
    if verdict.kind != "exact" or not _overlaps(verdict, text):
        return False
    start, end = _extent(verdict)
    return bool(cell.edits) or (
        verdict.period == cell.period and start <= text.start and text.end <= end
    )


def _overlaps(verdict: Verdict, text: Planted) -> bool:
    start, end = _extent(verdict)
    return start < text.end and text.start < end


def _extent(verdict: Verdict) -> tuple[int, int]:
    """Where the loop of a verdict starts and ends."""
    assert verdict.start is not None and verdict.period is not None and verdict.copies is not None
    return verdict.start, verdict.start + round(verdict.copies * verdict.period)


def _recall(rows: Iterable[Mapping[str, Any]], edits: float, rule: str) -> dict[str, int]:
    """Over the cells above the floor with so many edits."""
    counted = [row for row in rows if row["edits"] == edits and row["above_floor"]]
    return {
        "found": sum(row[rule] for row in counted),
        "trials": sum(row["trials"] for row in counted),
    }
