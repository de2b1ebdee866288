import pandas as pd
import pytest

from recurrence.reporting import tables
from recurrence.reporting.results import Results

MODELS = (
    "model seeds parameters exact_nats exact_nats_sd exact_accuracy bits_per_char perplexity as_notebook_nats "
    "as_notebook_nats_sd as_notebook_accuracy notebook_nats notebook_accuracy delta_nats train_seconds device"
)
DECODING = (
    "model strategy samples length exact_rate exact_lo exact_hi terminal_rate onset_median period_median "
    "copies_median attractors rep_4 rep_8 distinct_4 zlib_ratio longest_repeat"
)


def test_models_has_a_row_per_model_and_the_columns_promised(toy: Results) -> None:
    table = tables.models(toy)
    assert list(table.columns) == MODELS.split()
    good = table.set_index("model").loc["good"]
    assert (good["seeds"], good["notebook_nats"], good["train_seconds"]) == (2, 1.31, 75.4)
    assert good["exact_nats"] == pytest.approx((1.30 + 1.34) / 2)
    assert good["delta_nats"] == pytest.approx(1.321 - 1.31)


def test_what_a_baseline_has_not_got_is_empty(toy: Results) -> None:
    floor = tables.models(toy).set_index("model").loc["kneser_ney"]
    assert floor[["as_notebook_nats", "notebook_nats", "delta_nats", "exact_nats_sd"]].isna().all()


def test_decoding_has_a_row_per_model_and_strategy_and_human_rows(toy: Results) -> None:
    table = tables.decoding(toy)
    assert list(table.columns) == DECODING.split()
    assert table["strategy"].tolist() == ["greedy", "multinomial", "human"] * 4
    rates = table.set_index(["model", "strategy"])["exact_rate"]
    assert rates["good", "greedy"] == 1
    assert rates["poor", "greedy"] == pytest.approx(1 / 3)
    assert rates["good", "human"] == 0


def test_curve_means_are_over_seeds(toy: Results) -> None:
    means = tables.curve_means(toy).set_index(["model", "epoch"])
    last = means.loc[("good", 3)]
    assert (last["low"], last["high"], last["mean"]) == pytest.approx((1.30, 1.34, 1.32))
    assert means.loc[("poor", 3)]["mean"] == pytest.approx(1.60)
    assert "kneser_ney" not in means.index.get_level_values(0)


def test_pooled_is_over_the_samples_of_trained_models_and_falls(toy: Results) -> None:
    rows = tables.pooled(toy).to_dict("records")
    assert [row["strategy"] for row in rows] == ["greedy", "multinomial"]
    assert rows[0] == {
        "strategy": "greedy", "samples": 6, "loops": 4, "rate": 4 / 6, "onset": 5.0, "period": 4.0,
        "models": 2, "looping_models": 2,
    }  # fmt: skip
    assert (rows[1]["loops"], rows[1]["rate"]) == (0, 0.0)


def test_attractors_are_counted_over_models(toy: Results) -> None:
    (row,) = tables.attractors(toy).to_dict("records")
    assert row == {"attractor": " acd", "period": 4, "samples": 4, "models": "good, poor", "strategies": "greedy"}


def test_attractors_of_most_samples_come_first_and_the_rest_are_left_out(toy: Results) -> None:
    samples = pd.DataFrame({"attractor": ["b", "a", "a", "c"], "period": 1, "kind": "exact", "model": "good"})
    toy = Results(**{**vars_of(toy), "models": ()})
    object.__setattr__(toy, "samples", samples.assign(strategy="greedy"))
    assert tables.attractors(toy, most=2)["attractor"].tolist() == ["a", "b"]


def vars_of(results: Results) -> dict[str, object]:
    return {name: getattr(results, name) for name in results.__dataclass_fields__}


def test_metrics_are_small_and_by_model(toy: Results) -> None:
    metrics = tables.metrics(toy)
    assert list(metrics) == ["good", "poor", "uniform", "kneser_ney"]
    assert metrics["poor"] == {
        "exact_nats": 1.6,
        "exact_accuracy": 0.55,
        "loop_rate": {"greedy": 0.333333, "multinomial": 0.0},
    }
