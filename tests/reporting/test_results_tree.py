"""The files made by rule have the form of those that the stages write."""

import json
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from recurrence.loops import DETECTORS
from recurrence.stages.detect_loops import COLUMNS, TYPES
from recurrence.study.calibration import Human, detector_card
from recurrence.study.planted import GRID
from recurrence.study.rates import rates
from reporting import planted_samples
from reporting.results_tree import LENGTH, texts
from reporting.results_tree import card as planted_card


def shape(tree: Any) -> Any:
    """Keys all the way down; of lists their first entry."""
    if isinstance(tree, dict):
        return {key: shape(value) for key, value in sorted(tree.items())}
    return (
        [shape(tree[0])] if isinstance(tree, list) and tree and isinstance(tree[0], dict) else None
    )


def test_the_loops_table_has_the_columns_and_types_of_detect_loops() -> None:
    _, verdicts = texts("good")
    assert sorted(verdicts.columns) == sorted(COLUMNS)
    found = verdicts.dtypes.astype(str).to_dict()
    assert {name: found[name] for name in TYPES if TYPES[name] != "str"} == {
        name: kind for name, kind in TYPES.items() if kind != "str"
    }


def test_the_rates_have_the_figures_of_detect_loops() -> None:
    samples, verdicts = texts("good")
    known = samples.set_index("sample_id")[["deterministic", "uses_history", "rescued"]]
    table = verdicts[~verdicts["sample_id"].str.startswith("human/train/")].join(
        known, on="sample_id"
    )
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    for row in rows:
        row |= {
            "rescued": row["rescued"] or 0,
            "stopped_start": row["start"],
            "attractor": row["attractor"],
        }
    ids = [np.arange(LENGTH) for _ in rows]
    real = rates(rows, ids, LENGTH)
    made = planted_samples.rates(verdicts)["strategies"]
    assert list(made) == list(real)
    # multinomial_skip_unk is what all are compared with, and the toy has none
    nothing = {"versus_pure": None, "stopped": None, "long": None}
    assert {name: shape(figures | nothing) for name, figures in made.items()} == {
        name: shape(figures | nothing) for name, figures in real.items()
    }
    assert shape(real["greedy"]["stopped"]) == shape(made["greedy"]["stopped"])
    assert shape(real["greedy"]["certified"]) == shape(made["greedy"]["certified"])


def test_the_card_has_the_figures_of_calibrate(monkeypatch: pytest.MonkeyPatch) -> None:
    few = [cell for cell in GRID if cell.period == 2][:2]
    monkeypatch.setattr(import_module("recurrence.study.calibration"), "GRID", few)
    rng = np.random.default_rng(0)
    train, valid = rng.integers(0, 13, 600), rng.integers(0, 13, 500)
    human = Human(
        train, valid, spell=lambda ids: "".join(planted_samples.vocab().tokens[i] for i in ids)
    )
    real = json.loads(json.dumps(detector_card(human, DETECTORS["char"], length=LENGTH, trials=1)))
    assert shape(real) == shape(planted_card())


def test_prices_are_those_of_the_loops_table(tree: Path) -> None:
    prices = pd.read_parquet(tree / "data/samples/toy/good/reference_nats.parquet").set_index(
        "sample_id"
    )["reference_nats"]
    loops = (
        pd.read_parquet(tree / "data/loops/toy/good/verdicts.parquet")
        .set_index("sample_id")["reference_nats"]
        .dropna()
    )
    assert prices.to_dict() == loops.to_dict()
