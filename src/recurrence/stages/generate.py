"""Continue the corpus's prompts under every decoding strategy: models and validation ids in, samples out."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from recurrence import device, params, paths
from recurrence.console import progress, say
from recurrence.decoding.filters.contract import Setting
from recurrence.decoding.grid import Cell, Made, grid, make
from recurrence.decoding.loop.samples import Prompt
from recurrence.decoding.prompts import corpus_prompts, prompts_digest
from recurrence.decoding.strategies import build_strategy, setting_of
from recurrence.errors import RecurrenceError
from recurrence.files import atomic_path
from recurrence.model.checkpoint import load_config, load_model, seeds_in
from recurrence.vocab import Vocab


def main(key: str) -> None:
    asked = params.sampling(key)
    folder, sizes = paths.model(asked.corpus, asked.name), params.protocol()
    where = device.choose(params.load().compute, load_config(folder).hidden)
    vocab = Vocab.load(folder / "vocab.json")
    prompts = _prompts(asked.corpus, sizes.held_out, vocab)
    cells = _cells(asked, sizes.seeds, len(prompts), setting_of(asked, vocab, where))
    train_seeds = seeds_in(folder)[: sizes.checkpoints]
    if not cells or not train_seeds:
        raise RecurrenceError(_nothing(asked, folder))
    digest = prompts_digest(prompts)
    say(f"{key}: {len(cells)} samples of {len(prompts)} prompts (sha256 {digest[:16]})")
    tables = []
    with progress(key, len(train_seeds) * sum(cell.length for cell in cells), "tokens") as advance:
        for train_seed in train_seeds:
            # Double precision, and figures rounded, so that neither batch nor machine shows in what is written.
            model = load_model(folder, train_seed, where).double()
            made = make(
                model, cells, prompts, (train_seed, asked.corpus, asked.name, "generate"), advance
            )
            tables.append(_table(train_seed, cells, prompts, made, vocab))
    table = pd.concat(tables, ignore_index=True).assign(prompts_digest=digest)
    with atomic_path(paths.samples(asked.corpus, asked.name)) as path:
        table.to_parquet(path, index=False)
    for strategy, first in (
        table.groupby("strategy", sort=False)[["prompt", "text"]].first().iterrows()
    ):
        say(f"{strategy}: {first.prompt[-20:]!r} -> {first.text[:80]!r}")


def _prompts(corpus: str, held_out: int, vocab: Vocab) -> list[Prompt]:
    valid_ids = np.load(paths.ids(corpus) / "valid.npy", mmap_mode="r")
    return corpus_prompts(corpus, params.corpus(corpus).prompts, held_out, valid_ids, vocab)


def _cells(
    asked: params.Sampling, seeds: Sequence[int], prompts: int, where: Setting
) -> list[Cell]:
    blocks, lengths = params.strategies(), params.corpus(asked.corpus).prompts
    names = blocks if asked.strategies is None else asked.strategies
    strategies = [build_strategy(name, blocks[name], where) for name in names]
    return grid(strategies, prompts, seeds, lengths.length, lengths.long_length or lengths.length)


def _nothing(asked: params.Sampling, folder: Path) -> str:
    return (
        f"nothing to generate: {folder} holds no weights, or params.yaml no strategies for it, or neither protocol nor "
        f"corpora.{asked.corpus}.prompts anything to continue"
    )


def _table(
    train_seed: int,
    cells: Sequence[Cell],
    prompts: Sequence[Prompt],
    made: Sequence[Made],
    vocab: Vocab,
) -> pd.DataFrame:
    """A row per sample."""
    names = [cell.strategy.name for cell in cells]
    witnesses = [each.witness for each in made]
    return pd.DataFrame({
        "sample_id": [f"{name}/{c.prompt_id}/{train_seed}/{c.seed}" for name, c in zip(names, cells, strict=True)],
        "strategy": names,
        "prompt_id": [cell.prompt_id for cell in cells],
        "prompt": [vocab.decode(prompts[cell.prompt_id]) for cell in cells],
        "train_seed": train_seed,
        "sample_seed": [cell.seed for cell in cells],
        "ids": [each.ids_T.numpy().astype(np.int32) for each in made],
        "text": [vocab.decode(each.ids_T.tolist()) for each in made],
        "logprob_nats": np.array([each.logprob_nats for each in made]).round(6),
        "deterministic": [cell.strategy.deterministic for cell in cells],
        "uses_history": [cell.strategy.uses_history for cell in cells],
        "rescued": [each.rescued for each in made],
        "witness_period": pd.Series([each and each.period for each in witnesses], dtype="Int64"),
        "witness_gap": pd.Series([each and round(each.gap, 7) for each in witnesses], dtype="float64"),
    })  # fmt: skip
