"""Continue the corpus's prompts under every decoding strategy: models and validation ids in, samples out."""

import numpy as np
import pandas as pd

from recurrence import device, params, paths
from recurrence.checkpoint import load_model, seeds_in
from recurrence.console import progress, say
from recurrence.decoding.prompts import corpus_prompts
from recurrence.decoding.sampling import Row, sample
from recurrence.decoding.strategies import build_strategy
from recurrence.errors import RecurrenceError
from recurrence.files import atomic_path
from recurrence.randomness import generator
from recurrence.stages import run
from recurrence.vocab import Vocab


def main(key: str) -> None:
    block = params.model(key)
    asked = params.corpus(block.corpus).prompts
    folder = paths.model(block.corpus, block.name)
    vocab = Vocab.load(folder / "vocab.json")
    valid_ids = np.load(paths.ids(block.corpus) / "valid.npy", mmap_mode="r")
    prompts = corpus_prompts(block.corpus, asked, valid_ids, vocab)
    samplers = [build_strategy(name, strategy, vocab) for name, strategy in params.strategies().items()]
    train_seeds = seeds_in(folder)[: asked.checkpoints]
    grid = [
        (sampler, prompt_id, sample_seed)
        for sampler in samplers
        for prompt_id in range(len(prompts))
        for sample_seed in (asked.seeds[:1] if sampler.deterministic else asked.seeds)
    ]
    if not grid or not train_seeds:
        raise RecurrenceError(
            f"nothing to generate: {folder} holds no weights, or params.yaml no strategies, or corpora.{block.corpus}"
            ".prompts no seeds or nothing to continue"
        )
    where = device.choose(params.load().compute, block.hidden)
    tables = []
    with progress(key, len(train_seeds) * len(grid) * asked.length, "tokens") as advance:
        for train_seed in train_seeds:
            purpose = (train_seed, block.corpus, block.name, "generate")
            rows = [Row(prompts[p], sampler, generator(*purpose, sampler.name, p, s)) for sampler, p, s in grid]
            # Double precision, and figures rounded, so that neither batch nor machine shows in what is written.
            model = load_model(folder, train_seed, where).double()
            ids_BT, logprob_B = sample(model, rows, asked.length, advance)
            tables.append(pd.DataFrame({
                "sample_id": [f"{sampler.name}/{p}/{train_seed}/{s}" for sampler, p, s in grid],
                "strategy": [sampler.name for sampler, _, _ in grid],
                "prompt_id": [p for _, p, _ in grid],
                "prompt": [vocab.decode(prompts[p]) for _, p, _ in grid],
                "train_seed": train_seed,
                "sample_seed": [s for _, _, s in grid],
                "ids": list(ids_BT.numpy().astype(np.int32)),
                "text": [vocab.decode(ids) for ids in ids_BT.tolist()],
                "logprob_nats": logprob_B.numpy().round(6),
                "deterministic": [sampler.deterministic for sampler, _, _ in grid],
            }))  # fmt: skip
    table = pd.concat(tables, ignore_index=True)
    with atomic_path(paths.samples(block.corpus, block.name)) as path:
        table.to_parquet(path, index=False)
    for strategy, first in table.groupby("strategy", sort=False)[["prompt", "text"]].first().iterrows():
        say(f"{strategy}: {first.prompt[-20:]!r} -> {first.text[:80]!r}")


if __name__ == "__main__":
    run(main)
