"""Results as tables: the CSV files, the DVC metrics, and what the figures draw. One definition of each column."""

from typing import Any

import pandas as pd

from recurrence.reporting.choice import choose
from recurrence.reporting.formats import few
from recurrence.reporting.results import HUMAN, ModelResults, Results, exact_nats

CURVE = ["seed", "protocol", "phase", "epoch", "lr", "train_nats", "valid_nats", "valid_accuracy"]
METRICS = [
    *(f"rep_{n}" for n in (1, 2, 3, 4, 8)),
    *(f"distinct_{n}" for n in (1, 2, 3, 4)),
    "zlib_ratio",
]
METRICS += ["longest_repeat", "lz_factors", "rep_w", "rep_r", "welleck_rep_4", "holtzman_paper_200"]
METRICS += ["holtzman_code_200", "longest_verbatim", "non_word"]
RULES = ("holtzman_paper", "holtzman_code", "vllm_repetition", "whisper_zlib")
"""Published rules that every sample is put to as well."""
DECODING = ["samples", "length", "deterministic", "uses_history", "exact", "near", "recycling"]
DECODING += [
    f"{kind}_{figure}"
    for kind in ("loop", "exact", "near", "recycling")
    for figure in ("rate", "lo", "hi")
]
DECODING += [
    "terminal_rate",
    "onset_median",
    "onset_rmean",
    "period_median",
    "copies_median",
    "coverage_mean",
]
DECODING += ["identity_mean", "n_attractors", "price", "price_lo", "price_hi", *METRICS]
DECODING += ["diversity", "self_bleu", "zipf"]
NESTED = {
    "certified": ("certified", "certified"),
    "certified_agree": ("certified", "agree"),
    "ended_rate": ("stopped", "ended_rate"),
    "stopped_exact_rate": ("stopped", "exact_rate"),
    "long_length": ("long", "length"),
    "long_exact_rate": ("long", "exact_rate"),
    "pure_reference": ("versus_pure", "reference"),
    "pure_difference": ("versus_pure", "difference"),
    "pure_p": ("versus_pure", "p"),
    "pure_p_holm": ("versus_pure", "p_holm"),
}
"""Column of the decoding table -> where the rates have it."""


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
        **_recommended(m),
    }


def _recommended(m: ModelResults) -> dict[str, Any]:
    """The setting that qualifies, the upper bound of its loop rate, and its price; empty where none does."""
    choice = choose(m)
    rates = choice.rates if choice and choice.qualifies else {}
    name = choice.strategy if choice and choice.qualifies else None
    return {
        "recommended": name,
        "recommended_loop_hi": rates.get("loop_hi"),
        "recommended_price": rates.get("price"),
        "human_price": choice.band.median if choice else None,
    }


def decoding(results: Results) -> pd.DataFrame:
    """A row per model and strategy, with a row of human text for each model that was sampled."""
    rows = [
        {"model": m.name, "strategy": strategy, "family": _family(results, strategy)}
        | _figures(rates)
        for m in results.models
        for strategy, rates in m.rates.items()
    ]
    return pd.DataFrame(
        rows, columns=["model", "strategy", "family", *DECODING, *RULES, "rescued", *NESTED]
    )


def _family(results: Results, strategy: str) -> str:
    return HUMAN if strategy == HUMAN else results.family(strategy)


def _figures(rates: dict[str, Any]) -> dict[str, Any]:
    nested = {column: (rates[part] or {}).get(figure) for column, (part, figure) in NESTED.items()}
    return {
        **{column: rates[column] for column in (*DECODING, "rescued")},
        **rates["published"],
        **nested,
    }


def curves(results: Results) -> pd.DataFrame:
    """A row per model, seed, protocol and epoch: what was seen while training."""
    tables = [m.history[CURVE].assign(model=m.name) for m in results.trained if len(m.history)]
    if not tables:
        return pd.DataFrame(columns=["model", *CURVE])
    return pd.concat(tables, ignore_index=True)[["model", *CURVE]]


def curve_means(results: Results) -> pd.DataFrame:
    """Curves over seeds: model, protocol, epoch; mean, lowest, highest validation loss; mean training loss."""
    grouped = curves(results).groupby(["model", "protocol", "epoch"], sort=False)
    columns = {
        "mean": ("valid_nats", "mean"),
        "low": ("valid_nats", "min"),
        "high": ("valid_nats", "max"),
    }
    return grouped.agg(**columns, train=("train_nats", "mean")).reset_index()


def pooled(results: Results) -> pd.DataFrame:
    """A row per strategy over the samples of all trained models: family, samples, loops (exact or near), rate, medians
    of onset and period, how many models there are and how many of them loop at all.

    Ordered by falling rate, equal ones as in results.strategies.
    """
    rows = [_pool(results, strategy) for strategy in results.strategies]
    table = pd.DataFrame([row for row in rows if row["samples"]], columns=_POOLED)
    return table.sort_values("rate", ascending=False, kind="stable", ignore_index=True)


_POOLED = [
    "strategy",
    "family",
    "samples",
    "loops",
    "rate",
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
    rate = len(loops) / len(rows) if len(rows) else 0.0
    models = [table["model"].nunique() for table in (rows, loops)]
    figures = (strategy, results.family(strategy), len(rows), len(loops), rate, *medians, *models)
    return dict(zip(_POOLED, figures, strict=True))


def attractors(results: Results, most: int = 12) -> pd.DataFrame:
    """The units that most samples of trained models fall into exactly: attractor, period, samples, models, strategies
    (how many)."""
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
    """A row per trained model that loops exactly: looping samples, distinct loops, the samples of the three largest."""
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
    return {m.name: _metrics(m) for m in results.models}


def _metrics(m: ModelResults) -> dict[str, Any]:
    """`recommended` is the rate and price of whichever setting qualifies; absent where none does."""
    shown: dict[str, dict[str, Any]] = {
        n: m.rates[n] for n in ("greedy", "multinomial") if n in m.rates
    }
    choice = choose(m)
    if choice and choice.qualifies:
        shown["recommended"] = choice.rates
    return {
        "exact_nats": round(exact_nats(m), 6),
        "exact_accuracy": round(float(m.scores["exact"]["accuracy"]), 6),
        "loop_rate": {name: round(float(r["loop_rate"]), 6) for name, r in shown.items()},
        "price": {
            name: round(float(r["price"]), 6) for name, r in shown.items() if r["price"] is not None
        },
    }
