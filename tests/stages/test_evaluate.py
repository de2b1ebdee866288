"""The evaluate stage on a project of one small corpus: what it writes, in the form that report and
track read.
"""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from recurrence import params, paths
from recurrence.cores import unigram
from recurrence.errors import RecurrenceError
from recurrence.files import write_json
from recurrence.model import build_model, checkpoint
from recurrence.scoring import exact, token_scores
from recurrence.stages import evaluate
from recurrence.study.teacher_forced import repetition

PARAMS = """
corpora:
  tale:
    {source: {kind: text, addresses: [tale.txt]}, tokens: {unit: word}, split: {rule: line_fraction},
     vocab: {}, prompts: {}}
recipes:
  short:
    {batches: {loader: lanes, size: 2, bptt: 4},
     phases: [{epochs: 2, optimizer: {}, schedule: {kind: constant, lr: 0.1}}]}
  counted: {}
models:
  tale-lstm:
    {corpus: tale, name: lstm, core: lstm, embedding: 4, hidden: 4, seeds: [0, 3], notebook: lm6-human_numbers,
     recipe: short}
  tale-unigram: {corpus: tale, name: unigram, core: unigram, recipe: counted}
strategies: {}
"""
VALID = np.random.default_rng(0).integers(0, 5, 101).astype(np.uint8)
COLUMNS = ["seed", "protocol", "valid_nats", "valid_accuracy"]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with ids and two trained models."""
    monkeypatch.setenv("RECURRENCE_ROOT", str(tmp_path))
    monkeypatch.setenv("RECURRENCE_DEVICE", "cpu")
    (tmp_path / "params.yaml").write_text(PARAMS)
    paths.ids("tale").mkdir(parents=True)
    np.save(paths.ids("tale") / "valid.npy", VALID)
    write_json(paths.counts("tale"), {"vocab": 5, "valid": {"tokens": 101, "characters": 400}})
    for key in ("tale-lstm", "tale-unigram"):
        block = params.model(key)
        folder = paths.model("tale", block.name)
        folder.mkdir(parents=True)
        checkpoint.save_config(folder, block, 5)
        for seed in block.seeds:
            torch.manual_seed(seed)
            trained = block.core == "lstm"
            model = build_model(block, 5) if trained else unigram.Counted.count(VALID, 5)
            checkpoint.save_weights(folder, seed, model)
        rows = (
            [(0, "ordered", 9.0, 0.1), (0, "ordered", 1.5, 0.75), (3, "ordered", 1.7, 0.85)]
            if trained
            else []
        )
        pd.DataFrame(rows, columns=COLUMNS).to_csv(folder / "history.csv", index=False)
    return tmp_path


def scores(name: str) -> dict[str, Any]:
    evaluate.main(f"tale-{name}")
    written: dict[str, Any] = json.loads(paths.scores("tale", name).read_text())
    return written


def test_a_trained_model_is_scored_seed_by_seed_and_held_against_its_notebook() -> None:
    found = scores("lstm")
    assert (found["corpus"], found["model"]) == ("tale", "lstm")
    assert found["parameters"] == 5 * 4 + 4 * 4 * (4 + 4 + 2) + 5 * 4 + 5
    assert [entry["seed"] for entry in found["seeds"]] == [0, 3]
    nats = []
    for entry in found["seeds"]:
        score = exact(checkpoint.load_model(paths.model("tale", "lstm"), entry["seed"]), VALID)
        assert entry["exact"] == score.figures(400)
        nats.append(score.nats)
    assert found["exact"]["nats"] == pytest.approx(sum(nats) / 2)
    assert found["exact"]["nats_sd"] == pytest.approx(abs(nats[0] - nats[1]) / math.sqrt(2))
    assert found["exact"]["tokens"] == 100
    assert found["as_notebook"] == pytest.approx(
        {"nats": 1.6, "nats_sd": math.sqrt(0.02), "accuracy": 0.8, "accuracy_sd": math.sqrt(0.005)}
    )
    assert found["notebook"] == {
        "id": "lm6-human_numbers", "nats": 1.168421, "accuracy": 0.753499, "source": "human numbers", "note": None
    }  # fmt: skip
    assert found["delta"] == pytest.approx({"nats": 1.6 - 1.168421, "accuracy": 0.8 - 0.753499})


def test_repetition_on_peoples_text_is_the_mean_over_seeds() -> None:
    found = scores("lstm")["repetition"]
    folder = paths.model("tale", "lstm")
    each = [
        repetition(token_scores(checkpoint.load_model(folder, seed), VALID).predicted, VALID)
        for seed in (0, 3)
    ]
    assert found == pytest.approx({name: (each[0][name] + each[1][name]) / 2 for name in each[0]})
    assert set(found) == {"rep_128", "wrep_128", "human_rep_128", "unique"}
    # the likeliest word comes at place 0 or later, so at 100 places of 101 a window of 128 reaches
    # back to the start
    unigram = scores("unigram")["repetition"]
    favourite = int(np.bincount(VALID).argmax())
    first = int(np.flatnonzero(favourite == VALID)[0])
    assert unigram["unique"] == 1
    assert unigram["rep_128"] == pytest.approx((100 - first) / 100)


def test_a_counted_model_has_exact_scores_alone() -> None:
    found = scores("unigram")
    assert found["parameters"] == 5
    assert found["exact"]["nats_sd"] is None
    assert (
        found["seeds"][0]["as_notebook"]
        is found["as_notebook"]
        is found["notebook"]
        is found["delta"]
        is None
    )


def test_a_model_that_was_not_trained_is_named_and_nothing_is_written(project: Path) -> None:
    (paths.model("tale", "lstm") / "seed3.safetensors").unlink()
    with pytest.raises(RecurrenceError, match="seed3.safetensors: no such seed"):
        evaluate.main("tale-lstm")
    assert not (project / "data/scores").exists()


def test_a_model_trained_on_a_slice_has_no_delta(project: Path) -> None:
    path = project / "params.yaml"
    path.write_text(PARAMS.replace("{batches: {loader", "{sample_tokens: 50, batches: {loader"))
    evaluate.main("tale-lstm")
    scores = json.loads(paths.scores("tale", "lstm").read_text())
    assert scores["delta"] is None and scores["notebook"]["nats"] == 1.168421
