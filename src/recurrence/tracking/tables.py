"""Artifacts that other programs read on: a row per decoding strategy as CSV, samples with their
verdicts as JSONL.
"""

import csv
import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from recurrence.results.metrics import DECODING, columns_of, row_of

SAMPLES_KEPT = 8
"""Of each strategy: mlflow shall not hold all that dvc does, in data/samples."""
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
    """The comparison as CSV: a row per strategy and one for human text, looping ones first; absent
    values are empty.
    """
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["strategy", "family", *columns_of(DECODING)])
    ranked = sorted(
        rates["strategies"].items(), key=lambda item: (-(item[1].get("loop_rate") or 0), item[0])
    )
    for name, found in ranked:
        table.writerow([name, families.get(name, ""), *row_of(DECODING, found).values()])
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
