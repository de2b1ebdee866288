"""All results of one corpus, read from the files that the stages wrote; absent ones are named, never dropped."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from recurrence import files, params, paths
from recurrence.vocab import Vocab

HUMAN = "human"
"""The strategy under which text of the corpus itself is counted."""


@dataclass(frozen=True)
class ModelResults:
    """One model: what `evaluate`, `train`, `generate` and `detect_loops` left of it."""

    name: str
    counts: bool
    """A baseline that counts: it has no recipe and no curves."""
    net: str
    """What it is made of: core, layers x hidden units; empty for a baseline."""
    scores: dict[str, Any]
    wall: dict[str, Any]
    history: pd.DataFrame
    samples: pd.DataFrame
    """A row per sample, with its verdict; no human text."""
    rates: dict[str, dict[str, Any]]
    """Per strategy, and HUMAN."""
    tokens: tuple[str, ...]
    """Of the model's vocabulary, by id."""
    absent: tuple[str, ...]
    """What could not be found: scores, wall, samples, loops."""
    remarks: tuple[str, ...] = ()
    """What to know before its figures are compared."""

    @property
    def seeds(self) -> int:
        """How many training seeds were scored."""
        return len(self.scores["seeds"])


@dataclass(frozen=True)
class Results:
    """One corpus: its counts and its models, in the order of params.yaml."""

    corpus: str
    unit: str
    """char or word."""
    counts: dict[str, Any]
    models: tuple[ModelResults, ...]
    """Those that have scores."""
    missing: tuple[str, ...]
    """Names of the models that have none."""
    floor: int | None
    """Matched tokens below which a repetition is no loop."""
    sample: params.Sample | None = None
    """How much of the corpus was used, if not all."""

    @property
    def trained(self) -> list[ModelResults]:
        return [m for m in self.models if not m.counts]

    @property
    def baselines(self) -> list[ModelResults]:
        return [m for m in self.models if m.counts]

    @cached_property
    def best(self) -> ModelResults | None:
        """The trained model of the least exact nats."""
        return min(self.trained, key=exact_nats, default=None)

    @cached_property
    def to_beat(self) -> ModelResults | None:
        """The baseline of the least exact nats: the floor that a recurrent model must beat."""
        return min(self.baselines, key=exact_nats, default=None)

    @cached_property
    def human(self) -> dict[str, Any]:
        """Figures of the corpus's own text, in windows of the samples' length; empty where there are none."""
        return next((m.rates[HUMAN] for m in self.models if m.rates.get(HUMAN, {}).get("samples")), {})

    @cached_property
    def strategies(self) -> list[str]:
        """Every strategy that some model was sampled with, in their order; without HUMAN."""
        found = dict.fromkeys(name for m in self.models for name in m.rates)
        return [name for name in found if name != HUMAN]

    @cached_property
    def samples(self) -> pd.DataFrame:
        """The samples of all trained models, with a column `model`."""
        tables = [m.samples.assign(model=m.name) for m in self.trained if len(m.samples)]
        return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["model", "strategy", "kind"])


def exact_nats(model: ModelResults) -> float:
    """Mean over seeds of the exact loss."""
    return float(model.scores["exact"]["nats"])


def load(corpus: str) -> Results:
    """Read what there is of a corpus; an unknown corpus or broken file is a RecurrenceError."""
    unit = params.corpus(corpus).tokens.unit
    blocks = params.models_of(corpus).values()
    scored = [block for block in blocks if paths.scores(corpus, block.name).is_file()]
    models = tuple(_model(block) for block in scored)
    rates = [paths.loop_rates(corpus, m.name) for m in models if "loops" not in m.absent]
    return Results(
        corpus=corpus,
        unit=unit,
        counts=files.read_json(paths.counts(corpus)),
        models=models,
        missing=tuple(block.name for block in blocks if block not in scored),
        floor=files.read_json(rates[0])["floor"] if rates else None,
        sample=params.corpus(corpus).sample,
    )


def _model(block: params.Model) -> ModelResults:
    where = (block.corpus, block.name)
    places = {
        "training": paths.model(*where) / "history.csv",
        "wall": paths.wall(*where),
        "samples": paths.samples(*where),
        "loops": paths.loop_rates(*where),
    }
    found = {what: path for what, path in places.items() if path.is_file()}
    vocab = paths.model(*where) / "vocab.json"
    scores = files.read_json(paths.scores(*where))
    return ModelResults(
        name=block.name,
        counts=block.recipe is None,
        net=_net(block),
        scores=scores,
        wall=files.read_json(found["wall"]) if "wall" in found else {},
        history=pd.read_csv(found["training"]) if "training" in found else pd.DataFrame(columns=["protocol"]),
        samples=_samples(found["samples"], paths.loops(*where)) if {"samples", "loops"} <= set(found) else _none(),
        rates=files.read_json(found["loops"])["strategies"] if "loops" in found else {},
        tokens=Vocab.load(vocab).tokens if vocab.is_file() else (),
        absent=tuple(what for what in places if what not in found),
        remarks=tuple(_remarks(block, scores)),
    )


def _remarks(block: params.Model, scores: dict[str, Any]) -> Iterator[str]:
    if block.recipe and block.recipe.sample_tokens:
        yield f"trained on the first {block.recipe.sample_tokens:,} tokens only, so not to be held against the notebook"
    if scores["notebook"] and scores["notebook"].get("note"):
        yield scores["notebook"]["note"]


def _net(block: params.Model) -> str:
    if block.recipe is None:
        return ""
    sizes = f" {block.layers} × {block.hidden}" if block.hidden else ""
    return f"{block.core}{sizes}{', tied' if block.tied else ''}"


def _samples(texts: Path, verdicts: Path) -> pd.DataFrame:
    """Texts beside their verdicts; the windows of human text, which have no sample, fall away."""
    loops = pd.read_parquet(verdicts).drop(columns="strategy")
    return pd.read_parquet(texts).merge(loops, on="sample_id", how="inner", validate="one_to_one")


def _none() -> pd.DataFrame:
    return pd.DataFrame(columns=["strategy", "kind"])
