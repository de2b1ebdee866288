import pandas as pd
import pytest

from recurrence.reporting import tables
from recurrence.results.corpus import Results
from reporting.results_tree import STRATEGIES

MODELS = (
    "model exact_nats exact_nats_sd gain bits_per_char perplexity exact_accuracy notebook_nats "
    "as_notebook_nats "
    "as_notebook_nats_sd delta_nats notebook_accuracy as_notebook_accuracy delta_accuracy "
    "parameters seeds "
    "greedy_loop_rate greedy_loop_lo greedy_loop_hi greedy_nets greedy_samples sampling_loop_rate "
    "sampling_loop_lo "
    "sampling_loop_hi sampling_nets sampling_samples recommended recommended_loop_rate "
    "recommended_loop_lo "
    "recommended_loop_hi recommended_nets recommended_samples recommended_loops "
    "recommended_reference_nats "
    "recommended_reference_nats_lo recommended_reference_nats_hi human_reference_nats"
)
DECODING = (
    "model strategy family human_place samples nets prompts "
    "length deterministic uses_history exact near recycling loop_rate loop_lo loop_hi "
    "exact_rate exact_lo exact_hi near_rate near_lo near_hi recycling_rate recycling_lo "
    "recycling_hi terminal_rate "
    "onset_median onset_rmean period_median copies_median coverage_mean identity_mean "
    "n_attractors reference_nats "
    "reference_nats_lo reference_nats_hi rep_1 rep_2 rep_3 rep_4 rep_8 distinct_1 distinct_2 "
    "distinct_3 distinct_4 zlib_ratio "
    "longest_repeat lz_factors rep_w rep_r welleck_rep_4 holtzman_paper_200 holtzman_code_200 "
    "longest_verbatim non_word "
    "diversity self_bleu zipf holtzman_paper holtzman_code vllm_repetition whisper_zlib rescued "
    "certified certified_agree "
    "ended_rate stopped_exact_rate "
    "long_length long_exact_rate pure_reference pure_difference pure_difference_lo "
    "pure_difference_hi "
    "pure_p pure_p_holm"
)


def test_models_has_a_row_per_model_and_the_columns_promised(toy: Results) -> None:
    table = tables.models(toy)
    assert list(table.columns) == MODELS.split()
    good = table.set_index("model").loc["good"]
    assert (good["seeds"], good["notebook_nats"]) == (2, 1.31)
    assert good["exact_nats"] == pytest.approx((1.30 + 1.34) / 2)
    assert good["delta_nats"] == pytest.approx(1.321 - 1.31)


def test_what_a_baseline_has_not_got_is_empty(toy: Results) -> None:
    floor = tables.models(toy).set_index("model").loc["kneser_ney"]
    assert floor[["as_notebook_nats", "notebook_nats", "delta_nats", "exact_nats_sd"]].isna().all()


def test_decoding_has_a_row_per_model_and_strategy_and_human_rows(toy: Results) -> None:
    table = tables.decoding(toy)
    assert list(table.columns) == DECODING.split()
    own = [*STRATEGIES, "human"]
    assert table["strategy"].tolist() == [*own, *own, "greedy", "multinomial", "human"]
    rows = table.set_index(["model", "strategy"])
    assert rows["loop_rate"]["good", "beam_4"] == 1 and rows["exact_rate"][
        "good", "beam_4"
    ] == pytest.approx(2 / 3)
    assert rows["loop_rate"]["poor", "greedy"] == pytest.approx(1 / 3)
    assert rows["loop_rate"]["good", "human"] == 0
    assert rows.loc[("good", "greedy"), ["certified", "long_length", "pure_p_holm"]].tolist() == [
        3,
        120,
        0.06,
    ]
    assert rows.loc[("good", "multinomial"), ["long_length", "pure_reference"]].isna().all()
    assert rows["family"].unique().tolist() == [
        "greedy", "search", "greedy with filters", "pure sampling", "truncated sampling", "human",
    ]  # fmt: skip


def test_the_recommended_setting_stands_beside_the_model(toy: Results) -> None:
    rows = tables.models(toy).set_index("model")
    confirmed = ["recommended", "recommended_loop_hi", "recommended_nets", "recommended_samples"]
    assert rows.loc["good", confirmed].tolist() == ["top_p_0_9", 0.00998, 2, 381]
    plain = [f"{name}_{what}" for name in tables.PLAIN for what in ("loop_rate", "nets", "samples")]
    assert rows.loc["good", plain].tolist() == [1, 1, 3, 0, 1, 6]
    assert (
        rows.loc["good", "recommended_reference_nats"],
        rows.loc["good", "human_reference_nats"],
    ) == pytest.approx((1.42, 1.5))
    assert (
        rows.loc["poor", ["recommended", "recommended_reference_nats"]].isna().all()
    )  # what was tried of it loops


def test_curve_means_are_over_seeds(toy: Results) -> None:
    means = tables.curve_means(toy).set_index(["model", "epoch"])
    last = means.loc[("good", 3)]
    assert (last["low"], last["high"], last["mean"]) == pytest.approx((1.30, 1.34, 1.32))
    assert means.loc[("poor", 3)]["mean"] == pytest.approx(1.60)
    assert "kneser_ney" not in means.index.get_level_values(0)


def test_pooled_is_over_the_samples_of_trained_models_and_falls(toy: Results) -> None:
    rows = tables.pooled(toy).to_dict("records")
    assert [row["strategy"] for row in rows] == [
        "greedy",
        "beam_4",
        "greedy_rep_1_2",
        "top_p_0_9",
        "multinomial",
    ]
    low, high = rows[0].pop("low"), rows[0].pop("high")
    assert 0 < low < 4 / 6 < high < 1, "one net loops always, the other in a third"
    assert rows[0] == {
        "nets": 2, "strategy": "greedy",
        "family": "greedy", "samples": 6, "loops": 4, "rate": 4 / 6, "onset": 5.0, "period": 4.0,
        "models": 2, "looping_models": 2,
    }  # fmt: skip
    assert (rows[1]["loops"], rows[1]["looping_models"]) == (3, 1)  # two exact, one near
    assert (rows[4]["loops"], rows[4]["rate"]) == (0, 0.0)


def test_attractors_are_counted_over_models(toy: Results) -> None:
    (row,) = tables.attractors(toy).to_dict("records")
    assert row == {
        "attractor": " acd",
        "period": 4,
        "samples": 7,
        "models": "good and poor",
        "strategies": 3,
    }


def test_basins_are_counted_by_model(toy: Results) -> None:
    samples = toy.samples.assign(attractor=["aa", *toy.samples["attractor"][1:]])
    toy = Results(**vars_of(toy))
    object.__setattr__(toy, "samples", samples)
    rows = tables.basins(toy).to_dict("records")
    assert rows == [
        {"model": "good", "samples": 5, "distinct": 2, "largest": [4, 1]},
        {"model": "poor", "samples": 2, "distinct": 1, "largest": [2]},
    ]


def test_attractors_of_most_samples_come_first_and_the_rest_are_left_out(toy: Results) -> None:
    samples = pd.DataFrame(
        {"attractor": ["b", "a", "a", "c"], "period": 1, "kind": "exact", "model": "good"}
    )
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
        "loop_rate": {
            "greedy": {"value": 0.333333, "lo": 0.166667, "hi": 0.666667, "nets": 1, "samples": 3},
            "sampling": {"value": 0.0, "lo": 0.0, "hi": 0.5, "nets": 1, "samples": 6},
        },
        "reference_nats": {
            "greedy": {"value": 0.42, "lo": 0.32, "hi": 0.52, "nets": 1, "samples": 3},
            "sampling": {"value": 2.12, "lo": 2.02, "hi": 2.22, "nets": 1, "samples": 6},
        },
    }
    recommended = {"value": 0.0, "lo": 0.0, "hi": 0.00998, "nets": 2, "samples": 381}
    assert metrics["good"]["loop_rate"]["recommended"] == recommended
    assert metrics["good"]["reference_nats"]["recommended"]["value"] == 1.42
    assert metrics["uniform"]["reference_nats"] == {}
