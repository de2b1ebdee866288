"""Verdicts on a column of texts, a batch at a time: the one function for pandas, Ray Data and
Hugging Face datasets.

frame = with_verdicts(frame)
dataset.map_batches(with_verdicts, batch_format="pandas", fn_kwargs={"text": "completion"})
dataset.map(with_verdicts, batched=True)

Needs none of them: it takes a frame, or a mapping of columns, and gives back the same with columns
added.
"""

from collections.abc import Mapping
from math import isnan
from typing import Any, TypeVar

import numpy as np

from recurrence.errors import RecurrenceError, nearest
from recurrence.loops.texts import TextDetector
from recurrence.loops.verdict import LOOPS, Verdict

Batch = TypeVar("Batch")

MISSING = ""
"""The kind where there is no text."""


def with_verdicts(batch: Batch, text: str = "text", **options: Any) -> Batch:
    """The batch with the verdict on each text of a column; `options` are those of TextDetector.

    Added: `loops` (bool), `loop_kind` (str; empty where the text is missing), `loop_start`,
    `loop_period`, `loop_copies`, `loop_coverage` (float64, NaN where there is none),
    `loop_terminal` (bool). The types are the same in every batch, as engines ask of a data set.
    RecurrenceError names a column or a row that does not fit.
    """
    texts = _column(batch, text)
    there = [at for at, value in enumerate(texts) if not _is_missing(value)]
    wrong = next((at for at in there if not isinstance(texts[at], str)), None)
    if wrong is not None:
        raise RecurrenceError(f"{text}: row {wrong} must be a text, got {texts[wrong]!r:.60}")
    found: list[Verdict | None] = [None] * len(texts)
    judged = TextDetector(**options).judge_all([texts[at] for at in there])
    for at, verdict in zip(there, judged, strict=True):
        found[at] = verdict
    made: Batch = _added(batch, _columns(found))
    return made


def _column(batch: Any, text: str) -> list[Any]:
    if not isinstance(batch, Mapping) and not hasattr(batch, "assign"):
        raise RecurrenceError(
            f"a batch must be a frame or a mapping of columns, got {type(batch).__name__}; "
            f"for a list of texts there is judge_many"
        )
    names = [str(name) for name in (batch if isinstance(batch, Mapping) else batch.columns)]
    if text not in names:
        raise RecurrenceError(f"{text}: no such column; {nearest(text, names)}")
    return list(batch[text])


def _is_missing(value: Any) -> bool:
    """Whether it is None, NaN or the NA of pandas, which need not be there."""
    if value is None or isinstance(value, str):
        return value is None
    return str(value) == "<NA>" or isinstance(value, float) and isnan(value)


def _columns(found: list[Verdict | None]) -> dict[str, Any]:
    def numbers(name: str) -> Any:
        values = [getattr(each, name, None) for each in found]
        return np.array([np.nan if value is None else value for value in values], np.float64)

    columns: dict[str, Any] = {
        "loops": np.array([each is not None and each.kind in LOOPS for each in found], np.bool_),
        "loop_kind": [each.kind if each else MISSING for each in found],
    }
    columns |= {f"loop_{name}": numbers(name) for name in ("start", "period", "copies", "coverage")}
    ends = [bool(each and each.terminal) for each in found]
    return columns | {"loop_terminal": np.array(ends, np.bool_)}


def _added(batch: Any, columns: dict[str, Any]) -> Any:
    if hasattr(batch, "assign"):
        return batch.assign(**columns)
    if any(isinstance(column, np.ndarray) for column in batch.values()):
        return {**batch, **columns, "loop_kind": np.array(columns["loop_kind"], object)}
    return {**batch, **{name: list(column) for name, column in columns.items()}}
