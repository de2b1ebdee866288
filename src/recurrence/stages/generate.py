"""generate: a model's nets and validation ids -> samples of every strategy, and what each costs.

A first pass over all strategies, then as many more samples of those that may be recommended as it
takes to know. Prices are nats per token under the reference model. Killed at any time, it goes on
with the samples it has made; what a change of params or code leaves as it was is not made again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from recurrence import device, params, paths
from recurrence.console import progress, say
from recurrence.decoding.filters.contract import Setting
from recurrence.decoding.grid import Cell, Lengths, Made, grid
from recurrence.decoding.kept import Kept
from recurrence.decoding.loop.samples import Prompt
from recurrence.decoding.making import Maker
from recurrence.decoding.prompts import corpus_prompts, prompts_digest
from recurrence.decoding.strategies import build_strategy, setting_of
from recurrence.digests import strategy_digest
from recurrence.errors import RecurrenceError
from recurrence.files import atomic_path, md5, read_json, write_json
from recurrence.model import LanguageModel
from recurrence.model.checkpoint import load_config, load_model, seeds_in
from recurrence.study.calibration import detector_of
from recurrence.study.choice import Choice, Plan, decide, human_text
from recurrence.study.screening import Screening
from recurrence.vocab import Vocab

Row = dict[str, Any]


def main(key: str) -> None:
    """Sample a model; write the samples, and the reference nats of them and of people's text."""
    asked = params.sampling(key)
    folder, card = paths.model(asked.corpus, asked.name), read_json(paths.calibration(asked.corpus))
    where = device.choose(params.load().compute, load_config(folder).hidden)
    vocab, valid = Vocab.load(folder / "vocab.json"), np.load(paths.ids(asked.corpus) / "valid.npy")
    block = params.corpus(asked.corpus).prompts
    prompts = corpus_prompts(asked.corpus, block, valid, vocab)
    plan = Plan.of(seeds_in(folder), block, len(valid), params.load().protocol, vocab.rule.unit)
    if not plan.nets or not plan.first or not _names(asked):
        raise RecurrenceError(_nothing(asked, folder))
    known = setting_of(asked, vocab, where)
    reference = _reference(asked, where)
    screening = Screening(
        detector_of(card, vocab.unk), reference, where, vocab.decode, block.length
    )
    lengths = Lengths(block.length, block.long_length or block.length)
    maker = _maker(asked, prompts, plan.nets, known, where)
    sampled = _Sampled(maker, _strategies(asked, known), screening, lengths)
    rows = sampled.first(key, plan)
    people = screening.human(valid, params.load().loops.human_windows, block.prompt_tokens)
    recycling = [row["kind"] == "recycling" for row in people]
    human = human_text([row["reference_nats"] for row in people], recycling, card["bands"])
    if human is not None:
        say(_told(key, decide(rows, sampled.more, human, plan)))
    _write(asked, sampled, people, vocab, plan)


@dataclass
class _Sampled:
    """What has been sampled so far, and all it takes to go on."""

    maker: Maker
    strategies: dict[str, Any]
    screening: Screening
    lengths: Lengths
    made: dict[Cell, Made] = field(default_factory=dict)
    rows: dict[Cell, Row] = field(default_factory=dict)

    def first(self, key: str, plan: Plan) -> list[Row]:
        """The rows of the first pass."""
        names = list(self.strategies)
        cells = self._cells(names, plan.nets, plan.first)
        say(
            f"{key}: {len(cells)} samples: {len(names)} strategies, "
            f"{len(plan.nets)} nets, {len(plan.first)} prompts"
        )
        return self._rows(cells, key)

    def more(self, name: str, nets: Sequence[int], prompts: Sequence[int]) -> list[Row]:
        """The rows of further samples of one strategy."""
        return self._rows(self._cells([name], nets, prompts), name)

    def _cells(
        self, names: Sequence[str], nets: Sequence[int], prompts: Sequence[int]
    ) -> list[Cell]:
        strategies = [self.strategies[name] for name in names]
        return grid(strategies, nets, prompts, params.protocol().seeds, self.lengths)

    def _rows(self, cells: Sequence[Cell], title: str) -> list[Row]:
        with progress(title, sum(cell.length for cell in cells), "tokens") as advance:
            made = self.maker.samples(cells, advance)
        prompts = [np.array(self.maker.prompts[cell.prompt_id]) for cell in cells]
        screened = self.screening.rows(prompts, [each.ids_T.numpy() for each in made])
        known = [
            {"strategy": c.strategy.name, "train_seed": c.net, "prompt_id": c.prompt_id} | row
            for c, row in zip(cells, screened, strict=True)
        ]
        self.made |= zip(cells, made, strict=True)
        self.rows |= zip(cells, known, strict=True)
        return known


def _maker(
    asked: params.Sampling,
    prompts: Sequence[Prompt],
    nets: Sequence[int],
    known: Setting,
    where: torch.device,
) -> Maker:
    folder, blocks = paths.model(asked.corpus, asked.name), params.strategies()
    return Maker(
        nets={seed: load_model(folder, seed, where).double() for seed in nets},
        prompts=prompts,
        purpose=(asked.corpus, asked.name, "generate"),
        strategy_digests={n: _digest(asked, blocks[n], known) for n in _names(asked)},
        net_digests={seed: _net(folder, seed, where) for seed in nets},
        kept=Kept(paths.unfinished_samples(asked.corpus, asked.name)),
    )


def _names(asked: params.Sampling) -> list[str]:
    return list(params.strategies() if asked.strategies is None else asked.strategies)


def _strategies(asked: params.Sampling, known: Setting) -> dict[str, Any]:
    blocks = params.strategies()
    return {name: build_strategy(name, blocks[name], known) for name in _names(asked)}


def _reference(asked: params.Sampling, where: torch.device) -> LanguageModel:
    """The first net of the reference model."""
    folder = paths.model(asked.corpus, asked.reference)
    if not (seeds := seeds_in(folder)):
        raise RecurrenceError(
            f"{folder}: holds no weights, and {asked.name} needs it as its reference model; "
            "train it first"
        )
    return load_model(folder, seeds[0], where)


def _digest(asked: params.Sampling, block: params.Strategy, known: Setting) -> str:
    """Of all that a strategy's samples depend on but the nets' own weights, prompts and lengths."""
    models = params.load().models
    cores = {models[f"{asked.corpus}-{name}"].core for name in (asked.name, asked.amateur)}
    amateur = paths.model(asked.corpus, asked.amateur)
    weights = _file(amateur / f"seed{seeds_in(amateur)[0]}.safetensors")
    facts = (strategy_digest(block, sorted(cores)), known.bits, known.vocab.tokens, weights)
    return sha256(repr(facts).encode()).hexdigest()


def _net(folder: Path, seed: int, where: torch.device) -> str:
    """Of a net's weights, and of the numerics that it is computed in."""
    return f"{_file(folder / f'seed{seed}.safetensors')} {device.numerics_of(where)}"


def _file(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def _nothing(asked: params.Sampling, folder: Path) -> str:
    return (
        f"nothing to generate: {folder} holds no weights, or params.yaml no strategies for it, or "
        f"neither protocol nor corpora.{asked.corpus}.prompts anything to continue"
    )


def _told(key: str, choice: Choice) -> str:
    """What came of the choice, in a line."""
    tried = ", ".join(
        f"{trial.strategy} {trial.confirming.loops}/{trial.confirming.samples}"
        for trial in choice.tried
        if trial.confirming
    )
    outcome = choice.recommended or "none confirmed"
    return (
        f"generate {key}: recommended: {outcome}; samples that loop of those tried: {tried or '-'}"
    )


# ---------------------------------------------------------------- what is written


def _write(
    asked: params.Sampling, sampled: _Sampled, people: Sequence[Row], vocab: Vocab, plan: Plan
) -> None:
    """The samples and their reference nats; what was kept on the way is then reduced to these
    samples.
    """
    table = _table(sampled, vocab, plan)
    nats = [row["reference_nats"] for row in (*sampled.rows.values(), *people)]
    names = [cell.sample_id for cell in sampled.rows]
    names += [f"human/valid/{i}" for i in range(len(people))]
    files = (paths.samples, paths.reference_nats)
    tables = (table, pd.DataFrame({"sample_id": names, "reference_nats": nats}))
    with atomic_path(paths.samples_of(asked.corpus, asked.name)) as folder:
        folder.mkdir()
        for find, each in zip(files, tables, strict=True):
            each.to_parquet(folder / find(asked.corpus, asked.name).name, index=False)
        # Whoever depends on the folder depends on what it goes with.
        write_json(folder / "of.json", {"calibration": md5(paths.calibration(asked.corpus))})
    sampled.maker.kept.only({sampled.maker.key(cell) for cell in sampled.made})


def _table(sampled: _Sampled, vocab: Vocab, plan: Plan) -> pd.DataFrame:
    """A row per sample, strategy by strategy."""
    order = {name: place for place, name in enumerate(sampled.strategies)}
    cells = sorted(sampled.made, key=lambda cell: order[cell.strategy.name])
    made, prompts = [sampled.made[cell] for cell in cells], sampled.maker.prompts
    witnesses = [each.witness for each in made]
    return pd.DataFrame({
        "sample_id": [cell.sample_id for cell in cells],
        "strategy": [cell.strategy.name for cell in cells],
        "prompt_id": [cell.prompt_id for cell in cells],
        "prompt": [vocab.decode(prompts[cell.prompt_id]) for cell in cells],
        "train_seed": [cell.net for cell in cells],
        "sample_seed": [cell.seed for cell in cells],
        "fresh": [cell.prompt_id not in plan.first for cell in cells],
        "ids": [each.ids_T.numpy().astype(np.int32) for each in made],
        "text": [vocab.decode(each.ids_T.tolist()) for each in made],
        "logprob_nats": np.array([each.logprob_nats for each in made]).round(6),
        "deterministic": [cell.strategy.deterministic for cell in cells],
        "uses_history": [cell.strategy.uses_history for cell in cells],
        "rescued": [each.rescued for each in made],
        "witness_period": pd.Series([w and w.period for w in witnesses], dtype="Int64"),
        "witness_gap": pd.Series([w and round(w.gap, 7) for w in witnesses], dtype="float64"),
        "prompts_digest": prompts_digest(prompts),
    })  # fmt: skip
