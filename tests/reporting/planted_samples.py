"""Samples of the toy corpus by rule, the verdicts on them, and the rates over those: as generate
and detect_loops do.

In: the name of a model of results_tree. Out: the samples table, the loops table, the rates. No
stage code is used, so intervals and whatever else the report only passes on are made up.
"""

from typing import Any

import numpy as np
import pandas as pd

from recurrence.params import Tokens
from recurrence.repetition.metrics import METRICS
from recurrence.repetition.published import PUBLISHED
from recurrence.vocab import Vocab

LENGTH, LONG = 60, 120
LETTERS = "<b>&a cdefghij"
PROMPTS = ["he said ", "& <i>so</i>", "for thos"]
STRATEGIES: dict[str, dict[str, Any]] = {
    "greedy": {"pick": "argmax"},
    "beam_4": {"search": {"beam": {"width": 4}}},
    "greedy_rep_1_2": {"pick": "argmax", "filters": [{"repetition_penalty": 1.2}]},
    "multinomial": {"pick": "sample"},
    "top_p_0_9": {"pick": "sample", "filters": [{"top_p": 0.9}]},
}
HISTORY = ("greedy_rep_1_2",)
COUNTED = ("greedy", "multinomial")
"""What a baseline is sampled with."""
KINDS: dict[str, dict[str, tuple[str, ...]]] = {
    "good": {
        "greedy": ("exact",) * 3,
        "beam_4": ("exact", "exact", "near"),
        "greedy_rep_1_2": ("near", "recycling"),
    },
    "poor": {"greedy": ("exact",), "top_p_0_9": ("none", "exact")},
}
"""The verdicts on the first samples of a strategy; all others are "none"."""
PRICES = {
    "greedy": 0.4,
    "beam_4": 0.35,
    "greedy_rep_1_2": 1.0,
    "multinomial": 2.1,
    "top_p_0_9": 1.4,
    "human": 1.5,
}
VERDICT = (
    *(
        "start",
        "period",
        "copies",
        "matched",
        "coverage",
        "terminal",
        "identity",
        "nested_start",
        "nested_period",
    ),
    *("nested_matched", "unit", "attractor"),
)
WHOLE = (
    *(
        "train_seed",
        "sample_seed",
        "prompt_id",
        "start",
        "period",
        "matched",
        "nested_start",
        "nested_period",
    ),
    *("nested_matched", "long_start", "long_period", "witness_period", "eos_at"),
)

TRUTHS = ("terminal", "agrees", "fresh")


def vocab() -> Vocab:
    return Vocab(tuple(dict.fromkeys(LETTERS)), (), Tokens(unit="char"))


def texts(name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Samples of three prompts under all strategies, and their verdicts with human windows below
    them.
    """
    names = STRATEGIES if name in KINDS else COUNTED
    drawn = [
        (strategy, prompt, seed)
        for strategy in names
        for seed in _seeds(strategy)
        for prompt in range(3)
    ]
    at = {strategy: 0 for strategy in names}
    samples, verdicts = [], []
    for strategy, prompt, seed in drawn:
        kinds = KINDS.get(name, {}).get(strategy, ())
        kind = kinds[at[strategy]] if at[strategy] < len(kinds) else "none"
        at[strategy] += 1
        samples.append(_sample(strategy, prompt, seed, kind))
        verdicts.append(_row(samples[-1], kind))
    parts = [("valid", i) for i in range(5)] + [("train", i) for i in range(2)]
    table = pd.DataFrame(verdicts + [_human(part, i) for part, i in parts])
    return pd.DataFrame(samples), table.astype(
        dict.fromkeys(WHOLE, "Int64") | dict.fromkeys(TRUTHS, "boolean")
    )


def _seeds(strategy: str) -> range:
    return range(2 if STRATEGIES[strategy].get("pick") == "sample" else 1)


def _sample(strategy: str, prompt: int, seed: int, kind: str) -> dict[str, Any]:
    length = LONG if STRATEGIES[strategy].get("pick") == "argmax" else LENGTH
    ids = [(i * i + i // 7) % 13 for i in range(length)]
    if kind in ("exact", "near"):
        ids = ([0, 1, 2, 3, 5] + [4, 7, 8, 5] * length)[:length]
    deterministic = "pick" not in STRATEGIES[strategy] or STRATEGIES[strategy]["pick"] == "argmax"
    certified = kind == "exact" and deterministic and strategy not in HISTORY
    return {
        "sample_id": f"{strategy}/{prompt}/0/{seed}",
        "strategy": strategy,
        "prompt_id": prompt,
        "prompt": PROMPTS[prompt],
        "train_seed": 0,
        "sample_seed": seed,
        "fresh": False,
        "ids": ids,
        "text": "".join(vocab().tokens[i] for i in ids),
        "logprob_nats": -9.5,
        "deterministic": deterministic,
        "uses_history": strategy in HISTORY,
        "rescued": 0,
        "witness_period": 4 if certified else None,
        "witness_gap": 1e-7 if certified else None,
        "prompts_digest": DIGEST,
    }


DIGEST = "0123456789abcdef" * 4


def _row(sample: dict[str, Any], kind: str) -> dict[str, Any]:
    strategy, certified = sample["strategy"], sample["witness_period"] is not None
    long = len(sample["ids"]) > LENGTH
    where = {
        k: sample[k]
        for k in ("sample_id", "strategy", "prompt_id", "train_seed", "sample_seed", "fresh")
    }
    price = PRICES[strategy] + 0.02 * sample["prompt_id"]
    return where | _verdict(kind) | {
        "reference_nats": price,
        "long_kind": kind if long else None,
        "long_start": 5 if long and kind == "exact" else None,
        "long_period": 4 if long and kind == "exact" else None,
        "witness_period": sample["witness_period"],
        "agrees": True if certified else None,
        "eos_at": None,
        "stopped_kind": kind,
    }  # fmt: skip


def _human(part: str, i: int) -> dict[str, Any]:
    """Windows whose prices spread evenly around the human one."""
    names = (
        "prompt_id",
        "train_seed",
        "sample_seed",
        "long_kind",
        "long_start",
        "long_period",
        "witness_period",
    )
    where = {
        "sample_id": f"human/{part}/{i}",
        "strategy": "human",
        "fresh": False,
        **dict.fromkeys((*names, "agrees", "eos_at")),
    }
    price = PRICES["human"] + 0.1 * (i - 2) if part == "valid" else None
    return where | _verdict("none") | {"reference_nats": price, "stopped_kind": "none"}


def _verdict(kind: str) -> dict[str, Any]:
    figures: dict[str, Any] = dict.fromkeys(METRICS, 0.25)
    figures |= {
        "zlib_ratio": 1.9,
        "longest_repeat": 4.0,
        "lz_factors": 300.0,
        "longest_verbatim": 12.0,
    }
    figures |= dict.fromkeys(PUBLISHED, kind == "exact") | {"vllm_repetition": False}
    found: dict[str, Any] = {"kind": kind, "length": LENGTH, **dict.fromkeys(VERDICT)}
    if kind in ("exact", "near"):
        found |= {
            "start": 5,
            "period": 4,
            "copies": 13.75,
            "matched": 51,
            "coverage": 51 / 60,
            "terminal": True,
        }
        found |= {"identity": 1.0 if kind == "exact" else 0.9, "unit": "acd ", "attractor": " acd"}
    return found | figures


def rates(verdicts: pd.DataFrame) -> dict[str, Any]:
    """The figures per strategy and of the human windows of the validation text."""
    counted = verdicts[~verdicts["sample_id"].str.startswith("human/train/")]
    strategies = {
        str(name): _rates(str(name), rows) for name, rows in counted.groupby("strategy", sort=False)
    }
    head = {
        "floor": 40,
        "unit": "char",
        "length": LENGTH,
        "prompts_digest": DIGEST,
        "reference": "poor",
    }
    return head | {"strategies": strategies}


def _rates(name: str, rows: pd.DataFrame) -> dict[str, Any]:
    kinds, n = rows["kind"].tolist(), len(rows)
    loops = rows[rows["kind"].isin(["exact", "near"])]
    figures: dict[str, Any] = {"samples": n, "nets": 1, "prompts": 3, "length": LENGTH}
    figures["loops"] = len(loops)
    for kind in ("exact", "near", "recycling"):
        figures |= {kind: kinds.count(kind)} | _interval(kind, kinds.count(kind) / n)
    figures |= _interval("loop", len(loops) / n) | _shape(loops, n) | _about(name, rows)
    price = float(rows["reference_nats"].mean())
    figures |= {
        "reference_nats": price,
        "reference_nats_lo": price - 0.1,
        "reference_nats_hi": price + 0.1,
        "rescued": 0,
    }
    figures |= {metric: float(rows[metric].mean()) for metric in METRICS}
    return figures | {"diversity": 0.6, "self_bleu": 0.3, "zipf": 1.0}


def _interval(name: str, rate: float) -> dict[str, float]:
    return {f"{name}_rate": rate, f"{name}_lo": rate / 2, f"{name}_hi": (1 + rate) / 2}


def _shape(loops: pd.DataFrame, samples: int) -> dict[str, Any]:
    """Onset, period, copies, attractors and survival of the loops of a strategy."""
    share, there = len(loops) / samples, len(loops) > 0
    medians = {"onset_median": "start", "period_median": "period", "copies_median": "copies"}
    means = {"coverage_mean": "coverage", "identity_mean": "identity"}
    figures: dict[str, Any] = {
        k: float(loops[c].median()) if there else None for k, c in medians.items()
    }
    figures |= {k: float(loops[c].mean()) if there else None for k, c in means.items()}
    units = loops.groupby(["attractor", "period"]).size()
    basins = [[str(unit), int(period), int(count)] for (unit, period), count in units.items()]
    survival = [[0.0, 1.0]] + ([[5.0, 1 - share]] if there else [])
    figures |= {
        "terminal_rate": share,
        "onset_rmean": 5 * share + LENGTH * (1 - share),
        "survival": survival,
    }
    return figures | {"attractors": basins, "n_attractors": len(basins)}


def _about(name: str, rows: pd.DataFrame) -> dict[str, Any]:
    """What only the whole of the stages would know."""
    block = STRATEGIES.get(name, {})
    deterministic = bool(block) and block.get("pick") != "sample"
    certified, exact = (
        int(rows["witness_period"].notna().sum()),
        float((rows["kind"] == "exact").mean()),
    )
    stopped = {
        "ended_rate": 0.25,
        "nontermination": 0.75,
        "length_median": 40.0,
        "exact_rate": exact,
    }
    stopped["onset_rmean"] = 40.0
    difference = float(rows["kind"].isin(["exact", "near"]).mean())
    compared = {"reference": "multinomial", "difference": difference, "p": 0.02, "p_holm": 0.06}
    compared |= {"difference_lo": difference - 0.1, "difference_hi": difference + 0.1}
    return {
        "published": {rule: float(rows[rule].mean()) for rule in PUBLISHED},
        "deterministic": deterministic if block else None,
        "uses_history": name in HISTORY if block else None,
        "certified": {
            "samples": len(rows) if deterministic else 0,
            "certified": certified,
            "agree": certified,
        },
        "stopped": stopped if block else None,
        "long": {"length": LONG, "exact_rate": exact} if block.get("pick") == "argmax" else None,
        "versus_pure": compared if block and name != "multinomial" else None,
    }


def choice(name: str) -> dict[str, Any] | None:
    """Of `good` top_p_0_9 is recommended; of `poor` nothing, as its two candidates loop."""
    if name not in KINDS:
        return None
    human = {"low": 1.31, "median": 1.5, "high": 1.69, "windows": 5, "recycling_hi": 0.43}
    qualifies = name == "good"
    trials = [trial("top_p_0_9", 0 if qualifies else 3)]
    if not qualifies:
        trials.append(trial("multinomial", 9))
    return {
        "human": human | {"repetition": {"rep_4": 0.4}},
        "bound": 0.01,
        "needed": 381,
        "available": 400,
        "candidates": 3,
        "tried": trials,
        "recommended": "top_p_0_9" if qualifies else None,
        "nearest": trials[0],
    }


def trial(strategy: str, loops: int) -> dict[str, Any]:
    """A setting that was tried; loops among its confirming samples are what it lacks."""
    samples = 40 if loops else 381
    confirming = evidence(samples, loops) | {"nets": 2, "prompts": samples}
    lacks = ["loops"] if loops else []
    return {
        "strategy": strategy,
        "choosing": evidence(6, 0),
        "confirming": confirming,
        "lacks": lacks,
    }


def evidence(samples: int, loops: int) -> dict[str, Any]:
    """What one half says of a setting."""
    found = {"nets": 1, "prompts": 3, "samples": samples, "loops": loops, "recycling": 0}
    found |= {"loop_rate": loops / samples, "loop_lo": 0.0, "loop_hi": 0.2 if loops else 0.00998}
    found |= {
        "recycling_hi": 0.01,
        "reference_nats": 1.42,
        "reference_nats_lo": 1.32,
        "reference_nats_hi": 1.52,
    }
    return found | {"repetition": {"rep_4": 0.25}}


def bands() -> dict[str, dict[str, float]]:
    """The human bands of a detector card."""
    band = {"median": 0.25, "low": 0.1, "high": 0.4, "p999": 0.45, "max": 0.5}
    return dict.fromkeys(METRICS, band)


def false_positives(windows: int) -> dict[str, Any]:
    """Our kinds never, two published rules at times."""
    never = dict.fromkeys(("exact", "near", "recycling", "holtzman_paper", "vllm_repetition"), 0)
    return {
        "windows": windows,
        "largest_matched": 22,
        "false_positives": never | {"holtzman_code": 3, "whisper_zlib": 1},
        "laid_anyhow": {
            "windows": 10 * windows - 9,
            "false_positives": {"exact": 0, "near": 1, "recycling": 0},
        },
    }


def planted() -> list[dict[str, Any]]:
    """A planted grid: exact loops are found where there are no edits, near ones up to a tenth; each
    rule in its way.
    """
    rows = []
    for period, copies in ((2, 2), (13, 2), (13, 5), (85, 2.5), (85, 10)):
        for edits in (0, 0.05, 0.1, 0.2):
            for place in ("tail", "gap", "middle"):
                above = period * (copies - 1) >= 40
                exact, near = (
                    (4 if above and not edits else 0),
                    (4 if above and 0 < edits <= 0.1 else 0),
                )
                found = {
                    "exact": exact,
                    "near": near,
                    "any": exact + near,
                    "holtzman_paper": int(np.sign(exact)),
                }
                found |= {
                    "holtzman_code": exact // 2,
                    "vllm_repetition": 0,
                    "whisper_zlib": exact + near,
                }
                cell = {
                    "period": period,
                    "copies": copies,
                    "edits": edits,
                    "place": place,
                    "nested": False,
                }
                rows.append(cell | {"trials": 4, "above_floor": above} | found)
    return rows
