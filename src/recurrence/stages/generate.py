"""Continue the corpus's prompts under every decoding strategy: models and validation ids in, samples out."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

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

TEXT, NUMBER = pa.string(), pa.int64()
SCHEMA = pa.schema({
    "sample_id": TEXT, "strategy": TEXT, "prompt_id": NUMBER, "prompt": TEXT, "train_seed": NUMBER,
    "sample_seed": NUMBER, "ids": pa.list_(pa.int32()), "text": TEXT, "logprob_nats": pa.float64(),
    "deterministic": pa.bool_(),
})  # fmt: skip


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
    where = device.choose(params.load().compute)
    records = []
    with progress(key, len(train_seeds) * len(grid) * asked.length, "tokens") as advance:
        for train_seed in train_seeds:
            purpose = (train_seed, block.corpus, block.name, "generate")
            rows = [Row(prompts[p], sampler, generator(*purpose, sampler.name, p, s)) for sampler, p, s in grid]
            # Double precision, so that rounding, which varies with batch and device, does not decide what is drawn.
            model = load_model(folder, train_seed, where).double()
            ids_BT, logprob_B = sample(model, rows, asked.length, advance)
            for (sampler, p, s), ids, logprob in zip(grid, ids_BT.tolist(), logprob_B.tolist(), strict=True):
                name = f"{sampler.name}/{p}/{train_seed}/{s}"
                origin = (sampler.name, p, vocab.decode(prompts[p]), train_seed, s)
                values = (name, *origin, ids, vocab.decode(ids), logprob, sampler.deterministic)
                records.append(dict(zip(SCHEMA.names, values, strict=True)))
    with atomic_path(paths.samples(block.corpus, block.name)) as path:
        pq.write_table(pa.Table.from_pylist(records, SCHEMA), path)
    firsts = {record["strategy"]: record for record in reversed(records)}
    for sampler in samplers:
        first = firsts[sampler.name]
        say(f"{sampler.name}: {first['prompt'][-20:]!r} -> {first['text'][:80]!r}")


if __name__ == "__main__":
    run(main)
