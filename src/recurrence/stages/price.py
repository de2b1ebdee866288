"""price: samples, and the corpus's own text -> what each costs under another model of the corpus (its first seed)."""

import numpy as np
import pandas as pd

from recurrence import device, params, paths
from recurrence.console import progress, say
from recurrence.decoding.prompts import corpus_prompts, prompts_digest
from recurrence.errors import RecurrenceError
from recurrence.files import atomic_path
from recurrence.loops import windows
from recurrence.model.checkpoint import load_config, load_model, seeds_in
from recurrence.pricing import Text, prices
from recurrence.vocab import Vocab

COLUMNS = ["sample_id", "strategy", "prompt_id", "ids", "prompts_digest"]


def main(key: str) -> None:
    asked = params.sampling(key)
    folder = paths.model(asked.corpus, asked.judge)
    if not (seeds := seeds_in(folder)):
        raise RecurrenceError(
            f"{folder}: holds no weights, and {key} needs it as its judge; train it first"
        )
    samples, human = _samples(asked), _human(asked.corpus)
    texts = pd.concat([samples, human], ignore_index=True)
    where = device.choose(params.load().compute, load_config(folder).hidden)
    judge = load_model(folder, seeds[0], where)
    with progress(
        f"{key} under {asked.judge}", sum(len(text.whole) for text in texts["text"]), "tokens"
    ) as advance:
        texts["judge_nats"] = prices(judge, texts["text"].tolist(), where, advance)
    with atomic_path(paths.prices(asked.corpus, asked.name)) as path:
        texts[["sample_id", "judge_nats"]].to_parquet(path, index=False)
    means = texts.groupby("strategy", sort=False)["judge_nats"].mean().sort_values().to_dict()
    names = dict.fromkeys((next(iter(means)), "human", next(reversed(means))))
    told = ", ".join(f"{name} {means[name]:.3f}" for name in names)
    say(
        f"price {key}: nats per token under {asked.judge}, from the cheapest to the dearest: {told}"
    )


def _samples(asked: params.Sampling) -> pd.DataFrame:
    """What `generate` wrote, each sample's first `length` tokens with its prompt: sample_id, strategy, text."""
    path = paths.samples(asked.corpus, asked.name)
    try:
        table = pd.read_parquet(path, columns=COLUMNS)
    except FileNotFoundError as error:
        raise RecurrenceError(
            f"{path}: no samples; run generate@{asked.corpus}-{asked.name}"
        ) from error
    block, vocab = params.corpus(asked.corpus).prompts, Vocab.load(paths.vocab(asked.corpus))
    prompts = corpus_prompts(
        asked.corpus, block, params.protocol().held_out, _valid(asked.corpus), vocab
    )
    if set(table["prompts_digest"]) != {prompts_digest(prompts)}:
        raise RecurrenceError(
            f"{path}: continues other prompts; run generate@{asked.corpus}-{asked.name} again"
        )
    pairs = zip(table["prompt_id"], table["ids"], strict=True)
    texts = [Text(np.array(prompts[prompt]), ids[: block.length]) for prompt, ids in pairs]
    return table[["sample_id", "strategy"]].assign(text=pd.Series(texts, dtype=object))


def _human(corpus: str) -> pd.DataFrame:
    """The windows of validation text that `detect_loops` judges, each after what stands before it."""
    block, ids = params.corpus(corpus).prompts, _valid(corpus)
    places = windows(np.arange(len(ids)), block.length, params.load().loops.human_windows)
    texts = [
        Text(ids[max(place[0] - block.prompt_tokens, 0) : place[0]], ids[place]) for place in places
    ]
    names = [f"human/valid/{i}" for i in range(len(texts))]
    return pd.DataFrame({"sample_id": names, "strategy": "human", "text": texts})


def _valid(corpus: str) -> np.ndarray:
    ids: np.ndarray = np.load(paths.ids(corpus) / "valid.npy")
    return ids
