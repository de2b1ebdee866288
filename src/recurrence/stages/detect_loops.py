"""detect_loops: samples, and the corpus's own ids -> a verdict and metrics for each, and rates per strategy."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from recurrence import loops, params, paths
from recurrence.console import say
from recurrence.errors import RecurrenceError
from recurrence.files import atomic_path, write_json
from recurrence.stages import run
from recurrence.vocab import Vocab

Parts = dict[str, NDArray[np.integer]]

WHOLE, REAL, TEXT = ("start", "period", "matched"), ("copies", "coverage"), ("unit", "attractor")
TYPES = dict.fromkeys(WHOLE, "Int64") | dict.fromkeys(REAL, "float64") | {"terminal": "boolean"}


def main(key: str) -> None:
    """Judge every sample of a model, and windows of human text of the samples' length beside them."""
    block, rule = params.model(key), params.load().loops
    vocab, length = Vocab.load(paths.vocab(block.corpus)), params.corpus(block.corpus).prompts.length
    human: Parts = {p: np.load(paths.ids(block.corpus) / f"{p}.npy", mmap_mode="r") for p in ("train", "valid")}
    floor = loops.measured_floor(loops.windows(human["train"], length), rule.floor[vocab.rule.unit], vocab.unk)
    texts = pd.concat([_samples(block), _windows(human, length, rule.human_windows, vocab)], ignore_index=True)
    verdicts = [loops.judge(ids, floor, vocab.unk) for ids in texts["ids"]]
    figures = [loops.measure(ids, text) for ids, text in zip(texts["ids"], texts["text"], strict=True)]

    table = pd.concat([texts[["sample_id", "strategy"]], pd.DataFrame(verdicts), pd.DataFrame(figures)], axis=1)
    table = table.astype(TYPES)
    for column in TEXT:
        table[column] = pd.Series([None if ids is None else vocab.decode(ids) for ids in table[column]], dtype="str")
    with atomic_path(paths.loops(block.corpus, block.name)) as path:
        table.to_parquet(path, index=False)

    counted = texts[~texts["sample_id"].str.startswith("human/train/")].groupby("strategy", sort=False).groups
    rates = {k: loops.rates([verdicts[i] for i in at], [figures[i] for i in at]) for k, at in counted.items()}
    rates.setdefault("human", loops.rates([], []))  # where the text is shorter than a sample
    found = {"floor": floor, "unit": vocab.unit, "length": length, "strategies": rates}
    write_json(paths.loop_rates(block.corpus, block.name), found)
    told = ", ".join(f"{name} {r['exact']}/{r['samples']}" for name, r in rates.items())
    say(f"detect_loops {key}: floor {floor} {vocab.unit}s; looping {told}")


def _samples(block: params.Model) -> pd.DataFrame:
    """What `generate` wrote: sample_id, strategy, ids, text."""
    path = paths.samples(block.corpus, block.name)
    try:
        return pd.read_parquet(path, columns=["sample_id", "strategy", "ids", "text"])
    except FileNotFoundError as error:
        raise RecurrenceError(f"{path}: no samples; run generate@{block.corpus}-{block.name}") from error


def _windows(human: Parts, length: int, at_most: int, vocab: Vocab) -> pd.DataFrame:
    """The corpus's own text as samples of a strategy called human: sample_id, strategy, ids, text."""
    rows = [
        (f"human/{part}/{i}", "human", ids, vocab.decode(ids))
        for part, text in human.items()
        for i, ids in enumerate(loops.windows(text, length, at_most))
    ]
    return pd.DataFrame(rows, columns=["sample_id", "strategy", "ids", "text"])


if __name__ == "__main__":
    run(main)
