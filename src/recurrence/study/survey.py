"""Samples -> one row each, with all that is to be said of a sample: verdicts, metrics, what
published rules say.

In: samples (ids), how to spell them, a detector and the training text. Out: rows of plain values,
None or NaN where there is nothing to say, in the order of the samples.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurrence.loops.verdict import Detector, Verdict
from recurrence.repetition.metrics import Training, measure_all
from recurrence.repetition.published import PUBLISHED

Ints = NDArray[np.integer[Any]]
Row = dict[str, Any]
Spell = Callable[[Sequence[int]], str]


def survey(
    samples: Sequence[Ints],
    spell: Spell,
    detector: Detector,
    training: Training,
    length: int,
    eos: int | None = None,
) -> list[Row]:
    """A Verdict's fields (unit and attractor spelled), METRICS and PUBLISHED, all of a sample's
    first `length` tokens.

    Beside them long_kind, _start, _period and _terminal, of the whole of a longer sample; eos_at,
    where the first <eos> stands in those `length` tokens; stopped_kind and _start, of what is
    before it, or of all where there is none.
    """
    heads = [ids[:length] for ids in samples]
    texts = [spell(ids.tolist()) for ids in heads]
    verdicts = detector.judge_all(heads, texts)
    wholes = _judged([ids if len(ids) > length else None for ids in samples], spell, detector)
    ends = [_first(ids, eos) for ids in heads]
    early = _judged(
        [None if end is None else ids[:end] for ids, end in zip(heads, ends, strict=True)],
        spell,
        detector,
    )
    rows = []
    for i, figures in enumerate(measure_all(heads, texts, training)):
        units = {
            name: _spelled(getattr(verdicts[i], name), spell) for name in ("unit", "attractor")
        }
        row: Row = {**vars(verdicts[i]), **units}
        row |= figures | {name: rule(heads[i], texts[i]) for name, rule in PUBLISHED.items()}
        row |= _some(wholes[i], "long", ("kind", "start", "period", "terminal")) | {
            "eos_at": ends[i]
        }
        stopped = None if eos is None else early[i] or verdicts[i]
        rows.append(row | _some(stopped, "stopped", ("kind", "start")))
    return rows


def agrees(row: Row, period: int | None) -> bool | None:
    """Whether the verdict on the whole of a certified sample is the loop that its states go
    through, every `period` tokens: exact, up to the end, of that period or one that divides it.
    None where the sample is not certified.
    """
    if period is None:
        return None
    of = "" if row["long_kind"] is None else "long_"
    return bool(
        row[of + "kind"] == "exact" and row[of + "terminal"] and period % row[of + "period"] == 0
    )


def _judged(
    samples: Sequence[Ints | None], spell: Spell, detector: Detector
) -> list[Verdict | None]:
    """The verdicts on those that are there."""
    there = [ids for ids in samples if ids is not None]
    verdicts = iter(detector.judge_all(there, [spell(ids.tolist()) for ids in there]))
    return [None if ids is None else next(verdicts) for ids in samples]


def _some(verdict: Verdict | None, of: str, names: Sequence[str]) -> Row:
    return {f"{of}_{name}": None if verdict is None else getattr(verdict, name) for name in names}


def _first(ids: Ints, token: int | None) -> int | None:
    if token is None or not (ids == token).any():
        return None
    return int((ids == token).argmax())


def _spelled(ids: Sequence[int] | None, spell: Spell) -> str | None:
    return None if ids is None else spell(ids)
