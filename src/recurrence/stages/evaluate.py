"""Score every seed of a model: exactly on the whole validation stream, beside it what its
notebook's loader gave.

And how much of what it predicts there stood just before (`repetition`), as the mean over seeds.
"""

from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd

from recurrence import device, notebooks, params, paths, scoring
from recurrence.console import say
from recurrence.files import read_json, write_json
from recurrence.model.checkpoint import load_model
from recurrence.study.teacher_forced import repetition


def main(key: str) -> None:
    block = params.model(key)
    printed = notebooks.printed(block.notebook) if block.notebook else None
    folder, where = (
        paths.model(block.corpus, block.name),
        device.choose(params.load().compute, block.hidden),
    )
    ids = np.load(paths.ids(block.corpus) / "valid.npy", mmap_mode="r")
    characters = read_json(paths.counts(block.corpus))["valid"]["characters"]
    history = pd.read_csv(folder / "history.csv")
    seeds: list[dict[str, Any]] = []
    figures: list[dict[str, float]] = []
    repeating: list[dict[str, float]] = []
    for seed in block.seeds:
        model = load_model(folder, seed, where)
        tokens = scoring.token_scores(model, ids, device=where)
        score = tokens.total()
        repeating.append(repetition(tokens.predicted, ids))
        say(
            f"{key} seed {seed}: {score.nats:.4f} nats, accuracy {score.accuracy:.4f}, "
            f"{score.targets:,} tokens"
        )
        row = scoring.as_notebook(history, seed)
        figures.append(score.figures(characters))
        seeds.append({"seed": seed, "exact": scoring.in_json(figures[-1]), "as_notebook": row})
    scores: dict[str, Any] = {
        "corpus": block.corpus,
        "model": block.name,
        "parameters": scoring.size(model),
        "seeds": seeds,
    }
    scores["exact"] = scoring.in_json(scoring.mean(figures))
    ours = (
        scoring.mean([entry["as_notebook"] for entry in seeds]) if seeds[0]["as_notebook"] else None
    )
    theirs = {"id": block.notebook, **printed.figures()} if printed else None
    sampled = (
        block.recipe is not None and block.recipe.sample_tokens is not None
    )  # so not the notebook's training
    delta = None if sampled else scoring.delta(ours, theirs)
    scores |= {"as_notebook": ours, "notebook": theirs, "delta": delta}
    scores["repetition"] = {name: fmean(each[name] for each in repeating) for name in repeating[0]}
    write_json(paths.scores(block.corpus, block.name), scores)
