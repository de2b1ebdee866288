"""All results of one corpus, read from the files that the stages wrote; absent ones are named,
never dropped.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from recurrence import files, params, paths
from recurrence.loops.verdict import LOOPS
from recurrence.results.recommended import Band, Choice, band_of, choice_of
from recurrence.vocab import Vocab

HUMAN = "human"
"""The strategy under which text of the corpus itself is counted."""
UNKNOWN = "unknown"
FAMILIES = {
    "greedy": "the likeliest token",
    "greedy with filters": "the likeliest token after filters and penalties",
    "search": "search for likely text",
    "pure sampling": "pure sampling",
    "truncated sampling": "sampling after filters and penalties",
    UNKNOWN: "no longer in params.yaml",
}
"""Families of strategies, in the order in which they are shown, in words."""


@dataclass(frozen=True)
class ModelResults:
    """One model: what `evaluate`, `train`, `generate` and `detect_loops` left of it."""

    name: str
    counts: bool
    """A baseline that counts: it has no recipe and no curves."""
    net: str
    """What it is made of: core, layers x hidden units; empty for a baseline."""
    scores: dict[str, Any]
    history: pd.DataFrame
    samples: pd.DataFrame
    """A row per sample of the first pass, with its verdict; no human text."""
    human_nats: tuple[float, ...]
    """What each window of the validation text costs under the reference model, in nats per
    token.
    """
    loops: dict[str, Any]
    """What detect_loops says beside the rates: length, prompts_digest, reference (model), choice;
    empty where it has not run.
    """
    rates: dict[str, dict[str, Any]]
    """Per strategy, and HUMAN."""
    tokens: tuple[str, ...]
    """The text of each token of the model's vocabulary, by id."""
    config: dict[str, Any]
    """What the weights were made with, its block of params.yaml among it; empty where there are
    none.
    """
    absent: tuple[str, ...]
    """What could not be found: training, and for a model that is sampled samples, loops, reference
    nats.
    """
    remarks: tuple[str, ...] = ()
    """What to know before its figures are compared."""

    @cached_property
    def band(self) -> Band | None:
        """Where most human text lies; None where there is no human text with its nats."""
        return band_of(self.human_nats)

    @cached_property
    def choice(self) -> Choice | None:
        """The recommended setting, or what comes nearest; None where that is not known."""
        return choice_of(self.loops.get("choice"), self.band)

    @property
    def seeds(self) -> int:
        """How many training seeds were scored."""
        return len(self.scores["seeds"])


@dataclass(frozen=True)
class Results:
    """One corpus: its counts and its models, in the order of params.yaml."""

    corpus: str
    unit: str
    """char, word or subword."""
    counts: dict[str, Any]
    models: tuple[ModelResults, ...]
    """Those that have scores."""
    missing: tuple[str, ...]
    """Names of the models that have none."""
    floor: int | None
    """Matched tokens below which a repetition is no loop."""
    card: dict[str, Any] | None
    """The detector card; None where there is none yet."""
    blocks: dict[str, params.Strategy]
    """The strategies of params.yaml."""
    prompts: params.Prompts
    reference: str | None = None
    """The strategy with which the others are compared."""
    sample: params.Sample | None = None
    """How much of the corpus was used, if not all."""
    about: str = ""
    """What the page says at its head where it is of no corpus of the project; empty where it is."""

    @property
    def edited_floor(self) -> int | None:
        """The same for copies that differ; None where it is the same, or there is no card."""
        near: int | None = self.card["detector"]["near_floor"] if self.card else self.floor
        return None if near == self.floor else near

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
        """Figures of the corpus's own text, in windows of the samples' length; empty where there
        are none.
        """
        return next(
            (m.rates[HUMAN] for m in self.models if m.rates.get(HUMAN, {}).get("samples")), {}
        )

    @cached_property
    def strategies(self) -> list[str]:
        """Every strategy that some model was sampled with, by family; without HUMAN."""
        found = dict.fromkeys(name for m in self.models for name in m.rates if name != HUMAN)
        return sorted(found, key=lambda name: list(FAMILIES).index(self.family(name)))

    def plain(self, model: ModelResults) -> list[str]:
        """The strategies that a reader knows: the likeliest token, and pure sampling; those that
        there are.
        """
        pure = self.reference
        if pure not in model.rates:
            pure = self._first(model, "pure sampling")
        return [name for name in (self._first(model, "greedy"), pure) if name is not None]

    def _first(self, model: ModelResults, family: str) -> str | None:
        return next((name for name in model.rates if self.family(name) == family), None)

    def family(self, strategy: str) -> str:
        """One of FAMILIES."""
        block = self.blocks.get(strategy)
        return block.family if block else UNKNOWN

    @cached_property
    def samples(self) -> pd.DataFrame:
        """The samples of all trained models, with a column `model`."""
        tables = [m.samples.assign(model=m.name) for m in self.trained if len(m.samples)]
        return pd.concat(tables, ignore_index=True) if tables else _none().assign(model=[])

    @cached_property
    def loops(self) -> pd.DataFrame:
        """Those of them that loop, exactly or nearly."""
        return self.samples[self.samples["kind"].isin(LOOPS)]


def exact_nats(model: ModelResults) -> float:
    """Mean over seeds of the exact loss."""
    return float(model.scores["exact"]["nats"])


def load(corpus: str, samples_of_each: int | None = None) -> Results:
    """Read what there is of a corpus; an unknown corpus or broken file is a RecurrenceError.

    `samples_of_each`: how many samples of each strategy are read; all of the first pass where it is
    None.
    """
    unit = params.corpus(corpus).tokens.unit
    blocks = params.models_of(corpus).values()
    scored = [block for block in blocks if paths.scores(corpus, block.name).is_file()]
    sampled = {block.name for block in params.sampled_of(corpus).values()}
    models = tuple(_model(block, block.name in sampled, samples_of_each) for block in scored)
    card = paths.calibration(corpus)
    return Results(
        corpus=corpus,
        unit=unit,
        counts=files.read_json(paths.counts(corpus)),
        models=models,
        missing=tuple(block.name for block in blocks if block not in scored),
        floor=next((m.loops["floor"] for m in models if m.loops), None),
        card=files.read_json(card) if card.is_file() else None,
        blocks=params.strategies(),
        prompts=params.corpus(corpus).prompts,
        reference=params.load().protocol.reference,
        sample=params.corpus(corpus).sample,
    )


def _model(block: params.Model, sampled: bool, samples_of_each: int | None) -> ModelResults:
    where = (block.corpus, block.name)
    places = {"training": paths.model(*where) / "history.csv"}
    if sampled:
        places |= {"samples": paths.samples(*where), "loops": paths.rates(*where)}
    found = {what: path for what, path in places.items() if path.is_file()}
    if not paths.verdicts(*where).is_file():
        found.pop("loops", None)  # rates without the verdicts behind them
    vocab, config = (paths.model(*where) / name for name in ("vocab.json", "config.json"))
    scores = files.read_json(paths.scores(*where))
    loops = files.read_json(found["loops"]) if "loops" in found else {}
    both = {"samples", "loops"} <= set(found)
    samples = _none()
    human_nats: tuple[float, ...] = ()
    if both:
        samples = _samples(found["samples"], paths.verdicts(*where), samples_of_each)
        human_nats = _human_nats(paths.verdicts(*where))
    unpriced = both and samples["reference_nats"].isna().all()
    return ModelResults(
        name=block.name,
        counts=block.recipe is None,
        net=_net(block),
        scores=scores,
        history=pd.read_csv(found["training"])
        if "training" in found
        else pd.DataFrame(columns=["protocol"]),
        samples=samples,
        human_nats=human_nats,
        loops={name: value for name, value in loops.items() if name != "strategies"},
        rates=loops.get("strategies", {}),
        tokens=Vocab.load(vocab).spellings if vocab.is_file() else (),
        config=files.read_json(config) if config.is_file() else {},
        absent=(
            *(what for what in places if what not in found),
            *(["reference nats"] if unpriced else []),
        ),
        remarks=tuple(_remarks(block, scores)),
    )


def _remarks(block: params.Model, scores: dict[str, Any]) -> Iterator[str]:
    if block.recipe and block.recipe.sample_tokens:
        yield (
            f"trained on the first {block.recipe.sample_tokens:,} tokens only, so not to be held "
            f"against the notebook"
        )
    if scores["notebook"] and scores["notebook"].get("note"):
        yield scores["notebook"]["note"]


def _net(block: params.Model) -> str:
    if block.recipe is None:
        return ""
    sizes = f" {block.layers} × {block.hidden}" if block.hidden else ""
    return f"{block.core}{sizes}{', tied' if block.tied else ''}"


def _samples(texts: Path, verdicts: Path, of_each: int | None) -> pd.DataFrame:
    """Texts beside their verdicts, those of the first pass; the rest of what is not asked for is
    not even read.
    """
    known = pd.read_parquet(texts, columns=["sample_id", "strategy", "fresh"])
    known = known[~known["fresh"].astype(bool)]
    if of_each is not None:
        known = known.groupby("strategy", sort=False).head(of_each)
    asked = [("sample_id", "in", known["sample_id"].tolist())]
    samples = pd.read_parquet(texts, filters=asked)
    loops = pd.read_parquet(verdicts, filters=asked)
    own = ["sample_id", *(column for column in loops if column not in samples)]
    return samples.merge(loops[own], on="sample_id", how="inner", validate="one_to_one")


def _human_nats(verdicts: Path) -> tuple[float, ...]:
    """Of the windows of the validation text, under the reference model."""
    found = pd.read_parquet(
        verdicts, columns=["sample_id", "reference_nats"], filters=[("strategy", "==", HUMAN)]
    )
    is_valid = found["sample_id"].str.startswith(f"{HUMAN}/valid/")
    return tuple(map(float, found.loc[is_valid, "reference_nats"].dropna()))


def _none() -> pd.DataFrame:
    return pd.DataFrame(columns=["strategy", "kind", "deterministic"])
