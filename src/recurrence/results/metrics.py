"""Every figure of a decoding strategy and of a model: declared once, in the order in which tables
have them.

A figure of single samples is declared beside its formula (repetition/metrics.py) and stands here as
the mean over samples. A new figure of many samples is computed in study/rates.py, one of a model in
`evaluate`, and declared here.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from recurrence.repetition.declaration import Metric
from recurrence.repetition.metrics import METRICS
from recurrence.repetition.published import PUBLISHED

Tree = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Figure(Metric):
    """A figure in the tree that a stage wrote."""

    at: tuple[str, ...]
    """The keys that lead to it."""
    bounds: tuple[str, ...] = ()
    """Columns with the ends of its 95 % interval, or with its standard deviation; they lie beside
    it in the tree.
    """
    bounds_at: tuple[str, ...] = ()
    """Their keys beside the figure's, where they are other than the columns."""
    readme: str = ""
    """The head of its column in the table of README.md; empty: not there."""

    def values(self, tree: Tree) -> list[Any]:
        """The figure, then its bounds; None for what is not there."""
        beside = _at(tree, self.at[:-1]) or {}
        keys = (self.at[-1], *(self.bounds_at or self.bounds))
        return [beside.get(key) for key in keys]


Figures = Mapping[str, Figure]


def row_of(figures: Figures, tree: Tree) -> dict[str, Any]:
    """Every column of these figures with its value."""
    return {
        column: value
        for name, figure in figures.items()
        for column, value in zip((name, *figure.bounds), figure.values(tree), strict=True)
    }


def columns_of(figures: Figures) -> list[str]:
    return [column for name, figure in figures.items() for column in (name, *figure.bounds)]


def in_mlflow(figures: Figures, tree: Tree) -> dict[str, Any]:
    """The values of those that MLflow holds, by their names there."""
    return dict(_mlflow_pairs(figures, tree))


def _mlflow_pairs(figures: Figures, tree: Tree) -> Iterator[tuple[str, Any]]:
    for figure in figures.values():
        yield from zip(figure.mlflow, figure.values(tree), strict=False)


def groups_of(figures: Figures) -> dict[str, dict[str, Figure]]:
    """The figures of the report's table, under the heads of their groups of columns."""
    found: dict[str, dict[str, Figure]] = {}
    for name, figure in figures.items():
        if figure.group:
            found.setdefault(figure.group, {})[name] = figure
    return found


def _at(tree: Tree, keys: tuple[str, ...]) -> Any:
    found: Any = tree
    for key in keys:
        found = (found or {}).get(key)
    return found


# ---------------------------------------------------------------- of a decoding strategy

_count = partial(Figure, unit="samples", shown_as="count")
_median = partial(Figure, shown_as="number", group="of the loops, medians")
_fact = partial(Figure, unit="", shown_as="short")


def _rate(kind: str, label: str, **more: Any) -> Figure:
    """A share of samples with its interval."""
    return Figure(
        label=label,
        unit="share",
        better="less",
        shown_as="percent",
        group="loop, percent of samples",
        at=(f"{kind}_rate",),
        bounds=(f"{kind}_lo", f"{kind}_hi"),
        **more,
    )


def _mean_of(name: str, metric: Metric) -> Figure:
    """The mean of a figure of single samples."""
    return Figure(
        label=metric.label,
        unit=metric.unit,
        better=metric.better,
        shown_as=metric.shown_as,
        group=metric.group,
        mlflow=metric.mlflow,
        at=(name,),
    )


DECODING: dict[str, Figure] = {
    "samples": _count(label="samples", at=("samples",), group="of"),
    "nets": _count(label="nets", unit="nets", at=("nets",), group="of"),
    "prompts": _count(label="prompts", unit="prompts", at=("prompts",)),
    "length": _count(label="length", unit="tokens", at=("length",)),
    "deterministic": _fact(label="deterministic", at=("deterministic",)),
    "uses_history": _fact(label="uses history", at=("uses_history",)),
    "exact": _count(label="exact loops", better="less", at=("exact",)),
    "near": _count(label="near loops", better="less", at=("near",)),
    "recycling": _count(label="recycling", better="less", at=("recycling",)),
    "loop_rate": _rate("loop", "all", mlflow=("loops/loop_rate", "loops/loop_lo", "loops/loop_hi")),
    "exact_rate": _rate(
        "exact", "exact", mlflow=("loops/exact_rate", "loops/exact_lo", "loops/exact_hi")
    ),
    "near_rate": _rate("near", "near", mlflow=("loops/near_rate",)),
    "recycling_rate": _rate("recycling", "recycling", mlflow=("loops/recycling_rate",)),
    "terminal_rate": Figure(
        label="to the end", unit="share", shown_as="percent", at=("terminal_rate",)
    ),
    "onset_median": _median(label="onset", unit="tokens", better="more", at=("onset_median",)),
    "onset_rmean": Figure(
        label="onset, restricted mean",
        unit="tokens",
        better="more",
        shown_as="number",
        mlflow=("loops/onset_rmean",),
        at=("onset_rmean",),
    ),
    "period_median": _median(
        label="period", unit="tokens", mlflow=("loops/period_median",), at=("period_median",)
    ),
    "copies_median": _median(label="copies", unit="copies", at=("copies_median",)),
    "coverage_mean": Figure(
        label="coverage",
        unit="share",
        better="less",
        shown_as="percent",
        mlflow=("loops/coverage_mean",),
        at=("coverage_mean",),
    ),
    "identity_mean": Figure(
        label="identity", unit="share", shown_as="percent", at=("identity_mean",)
    ),
    "n_attractors": Figure(
        label="distinct",
        unit="loops",
        shown_as="count",
        group="of the loops, medians",
        mlflow=("loops/n_attractors",),
        at=("n_attractors",),
    ),
    "reference_nats": Figure(
        label="mean",
        unit="nats per token",
        shown_as="nats",
        group="reference nats",
        mlflow=("reference/nats", "reference/lo", "reference/hi"),
        at=("reference_nats",),
        bounds=("reference_nats_lo", "reference_nats_hi"),
    ),
    **{name: _mean_of(name, metric) for name, metric in METRICS.items()},
    "diversity": Figure(
        label="diversity",
        unit="",
        shown_as="short",
        group="the text",
        mlflow=("text/diversity",),
        at=("diversity",),
    ),
    "self_bleu": Figure(
        label="self-BLEU",
        unit="",
        shown_as="short",
        group="the text",
        mlflow=("text/self_bleu",),
        at=("self_bleu",),
    ),
    "zipf": Figure(label="Zipf", unit="", shown_as="short", group="the text", at=("zipf",)),
    **{
        rule: Figure(label=rule, unit="share", shown_as="percent", at=("published", rule))
        for rule in PUBLISHED
    },
    "rescued": _count(label="rescued", mlflow=("loops/rescued",), at=("rescued",)),
    "certified": _count(label="certified", at=("certified", "certified")),
    "certified_agree": _count(label="certified and found", at=("certified", "agree")),
    "ended_rate": Figure(
        label="reach <eos>", unit="share", shown_as="percent", at=("stopped", "ended_rate")
    ),
    "stopped_exact_rate": Figure(
        label="loop before <eos>", unit="share", shown_as="percent", at=("stopped", "exact_rate")
    ),
    "long_length": _count(label="length of longer samples", unit="tokens", at=("long", "length")),
    "long_exact_rate": Figure(
        label="longer samples that loop",
        unit="share",
        shown_as="percent",
        at=("long", "exact_rate"),
    ),
    "pure_reference": _fact(label="compared with", at=("versus_pure", "reference")),
    "pure_difference": Figure(
        label="difference",
        unit="share",
        shown_as="points",
        group="against pure sampling",
        at=("versus_pure", "difference"),
        bounds=("pure_difference_lo", "pure_difference_hi"),
        bounds_at=("difference_lo", "difference_hi"),
    ),
    "pure_p": Figure(label="p, raw", unit="", shown_as="probability", at=("versus_pure", "p")),
    "pure_p_holm": Figure(
        label="p",
        unit="",
        shown_as="probability",
        group="against pure sampling",
        mlflow=("loops/versus_pure_p",),
        at=("versus_pure", "p_holm"),
    ),
}
"""Columns of decoding.csv, after model, strategy and family."""

# ---------------------------------------------------------------- of a model

_nats = partial(Figure, unit="nats per token", better="less", shown_as="nats")
_accuracy = partial(Figure, unit="share", better="more", shown_as="percent")

MODEL: dict[str, Figure] = {
    "exact_nats": _nats(
        label="nats",
        group="exact",
        readme="exact",
        mlflow=("valid/nats", "valid/nats_sd"),
        at=("exact", "nats"),
        bounds=("exact_nats_sd",),
        bounds_at=("nats_sd",),
    ),
    "gain": Figure(
        label="gain over floor",
        unit="nats per token",
        better="more",
        shown_as="signed",
        group="exact",
        at=("gain",),
    ),
    "bits_per_char": Figure(
        label="bits / char",
        unit="bits per character",
        better="less",
        shown_as="short",
        group="exact",
        mlflow=("valid/bits_per_char",),
        at=("exact", "bits_per_char"),
    ),
    "perplexity": Figure(
        label="perplexity",
        unit="",
        better="less",
        shown_as="perplexity",
        group="exact",
        mlflow=("valid/perplexity",),
        at=("exact", "perplexity"),
    ),
    "exact_accuracy": _accuracy(
        label="accuracy", group="exact", mlflow=("valid/accuracy",), at=("exact", "accuracy")
    ),
    "notebook_nats": _nats(
        label="notebook",
        group="as the notebook, nats",
        readme="notebook",
        mlflow=("notebook/nats",),
        at=("notebook", "nats"),
    ),
    "as_notebook_nats": _nats(
        label="ours",
        group="as the notebook, nats",
        readme="ours, measured alike",
        mlflow=("as_notebook/nats",),
        at=("as_notebook", "nats"),
        bounds=("as_notebook_nats_sd",),
        bounds_at=("nats_sd",),
    ),
    "delta_nats": Figure(
        label="delta",
        unit="nats per token",
        better="less",
        shown_as="signed",
        group="as the notebook, nats",
        readme="delta",
        mlflow=("delta/nats",),
        at=("delta", "nats"),
    ),
    "notebook_accuracy": _accuracy(
        label="notebook",
        group="as the notebook, accuracy",
        mlflow=("notebook/accuracy",),
        at=("notebook", "accuracy"),
    ),
    "as_notebook_accuracy": _accuracy(
        label="ours",
        group="as the notebook, accuracy",
        mlflow=("as_notebook/accuracy",),
        at=("as_notebook", "accuracy"),
    ),
    "delta_accuracy": Figure(
        label="delta, accuracy",
        unit="share",
        better="more",
        shown_as="points",
        mlflow=("delta/accuracy",),
        at=("delta", "accuracy"),
    ),
    "parameters": Figure(
        label="parameters",
        unit="",
        shown_as="count",
        group="size",
        mlflow=("model/parameters",),
        at=("parameters",),
    ),
    "seeds": Figure(label="seeds", unit="nets", shown_as="count", group="size", at=("seeds",)),
}
"""Columns of models.csv; what it says of loops comes after them. `gain` and `seeds` are not the
stage's: `tables` adds them to its tree.
"""
