"""Samples -> rows: the verdict on each, with the repeated unit as it is written; and the most
evident of many rows.

Goes through any number of samples a batch at a time. A row is ready for JSON: None where there is
nothing to say.
"""

import heapq
import signal
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import numpy as np

from recurrence.loops.exact.runs import find_run, nested_run
from recurrence.loops.texts import TextDetector
from recurrence.loops.verdict import LOOPS, Detector, Verdict, told_apart
from recurrence.scan.samples import Ints, Sample

if TYPE_CHECKING:
    from concurrent.futures import Future

Row = dict[str, Any]
FIELDS = (
    *("id", "file", "record", "part", "group"),
    *(
        "kind",
        "tokens",
        "length",
        "start",
        "period",
        "copies",
        "matched",
        "coverage",
        "terminal",
        "identity",
        "novelty",
    ),
    *("nested_start", "nested_period", "nested_matched", "unit", "rules"),
)
ALL_RULES, EXACT_RULE = "exact near recycling", "exact"
TEXT_RULES = "exact near progression template recycling"
MOST_TOKENS = 100_000
"""In a longer sample of tokens only exact loops are looked for: its other rules take seconds from
here on.
"""
RANKS = ("none", "recycling", "template", "progression", "near", "exact")
UNIT_TOKENS = 1000
"""So much of a unit is spelled out in a row; `period` says how long it is."""
_BATCH_TOKENS, _BATCH_SAMPLES = 1 << 21, 4096


AnyDetector = Detector | TextDetector


def judge_samples(
    samples: Iterable[Sample],
    detectors: Mapping[str, AnyDetector],
    jobs: int = 1,
    pad: int | None = None,
) -> Iterator[tuple[Sample, Row]]:
    """Each sample with its row, in order; `detectors` has one for each unit of the samples.

    `pad`: the token that is padding: it repeats nothing. `jobs`: processes to judge in, where there
    are more samples than one batch takes. They are spawned: a script that asks for several needs
    `if __name__ == "__main__"`.
    """
    for batch, verdicts in _in_order(partial(_verdicts, detectors), _batches(samples), jobs, pad):
        for sample, found in zip(batch, verdicts, strict=True):
            yield sample, _row(sample, found)


Tokens = Sequence[tuple[str, Ints, str | None]]
"""Unit, ids and text of samples: what a verdict needs of them."""
Judge = Callable[[Tokens], list[Row]]


def _in_order(
    judge: Judge, batches: Iterator[list[Sample]], jobs: int, pad: int | None
) -> Iterator[tuple[list[Sample], list[Row]]]:
    """Each batch with its verdicts; in processes, a few batches are read ahead."""
    first = list(islice(batches, 2))
    if jobs < 2 or len(first) < 2:
        yield from ((batch, judge(_tokens(batch, pad))) for batch in chain(first, batches))
        return
    from concurrent.futures import ProcessPoolExecutor  # most piles need none
    from multiprocessing import get_context

    waiting: deque[tuple[list[Sample], Future[list[Row]]]] = deque()
    with ProcessPoolExecutor(
        jobs, get_context("spawn"), signal.signal, (signal.SIGINT, signal.SIG_IGN)
    ) as pool:
        for batch in chain(first, batches):
            waiting.append((batch, pool.submit(judge, _tokens(batch, pad))))
            if len(waiting) > jobs + 1:
                done, verdicts = waiting.popleft()
                yield done, verdicts.result()
        yield from ((done, verdicts.result()) for done, verdicts in waiting)


def _tokens(batch: Sequence[Sample], pad: int | None) -> Tokens:
    return [(each.unit, _unpadded(each, pad), each.text()) for each in batch]


def _unpadded(sample: Sample, pad: int | None) -> Ints:
    """The ids, with a new one for each padding token."""
    if pad is None or sample.unit != "token" or sample.names is None or pad not in sample.names:
        return sample.ids
    return told_apart(sample.ids, sample.names.index(pad))


def _verdicts(detectors: Mapping[str, AnyDetector], batch: Tokens) -> list[Row]:
    """The fields of a row that are of the verdict, for each sample."""
    found: list[Row] = [{} for _ in batch]
    for unit, detector in detectors.items():
        mine = [i for i, (of, _, _) in enumerate(batch) if of == unit]
        if isinstance(detector, TextDetector):
            texts = [batch[i][2] or "" for i in mine]
            verdicts = detector.judge_all(texts) if unit == "char" else detector.judge_words(texts)
            rules = "exact" if detector.exact_only else TEXT_RULES
        else:
            if unit == "event":  # what is nearly the same call is another one
                continue
            mine = [i for i in mine if len(batch[i][1]) <= MOST_TOKENS]
            texts = [text for i in mine if (text := batch[i][2]) is not None]
            narrow = [batch[i][1].astype(np.int32) for i in mine]
            verdicts = detector.judge_all(narrow, texts or None)
            rules = ALL_RULES
        for i, verdict in zip(mine, verdicts, strict=True):
            found[i] = _fields(verdict) | {"rules": rules}
    rows: list[Row] = []
    for row, (unit, ids, _) in zip(found, batch, strict=True):
        detector = detectors[unit]
        rows.append(row if row or isinstance(detector, TextDetector) else _exact(ids, detector))
    return rows


def _fields(verdict: Verdict) -> Row:
    """What a row has of a verdict; its unit is spelled elsewhere."""
    return {
        name: value for name, value in vars(verdict).items() if name in FIELDS and name != "unit"
    }


def _batches(samples: Iterable[Sample]) -> Iterator[list[Sample]]:
    held: list[Sample] = []
    tokens = 0
    for sample in samples:
        held.append(sample)
        tokens += len(sample.ids)
        if tokens >= _BATCH_TOKENS or len(held) >= _BATCH_SAMPLES:
            yield held
            held, tokens = [], 0
    if held:
        yield held


def _exact(ids: Ints, detector: Detector) -> Row:
    """The verdict by the exact rule alone, in time and memory that grow with the sample's length
    and little else.
    """
    length, run = len(ids), find_run(ids, detector.floor)
    if run is None:
        return {"kind": "none", "length": length, "rules": EXACT_RULE}
    found = {
        "kind": "exact",
        "length": length,
        "start": run.start,
        "period": run.period,
        "copies": run.copies,
    }
    found |= {
        "matched": run.matched,
        "coverage": run.matched / length,
        "identity": 1.0,
        "rules": EXACT_RULE,
    }
    found |= {"terminal": length - run.end <= run.period}
    if inner := nested_run(ids, run, detector.floor):
        found |= {
            "nested_start": inner.start,
            "nested_period": inner.period,
            "nested_matched": inner.matched,
        }
    return found


def _row(sample: Sample, found: Row) -> Row:
    row: Row = dict.fromkeys(FIELDS) | found | sample.origin._asdict()
    row |= {"id": sample.id, "tokens": sample.unit}
    if row["start"] is not None:
        row["unit"] = sample.spell(row["start"], row["start"] + min(row["period"], UNIT_TOKENS))
    return row


# ---------------------------------------------------------------- many


@dataclass
class Evident:
    """The rows with the most evidence of many, each with what is shown of its sample; and counts of
    all.
    """

    most: int
    counts: Counter[str] = field(default_factory=Counter)
    """Samples by kind."""
    exact_only: int = 0
    """Samples so long that only exact loops were looked for."""
    kinds: Collection[str] = LOOPS
    """The kinds that count as loops."""
    _held: list[tuple[tuple[int, int, int], Row, Any]] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(self.counts.values())

    @property
    def looping(self) -> int:
        return sum(self.counts[kind] for kind in self.kinds)

    def add(self, row: Row, show: Callable[[], Any]) -> None:
        """Count a row and keep it while it is among the `most`; `show` makes what is to be kept
        with it.
        """
        rank = (
            RANKS.index(row["kind"]),
            row["matched"] or 0,
            -self.total,
        )
        self.counts[row["kind"]] += 1
        self.exact_only += row["rules"] == EXACT_RULE and row["length"] > MOST_TOKENS
        if len(self._held) < self.most:
            heapq.heappush(self._held, (rank, row, show()))
        elif rank > self._held[0][0]:
            heapq.heapreplace(self._held, (rank, row, show()))

    def rows(self) -> Sequence[tuple[Row, Any]]:
        """What is kept: exact loops first, then near ones, then recycling, each by evidence, then
        as they came.
        """
        return [
            (row, shown)
            for _, row, shown in sorted(self._held, key=lambda held: held[0], reverse=True)
        ]
