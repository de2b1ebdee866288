"""What many samples come to: per strategy, rates with intervals, shapes of the loops, price,
metrics, comparisons.

In: rows of `survey`, each with strategy, sample_id, prompt_id, train_seed, reference_nats,
deterministic, uses_history, rescued, witness_period and agrees beside; and the samples' ids. Out: a
tree ready for JSON, None where undefined.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurrence.loops.verdict import LOOPS
from recurrence.repetition.metrics import METRICS
from recurrence.repetition.pooled import diversity, self_bleu, zipf
from recurrence.repetition.published import PUBLISHED
from recurrence.study.statistics import (
    holm,
    kaplan_meier,
    mean_interval,
    rate_interval,
    restricted_mean,
    sign_flip,
)

Ints = NDArray[np.integer[Any]]
Row = Mapping[str, Any]
Figures = dict[str, Any]

HUMAN = "human"
"""The strategy that people's own windows go by."""
KINDS = {"exact": ("exact",), "near": ("near",), "recycling": ("recycling",), "loop": LOOPS}
MOST_ATTRACTORS = 20


def rates(
    rows: Sequence[Row], samples: Sequence[Ints], length: int, reference: str | None = None
) -> dict[str, Figures]:
    """Figures per strategy, in the order in which they come; `length`: tokens of a sample that
    verdicts are about.

    `reference`: the strategy with which the others are compared.
    """
    parts: dict[str, list[int]] = {}
    for i, row in enumerate(rows):
        parts.setdefault(row["strategy"], []).append(i)
    parts.setdefault(HUMAN, [])  # where the text is shorter than a sample
    found = {
        name: _figures([rows[i] for i in at], [samples[i] for i in at], length)
        for name, at in parts.items()
    }
    groups = {name: [rows[i] for i in at] for name, at in parts.items() if name != HUMAN}
    compared = _compared(groups, reference)
    return {name: figures | {"versus_pure": compared.get(name)} for name, figures in found.items()}


def _figures(rows: Sequence[Row], samples: Sequence[Ints], length: int) -> Figures:
    loops = [row for row in rows if row["kind"] in LOOPS]
    nets = {row["train_seed"] for row in rows} - {None}
    figures: Figures = {
        "samples": len(rows),
        "nets": len(nets),
        "prompts": len({row["prompt_id"] for row in rows} - {None}),
        "length": max((row["length"] for row in rows), default=None),
    }
    figures |= {
        kind: sum(row["kind"] == kind for row in rows) for kind in ("exact", "near", "recycling")
    }
    figures |= (
        {"loops": len(loops)} | _intervals(rows) | _shape(loops, len(rows)) | _onset(rows, length)
    )
    figures |= _attractors(loops) | _price(rows)
    figures |= {name: _mean(row[name] for row in rows) for name in METRICS} | _together(
        samples, length
    )
    figures["published"] = {name: _mean(row[name] for row in rows) for name in PUBLISHED}
    return figures | _modes(rows) | {"stopped": _stopped(rows), "long": _long(rows, samples)}


def _intervals(rows: Sequence[Row]) -> Figures:
    """A rate of all samples with its interval, for each kind, and for loops of either kind."""
    figures: Figures = {}
    for name, kinds in KINDS.items():
        hits = [row["kind"] in kinds for row in rows]
        low, high = rate_interval(hits, *_origins(rows)) if rows else (None, None)
        figures |= {f"{name}_rate": _mean(hits), f"{name}_lo": low, f"{name}_hi": high}
    return figures


def _origins(rows: Sequence[Row]) -> tuple[list[object], list[object]]:
    """The net and the prompt of each sample; each window of people's text stands alone."""
    prompts = [row["sample_id"] if row["prompt_id"] is None else row["prompt_id"] for row in rows]
    return [row["train_seed"] for row in rows], prompts


def _shape(loops: Sequence[Row], samples: int) -> Figures:
    """`terminal_rate` is a share of all samples; the others are over those that loop."""
    figures: Figures = {
        "terminal_rate": sum(row["terminal"] is True for row in loops) / samples
        if samples
        else None
    }
    medians = {"onset_median": "start", "period_median": "period", "copies_median": "copies"}
    figures |= {name: _median(row[field] for row in loops) for name, field in medians.items()}
    return figures | {
        f"{name}_mean": _mean(row[name] for row in loops) for name in ("coverage", "identity")
    }


def _onset(rows: Sequence[Row], length: int) -> Figures:
    """How long it took to the first token of a loop: samples without one are censored where they
    end.
    """
    if not rows:
        return {"onset_rmean": None, "survival": []}
    seen = [row["kind"] in LOOPS for row in rows]
    times = [
        row["start"] if loops else row["length"] for row, loops in zip(rows, seen, strict=True)
    ]
    curve = kaplan_meier(times, seen)
    return {
        "onset_rmean": restricted_mean(curve, length),
        "survival": [list(step) for step in curve],
    }


def _attractors(loops: Sequence[Row]) -> Figures:
    """Which units the loops end in, whatever their rotation, and how many samples each draws in."""
    basins = Counter((row["attractor"], row["period"]) for row in loops)
    largest = sorted(basins.items(), key=lambda basin: (-basin[1], basin[0][1], basin[0][0]))[
        :MOST_ATTRACTORS
    ]
    listed = [[unit, period, samples] for (unit, period), samples in largest]
    return {"attractors": listed, "n_attractors": len(basins)}


def _price(rows: Sequence[Row]) -> Figures:
    """Mean nats per token under the reference model, with its interval."""
    priced = [row for row in rows if _finite(row["reference_nats"]) is not None]
    nats = [row["reference_nats"] for row in priced]
    low, high = mean_interval(nats, *_origins(priced))
    return {
        "reference_nats": _mean(nats),
        "reference_nats_lo": _finite(low),
        "reference_nats_hi": _finite(high),
    }


def _together(samples: Sequence[Ints], length: int) -> Figures:
    heads = [ids[:length] for ids in samples]
    figures = {"diversity": diversity(heads), "self_bleu": self_bleu(heads), "zipf": zipf(heads)}
    return {name: value if isfinite(value) else None for name, value in figures.items()}


def _modes(rows: Sequence[Row]) -> Figures:
    """What kind of decoding it was, and for how many samples the states themselves bear out the
    loop.
    """
    first = rows[0] if rows else {}
    asked = [row for row in rows if row["deterministic"] and not row["uses_history"]]
    certified = [row for row in asked if row["witness_period"] is not None]
    agreed = sum(row["agrees"] is True for row in certified)
    return {
        "rescued": sum(row["rescued"] > 0 for row in rows),
        "deterministic": first.get("deterministic"),
        "uses_history": first.get("uses_history"),
        "certified": {"samples": len(asked), "certified": len(certified), "agree": agreed},
    }


def _stopped(rows: Sequence[Row]) -> Figures | None:
    """What would be seen if each sample ended at its first <eos>: there it is censored, as at the
    end of its tokens.
    """
    if not rows or rows[0]["deterministic"] is None or rows[0]["stopped_kind"] is None:
        return None
    ends = [row["length"] if row["eos_at"] is None else row["eos_at"] for row in rows]
    seen = [row["stopped_kind"] in LOOPS for row in rows]
    times = [
        row["stopped_start"] if loops else end
        for row, end, loops in zip(rows, ends, seen, strict=True)
    ]
    ended = sum(row["eos_at"] is not None for row in rows) / len(rows)
    return {
        "ended_rate": ended,
        "nontermination": 1 - ended,
        "length_median": _median(ends),
        "exact_rate": _mean(row["stopped_kind"] == "exact" for row in rows),
        "onset_rmean": restricted_mean(
            kaplan_meier(times, seen), max(row["length"] for row in rows)
        ),
    }


def _long(rows: Sequence[Row], samples: Sequence[Ints]) -> Figures | None:
    """The same samples gone on with, where they were."""
    kinds = [row["long_kind"] for row in rows if row["long_kind"] is not None]
    longest = max((len(ids) for ids in samples), default=0)
    return (
        {"length": longest, "exact_rate": _mean(kind == "exact" for kind in kinds)}
        if kinds
        else None
    )


def _compared(groups: Mapping[str, Sequence[Row]], reference: str | None) -> dict[str, Figures]:
    """Each strategy's loop rate less that of the reference with the same nets and prompts.

    Tested by flipping signs of (net, prompt) pairs: p is of these nets, the interval of all.
    """
    if reference is None or reference not in groups:
        return {}
    by_pair = {name: _rate_by_pair(rows) for name, rows in groups.items()}
    pure, found = by_pair.pop(reference), dict[str, Figures]()
    for name, own in by_pair.items():
        both = [pair for pair in own if pair in pure]
        differences = [own[pair] - pure[pair] for pair in both]
        low, high = mean_interval(differences, [net for net, _ in both], [p for _, p in both])
        found[name] = {
            "reference": reference,
            "difference": _mean(differences),
            "difference_lo": _finite(low),
            "difference_hi": _finite(high),
            "p": sign_flip(differences),
        }
    adjusted = holm([figures["p"] for figures in found.values()])
    return {
        name: figures | {"p_holm": p}
        for (name, figures), p in zip(found.items(), adjusted, strict=True)
    }


def _rate_by_pair(rows: Sequence[Row]) -> dict[tuple[object, object], float]:
    hits: dict[tuple[object, object], list[bool]] = {}
    for row in rows:
        pair = row["train_seed"], row["prompt_id"]
        hits.setdefault(pair, []).append(row["kind"] in LOOPS)
    return {pair: sum(each) / len(each) for pair, each in hits.items()}


def _finite(value: float | None) -> float | None:
    return None if value is None or not isfinite(value) else float(value)


def _mean(values: Iterable[Any]) -> float | None:
    """Of those that are there and are numbers."""
    there = [float(value) for value in values if value is not None and isfinite(value)]
    return float(np.mean(there)) if there else None


def _median(values: Iterable[Any]) -> float | None:
    there = [float(value) for value in values if value is not None]
    return float(np.median(there)) if there else None
