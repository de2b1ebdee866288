"""Artifacts for other programs: they read back to what was put in."""

import io
import json

import numpy as np
import pandas as pd

from recurrence.tracking import tables


def test_decodings_are_rows_with_the_looping_ones_first() -> None:
    loops = {
        "samples": 8,
        "loop_rate": 0.5,
        "reference_nats": 0.7,
        "certified": {"certified": 4, "agree": 3},
    }
    calm = {
        "samples": 8,
        "loop_rate": 0.0,
        "reference_nats": None,
        "certified": None,
        "versus_pure": {"p_holm": 0.5},
    }
    rates = {"strategies": {"human": calm, "sampled, at last": calm, "greedy": loops}}
    table = pd.read_csv(io.StringIO(tables.decodings(rates, {"greedy": "greedy"})))
    assert table["strategy"].tolist() == ["greedy", "human", "sampled, at last"]
    assert table.loc[0, ["family", "loop_rate", "certified", "certified_agree"]].tolist() == [
        "greedy",
        0.5,
        4,
        3,
    ]
    assert np.isnan(table.loc[1, "reference_nats"])
    assert table.loc[1, "pure_p_holm"] == 0.5


def test_samples_are_records_with_the_verdict_inside() -> None:
    table = pd.DataFrame(
        {
            "sample_id": ["a", "b"],
            "strategy": ["greedy", "greedy"],
            "ids": [np.array([1, 2, 1]), np.array([], np.int32)],
            "text": ["é\n", ""],
            "logprob_nats": [-1.5, np.nan],
            "witness_period": pd.array([2, None], "Int64"),
            "kind": ["exact", "none"],
            "start": pd.array([0, None], "Int64"),
            "terminal": [True, None],
            "copies": [1.5, np.nan],
        }
    )
    first, second = map(json.loads, tables.samples(table).splitlines())
    assert list(first) == [
        "sample_id",
        "strategy",
        "text",
        "ids",
        "logprob_nats",
        "witness_period",
        "loop",
    ]
    assert (first["ids"], first["text"], first["witness_period"]) == ([1, 2, 1], "é\n", 2)
    assert first["loop"] == {"kind": "exact", "start": 0, "terminal": True, "copies": 1.5}
    assert (second["ids"], second["logprob_nats"]) == ([], None)
    assert second["loop"] == {"kind": "none", "start": None, "terminal": None, "copies": None}
