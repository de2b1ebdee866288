"""A small project folder with the results of all stages before the report, made by rule: no
training, no stage code.

Planted: `good` (two seeds, better than the counted floor) loops under greedy from character 5 on
with period 4, and in other ways under beams and a penalty; `poor` (one seed, worse than the floor)
loops in a third of its greedy samples and one of its top-p ones; nothing loops under multinomial.
Of the baselines only `kneser_ney` is sampled.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from recurrence.results.corpus import ModelResults, Results
from reporting import planted_samples
from reporting.planted_samples import LENGTH, LETTERS, LONG, STRATEGIES, texts

__all__ = [
    "LENGTH",
    "LONG",
    "MODELS",
    "STRATEGIES",
    "build",
    "card",
    "changed",
    "history",
    "model",
    "scores",
    "texts",
]

CORPUS = {
    "source": {"kind": "text", "addresses": ["toy.txt"]},
    "tokens": {"unit": "char"},
    "split": {"rule": "line_fraction"},
    "vocab": {"specials": []},
    "prompts": {"length": LENGTH, "long_length": LONG, "prompt_tokens": 8},
}
RECIPE = {
    "batches": {"loader": "lanes", "size": 4, "bptt": 8},
    "phases": [{"epochs": 3, "schedule": {"kind": "constant", "lr": 0.01}, "optimizer": {}}],
}
MODELS: dict[str, dict[str, Any]] = {
    "good": {
        "core": "lstm",
        "hidden": 8,
        "seeds": [0, 1],
        "recipe": "short",
        "notebook": "good-toy",
    },
    "poor": {"core": "rnn", "hidden": 8, "recipe": "short"},
    "uniform": {"core": "uniform", "recipe": "counted"},
    "kneser_ney": {"core": "kneser_ney", "recipe": "counted"},
}
SAMPLED: dict[str, dict[str, Any]] = {
    "good": {"reference": "poor", "amateur": "poor"},
    "poor": {"reference": "good", "amateur": "good"},
    "kneser_ney": {
        "reference": "good",
        "amateur": "poor",
        "strategies": list(planted_samples.COUNTED),
    },
}
NATS = {"good": [1.30, 1.34], "poor": [1.60], "uniform": [2.564949], "kneser_ney": [1.40]}
NOTEBOOK = {"id": "good-toy", "nats": 1.31, "accuracy": 0.60, "source": "a notebook"}


def build(root: Path, corpus: str = "toy") -> Path:
    """Write params.yaml and the data of every model of MODELS; returns root."""
    models = {
        f"{corpus}-{name}": {"corpus": corpus, "name": name, **block}
        for name, block in MODELS.items()
    }
    sampling = {
        f"{corpus}-{name}": {"corpus": corpus, "name": name, **block}
        for name, block in SAMPLED.items()
    }
    tree = {
        "corpora": {corpus: CORPUS},
        "recipes": {"short": RECIPE, "counted": {}},
        "models": models,
        "sampling": sampling,
        "strategies": STRATEGIES,
        "protocol": {"size": "small", "small": {}, "reference": "multinomial"},
    }
    (root / "params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    counts = {"tokens": 8000, "characters": 8000, "unk": 2, "unk_rate": 0.00025, "lines": 90}
    _json(
        root / f"data/counts/{corpus}.json",
        {"vocab": len(set(LETTERS)), "train": counts, "valid": counts},
    )
    _json(root / f"data/loops/{corpus}/calibration.json", card())
    for name in MODELS:
        _model(root, corpus, name)
    return root


def _model(root: Path, corpus: str, name: str) -> None:
    folder = root / f"data/models/{corpus}/{name}"
    planted_samples.vocab().save(folder / "vocab.json")
    history(name).to_csv(folder / "history.csv", index=False)
    _json(root / f"data/scores/{corpus}/{name}.json", scores(corpus, name))
    if name not in SAMPLED:
        return
    samples, verdicts = texts(name)
    prices = verdicts.loc[verdicts["reference_nats"].notna(), ["sample_id", "reference_nats"]]
    made = {
        f"samples/{corpus}/{name}/samples": samples,
        f"samples/{corpus}/{name}/reference_nats": prices,
        f"loops/{corpus}/{name}/verdicts": verdicts,
    }
    for place, table in made.items():
        path = root / f"data/{place}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        table.to_parquet(path)
    rates = planted_samples.rates(verdicts) | {"reference": SAMPLED[name]["reference"]}
    rates["choice"] = planted_samples.choice(name)
    _json(root / f"data/loops/{corpus}/{name}/rates.json", rates)


def history(name: str) -> pd.DataFrame:
    """Three epochs for each seed of a trained model, ending at the figure it is scored with; none
    for a baseline.
    """
    columns = [
        "seed",
        "protocol",
        "phase",
        "epoch",
        "lr",
        "train_nats",
        "valid_nats",
        "valid_accuracy",
        "valid_tokens",
    ]
    if MODELS[name]["recipe"] == "counted":
        return pd.DataFrame(columns=columns)
    rows = [
        (
            seed,
            "ordered",
            0,
            epoch,
            0.01,
            nats + 0.4 / epoch,
            nats + 0.3 * (3 - epoch),
            0.3 + 0.1 * epoch,
            7000,
        )
        for seed, nats in enumerate(NATS[name])
        for epoch in (1, 2, 3)
    ]
    return pd.DataFrame(rows, columns=columns)


def scores(corpus: str, name: str) -> dict[str, Any]:
    """What evaluate writes: exact for all, as_notebook for trained models, a notebook's figure for
    `good`.
    """
    nats = NATS[name]
    mean, trained = float(np.mean(nats)), MODELS[name]["recipe"] != "counted"
    spread = float(np.std(nats, ddof=1)) if len(nats) > 1 else None
    exact = {
        "bits_per_char": mean / np.log(2),
        "perplexity": float(np.exp(mean)),
        "accuracy": 0.55,
        "tokens": 7999,
    }
    seeds = [
        {"seed": k, "exact": {"nats": value, **exact}, "as_notebook": None}
        for k, value in enumerate(nats)
    ]
    ours = {
        "nats": mean + 0.001,
        "nats_sd": spread,
        "accuracy": 0.58,
        "accuracy_sd": spread and 0.01,
    }
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
        "repetition": {"rep_128": 0.93, "wrep_128": 0.42, "human_rep_128": 0.91},
    }


def card() -> dict[str, Any]:
    """What calibrate writes: measured floors, false positives, planted recall, human bands."""
    detector = {
        "floor": 40,
        "near_floor": 59,
        "near_delta": 0.4,
        "rep_n": 8,
        "rep_limit": 0.2,
        "zlib_limit": 2.1,
    }
    recall = {
        "exact_above_floor": {"found": 36, "trials": 36},
        "near_05": {"found": 47, "trials": 48},
    }
    return {
        "unit": "char",
        "length": LENGTH,
        "detector": detector,
        "default_floor": 40,
        "human": {
            "train": planted_samples.false_positives(120),
            "valid": planted_samples.false_positives(40),
        },
        "planted": planted_samples.planted(),
        "recall": recall | {"near_10": {"found": 42, "trials": 48}},
        "bands": planted_samples.bands(),
    }


def model(results: Results, name: str) -> ModelResults:
    """One model of loaded results."""
    return next(m for m in results.models if m.name == name)


def changed(results: Results, name: str, **fields: Any) -> Results:
    """Loaded results with some fields of one model replaced."""
    return replace(
        results, models=tuple(replace(m, **fields) if m.name == name else m for m in results.models)
    )


def _json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")
