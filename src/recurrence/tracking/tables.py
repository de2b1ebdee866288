"""Artifacts that other programs read on: a row per decoding strategy as CSV, samples with their verdicts as JSONL."""

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

SAMPLES_KEPT = 8
"""Of each strategy: mlflow shall not hold all that dvc does, in data/samples."""
RATES = (
    *(
        "samples",
        "loop_rate",
        "loop_lo",
        "loop_hi",
        "exact_rate",
        "exact_lo",
        "exact_hi",
        "near_rate",
        "near_lo",
    ),
    *(
        "near_hi",
        "recycling_rate",
        "recycling_lo",
        "recycling_hi",
        "terminal_rate",
        "onset_median",
        "onset_rmean",
    ),
    *(
        "period_median",
        "copies_median",
        "coverage_mean",
        "n_attractors",
        "price",
        "price_lo",
        "price_hi",
    ),
    *(
        "rep_4",
        "rep_8",
        "zlib_ratio",
        "diversity",
        "self_bleu",
        "zipf",
        "non_word",
        "longest_verbatim",
        "rescued",
    ),
)
TEXT = (
    *(
        "sample_id",
        "strategy",
        "prompt_id",
        "prompt",
        "train_seed",
        "sample_seed",
        "text",
        "ids",
        "logprob_nats",
    ),
    *("rescued", "witness_period", "witness_gap"),
)
"""Columns of the samples; all others are of the verdict."""


def decodings(rates: Mapping[str, Any], families: Mapping[str, str]) -> str:
    """The comparison as CSV: a row per strategy and one for human text, looping ones first; absent values are empty."""
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(
        ["strategy", "family", *RATES, "certified", "certified_agree", "versus_pure_p_holm"]
    )
    ranked = sorted(
        rates["strategies"].items(), key=lambda item: (-(item[1].get("loop_rate") or 0), item[0])
    )
    for name, found in ranked:
        certified, compared = found.get("certified") or {}, found.get("versus_pure") or {}
        more = [certified.get("certified"), certified.get("agree"), compared.get("p_holm")]
        table.writerow([name, families.get(name, ""), *(found.get(rate) for rate in RATES), *more])
    return out.getvalue()


def samples(table: pd.DataFrame) -> str:
    """Samples as JSONL: text, ids, and under `loop` the verdict."""
    lines = []
    for row in table.to_dict("records"):
        values = {str(name): _plain(value) for name, value in row.items()}
        record = {name: values.pop(name) for name in TEXT if name in values}
        lines.append(json.dumps(record | {"loop": values}, ensure_ascii=False))
    return "".join(line + "\n" for line in lines)


def _plain(value: Any) -> Any:
    """What JSON can hold: lists for arrays, None for what is missing."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, list):
        return value
    if pd.isna(value):
        return None
    return value.item() if isinstance(value, np.generic) else value
