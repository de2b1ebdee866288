"""Results as tables: the CSV files, the DVC metrics, and what the figures draw. One definition of
each column.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import pandas as pd

from recurrence.loops.verdict import LOOPS
from recurrence.results.corpus import HUMAN, ModelResults, Results, exact_nats
from recurrence.results.formats import few
from recurrence.results.metrics import DECODING, MODEL, columns_of, row_of
from recurrence.study.statistics import rate_interval

CURVE = ["seed", "protocol", "phase", "epoch", "lr", "train_nats", "valid_nats", "valid_accuracy"]


def models(results: Results) -> pd.DataFrame:
    """A row per model: figures as means over seeds, _sd their standard deviation; empty where there
    is none.
    """
    return pd.DataFrame([_model(m, results) for m in results.models])


def _model(m: ModelResults, results: Results) -> dict[str, Any]:
    return {
        "model": m.name,
        **row_of(MODEL, tree_of(m, results)),
        **_plain(m, results),
        **_recommended(m),
    }


def tree_of(m: ModelResults, results: Results) -> dict[str, Any]:
    """The scores of a model, and what can only be said beside others: its gain over the floor."""
    floor = results.to_beat
    gain = None
    if floor is not None and not m.counts:
        gain = exact_nats(floor) - exact_nats(m)
    exact = m.scores["exact"]
    exact = exact | {"perplexity": float(exact["perplexity"])}  # infinite, it is text in JSON
    return {**m.scores, "exact": exact, "seeds": m.seeds, "gain": gain}


PLAIN = ("greedy", "sampling")
"""How the two plain strategies are called: the likeliest token, and pure sampling."""


def _plain(m: ModelResults, results: Results) -> dict[str, Any]:
    """The loop rates of the two plain strategies, with what is behind them."""
    row: dict[str, Any] = {}
    shown = _by_name(m, results)
    for name in PLAIN:
        rates = shown.get(name, {})
        row |= {f"{name}_loop_{end}": rates.get(f"loop_{end}") for end in ("rate", "lo", "hi")}
        row |= {f"{name}_{what}": rates.get(what) for what in ("nets", "samples")}
    return row


def _by_name(m: ModelResults, results: Results) -> dict[str, dict[str, Any]]:
    """The rates of the plain strategies by PLAIN's names; one that was not sampled is absent."""
    found = results.plain(m)
    families = {results.family(name): m.rates[name] for name in found}
    by_name = {"greedy": families.get("greedy"), "sampling": m.rates[found[-1]] if found else None}
    if len(found) == 1 and "greedy" in families:
        by_name["sampling"] = None
    return {name: rates for name, rates in by_name.items() if rates is not None}


def _recommended(m: ModelResults) -> dict[str, Any]:
    """The recommended setting, and what the half that confirms it says of it; empty where there is
    none.
    """
    choice = m.choice
    seen: dict[str, Any] = {}
    if choice and choice.qualifies and choice.confirming:
        seen = {"": choice.strategy} | {
            f"_{name}": value for name, value in choice.confirming.items()
        }
    columns = ["", "_loop_rate", "_loop_lo", "_loop_hi", "_nets", "_samples", "_loops"]
    columns += ["_reference_nats", "_reference_nats_lo", "_reference_nats_hi"]
    return {f"recommended{column}": seen.get(column) for column in columns} | {
        "human_reference_nats": choice.band.median if choice else None,
    }


def decoding(results: Results) -> pd.DataFrame:
    """A row per model and strategy, with a row of human text for each model that was sampled."""
    rows = [
        {"model": m.name, "strategy": strategy, "family": _family(results, strategy)}
        | {"human_place": _place(m, rates["reference_nats"])}
        | row_of(DECODING, rates)
        for m in results.models
        for strategy, rates in m.rates.items()
    ]
    columns = ["model", "strategy", "family", "human_place", *columns_of(DECODING)]
    return pd.DataFrame(rows, columns=columns)


def _place(m: ModelResults, reference_nats: float | None) -> str | None:
    """Where reference nats lie in the human band: below, within, above; None where either is
    absent.
    """
    return None if m.band is None or reference_nats is None else m.band.place(reference_nats)


def _family(results: Results, strategy: str) -> str:
    return HUMAN if strategy == HUMAN else results.family(strategy)


def curves(results: Results) -> pd.DataFrame:
    """A row per model, seed, protocol and epoch: what was seen while training."""
    tables = [m.history[CURVE].assign(model=m.name) for m in results.trained if len(m.history)]
    if not tables:
        return pd.DataFrame(columns=["model", *CURVE])
    return pd.concat(tables, ignore_index=True)[["model", *CURVE]]


def curve_means(results: Results) -> pd.DataFrame:
    """Curves over seeds: model, protocol, epoch; mean, lowest, highest validation loss; mean
    training loss.
    """
    grouped = curves(results).groupby(["model", "protocol", "epoch"], sort=False)
    columns = {
        "mean": ("valid_nats", "mean"),
        "low": ("valid_nats", "min"),
        "high": ("valid_nats", "max"),
    }
    return grouped.agg(**columns, train=("train_nats", "mean")).reset_index()


def pooled(results: Results) -> pd.DataFrame:
    """A row per strategy over the samples of all trained models: family, samples, nets, loops
    (exact or near), rate with its interval, medians of onset and period, how many models there are
    and how many of them loop at all.

    Ordered by falling rate, equal ones as in results.strategies.
    """
    rows = [_pool(results, strategy) for strategy in results.strategies]
    table = pd.DataFrame([row for row in rows if row["samples"]], columns=_POOLED)
    return table.sort_values("rate", ascending=False, kind="stable", ignore_index=True)


_POOLED = [
    "strategy",
    "family",
    "samples",
    "nets",
    "loops",
    "rate",
    "low",
    "high",
    "onset",
    "period",
    "models",
    "looping_models",
]


def _pool(results: Results, strategy: str) -> dict[str, Any]:
    rows, loops = (
        table[table["strategy"] == strategy] for table in (results.samples, results.loops)
    )
    medians = [
        float(loops[column].median()) if len(loops) else None for column in ("start", "period")
    ]
    rate = rate_of(results, [strategy])
    models = [table["model"].nunique() for table in (rows, loops)]
    counts = (len(rows), rate.nets, len(loops), rate.rate, rate.low, rate.high)
    figures = (strategy, results.family(strategy), *counts, *medians, *models)
    return dict(zip(_POOLED, figures, strict=True))


@dataclass(frozen=True)
class Rate:
    """How many samples loop, with the 95 % interval over nets and prompts."""

    rate: float
    low: float
    high: float
    samples: int
    nets: int


def rate_of(results: Results, strategies: Collection[str]) -> Rate:
    """Of the samples of all trained models under any of these strategies."""
    rows = results.samples[results.samples["strategy"].isin(strategies)]
    if not len(rows):
        return Rate(0.0, 0.0, 1.0, 0, 0)
    hits = rows["kind"].isin(LOOPS)
    nets = list(zip(rows["model"], rows["train_seed"], strict=True))
    low, high = rate_interval(hits.to_numpy(bool), nets, rows["prompt_id"].tolist())
    return Rate(float(hits.mean()), low, high, len(rows), len(set(nets)))


def attractors(results: Results, most: int = 12) -> pd.DataFrame:
    """The units that most samples of trained models fall into exactly: attractor, period, samples,
    models, strategies (how many).
    """
    exact = results.loops[results.loops["kind"] == "exact"]
    if not len(exact):
        return pd.DataFrame(columns=["attractor", "period", "samples", "models", "strategies"])
    grouped = exact.groupby(["attractor", "period"], sort=False)
    table = grouped.agg(
        samples=("model", "size"), models=("model", _names), strategies=("strategy", "nunique")
    )
    table = table.reset_index().sort_values(["samples", "attractor"], ascending=[False, True])
    often = max(3, int((table["samples"] > 1).sum()))  # units that one sample alone has say little
    return table.head(min(most, often)).reset_index(drop=True)


def basins(results: Results) -> pd.DataFrame:
    """A row per trained model that loops exactly: looping samples, distinct loops, the samples of
    the three largest.
    """
    exact = results.loops[results.loops["kind"] == "exact"]
    rows = []
    for m in results.trained if len(exact) else ():
        sizes = (
            exact[exact["model"] == m.name]
            .groupby(["attractor", "period"])
            .size()
            .sort_values(ascending=False)
        )
        if len(sizes):
            rows.append((m.name, int(sizes.sum()), len(sizes), list(sizes[:3])))
    return pd.DataFrame(rows, columns=["model", "samples", "distinct", "largest"])


def _names(column: "pd.Series[str]") -> str:
    return few(list(dict.fromkeys(column)), most=4)


def metrics(results: Results) -> dict[str, dict[str, Any]]:
    """What `dvc metrics` shows and compares, small, by model."""
    return {m.name: _metrics(m, results) for m in results.models}


def _metrics(m: ModelResults, results: Results) -> dict[str, Any]:
    """`recommended` is what confirms whichever setting is recommended; absent where none is."""
    shown = _by_name(m, results)
    choice = m.choice
    if choice and choice.qualifies and choice.confirming:
        shown["recommended"] = choice.confirming
    measured = {name: rates for name, rates in shown.items() if rates["reference_nats"] is not None}
    return {
        "exact_nats": round(exact_nats(m), 6),
        "exact_accuracy": round(float(m.scores["exact"]["accuracy"]), 6),
        "loop_rate": {name: _bounded(rates, "loop_rate", "loop") for name, rates in shown.items()},
        "reference_nats": {
            name: _bounded(rates, "reference_nats", "reference_nats")
            for name, rates in measured.items()
        },
    }


def _bounded(rates: dict[str, Any], figure: str, bounds: str) -> dict[str, Any]:
    """A figure with its interval, and how many nets and samples are behind it."""
    values = {"value": rates[figure], "lo": rates[f"{bounds}_lo"], "hi": rates[f"{bounds}_hi"]}
    rounded = {name: None if x is None else round(float(x), 6) for name, x in values.items()}
    return rounded | {"nets": rates["nets"], "samples": rates["samples"]}
