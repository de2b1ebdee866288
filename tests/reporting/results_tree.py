"""A small project folder with the results of all stages before the report, made by rule: no training, no stage code.

Planted: `good` (two seeds, better than the counted floor) loops under greedy from character 5 on with period 4;
`poor` (one seed, worse than the floor) loops in half of its greedy samples; nothing loops under multinomial.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from recurrence.params import Tokens
from recurrence.reporting.results import ModelResults, Results
from recurrence.vocab import Vocab

LENGTH = 60
LETTERS = "<b>&a cdefghij"
PROMPTS = ["he said ", "& <i>so</i>", "for thos"]
STRATEGIES = ("greedy", "multinomial")
CORPUS = {
    "source": {"kind": "text", "addresses": ["toy.txt"]},
    "tokens": {"unit": "char"},
    "split": {"rule": "line_fraction"},
    "vocab": {"specials": []},
    "prompts": {"length": LENGTH},
}
RECIPE = {
    "batches": {"loader": "lanes", "size": 4, "bptt": 8},
    "phases": [{"epochs": 3, "schedule": {"kind": "constant", "lr": 0.01}, "optimizer": {}}],
}
MODELS: dict[str, dict[str, Any]] = {
    "good": {"core": "lstm", "hidden": 8, "seeds": [0, 1], "recipe": RECIPE, "notebook": "good-toy"},
    "poor": {"core": "rnn", "hidden": 8, "recipe": RECIPE},
    "uniform": {"core": "uniform"},
    "kneser_ney": {"core": "kneser_ney"},
}
NATS = {"good": [1.30, 1.34], "poor": [1.60], "uniform": [2.564949], "kneser_ney": [1.40]}
NOTEBOOK = {"id": "good-toy", "nats": 1.31, "accuracy": 0.60, "source": "a notebook"}


def build(root: Path, corpus: str = "toy") -> Path:
    """Write params.yaml and the data of every model of MODELS; returns root."""
    models = {f"{corpus}-{name}": {"corpus": corpus, "name": name, **block} for name, block in MODELS.items()}
    tree = {"corpora": {corpus: CORPUS}, "models": models, "strategies": {"greedy": {"pick": "argmax"}}}
    (root / "params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    counts = {"tokens": 8000, "characters": 8000, "unk": 2, "unk_rate": 0.00025, "lines": 90}
    _json(root / f"data/counts/{corpus}.json", {"vocab": len(set(LETTERS)), "train": counts, "valid": counts})
    for name in MODELS:
        _model(root, corpus, name)
    return root


def _model(root: Path, corpus: str, name: str) -> None:
    folder = root / f"data/models/{corpus}/{name}"
    Vocab(tuple(dict.fromkeys(LETTERS)), (), Tokens(unit="char")).save(folder / "vocab.json")
    history(name).to_csv(folder / "history.csv", index=False)
    _json(root / f"data/scores/{corpus}/{name}.json", scores(corpus, name))
    wall = {"train_seconds": 75.4, "device": "cpu: A Processor, 2 threads", "torch": "2.13.0", "python": "3.11.7"}
    wall |= {"parameters": 1234, "tokens_per_second": 5000.0, "started": "2020-01-02T03:04:05+00:00"}
    _json(root / f"data/wall/{corpus}/{name}.json", wall)
    samples, verdicts = texts(name)
    for kind, table in (("samples", samples), ("loops", verdicts)):
        path = root / f"data/{kind}/{corpus}/{name}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        table.to_parquet(path)
    _json(root / f"data/loops/{corpus}/{name}.json", rates(verdicts))


def history(name: str) -> pd.DataFrame:
    """Three epochs for each seed of a trained model, ending at the figure it is scored with; none for a baseline."""
    columns = ["seed", "protocol", "phase", "epoch", "lr", "train_nats", "valid_nats", "valid_accuracy", "valid_tokens"]
    if "recipe" not in MODELS[name]:
        return pd.DataFrame(columns=columns)
    rows = [
        (seed, "ordered", 0, epoch, 0.01, nats + 0.4 / epoch, nats + 0.3 * (3 - epoch), 0.3 + 0.1 * epoch, 7000)
        for seed, nats in enumerate(NATS[name])
        for epoch in (1, 2, 3)
    ]
    return pd.DataFrame(rows, columns=columns)


def scores(corpus: str, name: str) -> dict[str, Any]:
    """What evaluate writes: exact for all, as_notebook for trained models, a notebook's figure for `good`."""
    nats = NATS[name]
    mean, trained = float(np.mean(nats)), "recipe" in MODELS[name]
    spread = float(np.std(nats, ddof=1)) if len(nats) > 1 else None
    exact = {"bits_per_char": mean / np.log(2), "perplexity": float(np.exp(mean)), "accuracy": 0.55, "tokens": 7999}
    seeds = [{"seed": k, "exact": {"nats": value, **exact}, "as_notebook": None} for k, value in enumerate(nats)]
    ours = {"nats": mean + 0.001, "nats_sd": spread, "accuracy": 0.58, "accuracy_sd": spread and 0.01}
    compared = name == "good"
    return {
        "corpus": corpus,
        "model": name,
        "parameters": 1234 if trained else 99,
        "seeds": seeds,
        "exact": {"nats": mean, "nats_sd": spread, "accuracy_sd": spread and 0.01, **exact},
        "as_notebook": ours if trained else None,
        "notebook": NOTEBOOK if compared else None,
        "delta": {"nats": ours["nats"] - 1.31, "accuracy": -0.02} if compared else None,
    }


def texts(name: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Samples of three prompts under both strategies, and their verdicts with four human windows beside them."""
    letters = tuple(dict.fromkeys(LETTERS))
    looping = {"good": 3, "poor": 1}.get(name, 0)
    samples, verdicts = [], []
    for strategy in STRATEGIES:
        for prompt, text in enumerate(PROMPTS):
            sample_id = f"{strategy}/{prompt}/0/0"
            loops = strategy == "greedy" and prompt < looping
            ids = [0, 1, 2, 3, 5] + [4, 7, 8, 5] * 20 if loops else [(i * i + i // 7) % 13 for i in range(LENGTH)]
            ids = ids[:LENGTH]
            row = {"sample_id": sample_id, "strategy": strategy, "prompt_id": prompt, "prompt": text, "train_seed": 0}
            row |= {"sample_seed": 0, "ids": ids, "text": "".join(letters[i] for i in ids), "logprob_nats": -9.5}
            samples.append(row | {"deterministic": strategy == "greedy"})
            verdicts.append({"sample_id": sample_id, "strategy": strategy} | _verdict(loops))
    human = [{"sample_id": f"human/{part}/{i}", "strategy": "human"} for part in ("valid", "train") for i in (0, 1)]
    table = pd.DataFrame(verdicts + [row | _verdict(False) for row in human])
    whole = ["start", "period", "matched"]
    return pd.DataFrame(samples), table.astype(dict.fromkeys(whole, "Int64"))


def _verdict(loops: bool) -> dict[str, Any]:
    metrics = dict.fromkeys(("rep_1", "rep_2", "rep_3", "rep_4", "rep_8", "distinct_2", "distinct_4"), 0.25)
    metrics |= {"zlib_ratio": 1.9, "longest_repeat": 4.0, "length": LENGTH}
    if not loops:
        empty = dict.fromkeys(("start", "period", "copies", "matched", "coverage", "terminal", "unit", "attractor"))
        return {"kind": "none", **empty, **metrics}
    found = {"start": 5, "period": 4, "copies": 13.75, "matched": 51, "coverage": 51 / 60, "terminal": True}
    return {"kind": "exact", **found, "unit": "acd ", "attractor": " acd", **metrics}


def rates(verdicts: pd.DataFrame) -> dict[str, Any]:
    """The figures per strategy; the interval is made up, for the report only passes it on."""
    counted = verdicts[~verdicts["sample_id"].str.startswith("human/train/")]
    return {
        "floor": 40,
        "unit": "char",
        "length": LENGTH,
        "strategies": {str(k): _rates(rows) for k, rows in counted.groupby("strategy", sort=False)},
    }


def _rates(rows: pd.DataFrame) -> dict[str, Any]:
    exact = rows[rows["kind"] == "exact"]
    rate = len(exact) / len(rows)
    medians = {f"{k}_median": float(exact[c].median()) if len(exact) else None for k, c in _MEDIANS.items()}
    figures = {"samples": len(rows), "length": LENGTH, "exact": len(exact), "exact_rate": rate, "exact_lo": rate / 2}
    figures |= {
        "exact_hi": (1 + rate) / 2,
        "terminal_rate": rate,
        "coverage_mean": 0.5,
        "attractors": min(1, len(exact)),
    }
    same = ("rep_4", "rep_8", "distinct_2", "distinct_4", "zlib_ratio", "longest_repeat")
    return figures | medians | {column: float(rows[column].mean()) for column in same}


_MEDIANS = {"onset": "start", "period": "period", "copies": "copies"}


def model(results: Results, name: str) -> ModelResults:
    """One model of loaded results."""
    return next(m for m in results.models if m.name == name)


def changed(results: Results, name: str, **fields: Any) -> Results:
    """Loaded results with some fields of one model replaced."""
    return replace(results, models=tuple(replace(m, **fields) if m.name == name else m for m in results.models))


def _json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
