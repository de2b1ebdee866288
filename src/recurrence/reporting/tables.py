"""Results as tables: the CSV files, the DVC metrics, and what the figures draw. One definition of each column."""

from typing import Any

import pandas as pd

from recurrence.reporting.results import ModelResults, Results, exact_nats

CURVE = ["seed", "protocol", "phase", "epoch", "lr", "train_nats", "valid_nats", "valid_accuracy"]
DECODING = ["samples", "length", "exact_rate", "exact_lo", "exact_hi", "terminal_rate", "onset_median", "period_median"]
DECODING += ["copies_median", "attractors", "rep_4", "rep_8", "distinct_4", "zlib_ratio", "longest_repeat"]


def models(results: Results) -> pd.DataFrame:
    """A row per model: figures as means over seeds, _sd their standard deviation; empty where there is none."""
    return pd.DataFrame([_model(m) for m in results.models])


def _model(m: ModelResults) -> dict[str, Any]:
    exact = m.scores["exact"]
    ours, notebook, delta = (m.scores[part] or {} for part in ("as_notebook", "notebook", "delta"))
    return {
        "model": m.name,
        "seeds": m.seeds,
        "parameters": m.scores["parameters"],
        "exact_nats": exact["nats"],
        "exact_nats_sd": exact["nats_sd"],
        "exact_accuracy": exact["accuracy"],
        "bits_per_char": exact["bits_per_char"],
        "perplexity": exact["perplexity"],
        "as_notebook_nats": ours.get("nats"),
        "as_notebook_nats_sd": ours.get("nats_sd"),
        "as_notebook_accuracy": ours.get("accuracy"),
        "notebook_nats": notebook.get("nats"),
        "notebook_accuracy": notebook.get("accuracy"),
        "delta_nats": delta.get("nats"),
        "train_seconds": m.wall.get("train_seconds"),
        "device": m.wall.get("device"),
    }


def decoding(results: Results) -> pd.DataFrame:
    """A row per model and strategy, with a row of human text for each model that was sampled."""
    rows = [
        {"model": m.name, "strategy": strategy, **{column: rates[column] for column in DECODING}}
        for m in results.models
        for strategy, rates in m.rates.items()
    ]
    return pd.DataFrame(rows, columns=["model", "strategy", *DECODING])


def curves(results: Results) -> pd.DataFrame:
    """A row per model, seed, protocol and epoch: what was seen while training."""
    tables = [m.history[CURVE].assign(model=m.name) for m in results.trained if len(m.history)]
    if not tables:
        return pd.DataFrame(columns=["model", *CURVE])
    return pd.concat(tables, ignore_index=True)[["model", *CURVE]]


def curve_means(results: Results) -> pd.DataFrame:
    """Curves over seeds: model, protocol, epoch; mean, lowest, highest validation loss; mean training loss."""
    grouped = curves(results).groupby(["model", "protocol", "epoch"], sort=False)
    columns = {"mean": ("valid_nats", "mean"), "low": ("valid_nats", "min"), "high": ("valid_nats", "max")}
    return grouped.agg(**columns, train=("train_nats", "mean")).reset_index()


def pooled(results: Results) -> pd.DataFrame:
    """A row per strategy over the samples of all trained models: samples, loops, rate, medians of onset and period,
    how many models there are and how many of them loop at all.

    Ordered by falling rate, equal ones as in params.yaml.
    """
    rows = [_pool(strategy, results.samples) for strategy in results.strategies]
    table = pd.DataFrame([row for row in rows if row["samples"]], columns=_POOLED)
    return table.sort_values("rate", ascending=False, kind="stable", ignore_index=True)


_POOLED = ["strategy", "samples", "loops", "rate", "onset", "period", "models", "looping_models"]


def _pool(strategy: str, samples: pd.DataFrame) -> dict[str, Any]:
    rows = samples[samples["strategy"] == strategy]
    loops = rows[rows["kind"] == "exact"]
    medians = [float(loops[column].median()) if len(loops) else None for column in ("start", "period")]
    rate = len(loops) / len(rows) if len(rows) else 0.0
    models = [table["model"].nunique() for table in (rows, loops)]
    return dict(zip(_POOLED, (strategy, len(rows), len(loops), rate, *medians, *models), strict=True))


def attractors(results: Results, most: int = 12) -> pd.DataFrame:
    """The units that most samples of trained models fall into: attractor, period, samples, models, strategies."""
    loops = results.samples[results.samples["kind"] == "exact"]
    if not len(loops):
        return pd.DataFrame(columns=["attractor", "period", "samples", "models", "strategies"])
    grouped = loops.groupby(["attractor", "period"], sort=False)
    table = grouped.agg(samples=("model", "size"), models=("model", _names), strategies=("strategy", _names))
    table = table.reset_index().sort_values(["samples", "attractor"], ascending=[False, True])
    return table.head(most).reset_index(drop=True)


def _names(column: "pd.Series[str]") -> str:
    return ", ".join(dict.fromkeys(column))


def metrics(results: Results) -> dict[str, dict[str, Any]]:
    """What `dvc metrics` shows and compares, small, by model."""
    return {m.name: _metrics(m) for m in results.models}


def _metrics(m: ModelResults) -> dict[str, Any]:
    shown = [name for name in ("greedy", "multinomial") if name in m.rates]
    return {
        "exact_nats": round(exact_nats(m), 6),
        "exact_accuracy": round(float(m.scores["exact"]["accuracy"]), 6),
        "loop_rate": {name: round(float(m.rates[name]["exact_rate"]), 6) for name in shown},
    }
