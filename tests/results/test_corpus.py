from dataclasses import replace

import pandas as pd
import pytest

from recurrence import paths
from recurrence.errors import RecurrenceError
from recurrence.results.corpus import Results, load
from reporting.results_tree import STRATEGIES, model


def test_models_stand_in_the_order_of_params(toy: Results) -> None:
    assert [m.name for m in toy.models] == ["good", "poor", "uniform", "kneser_ney"]
    assert [m.name for m in toy.trained] == ["good", "poor"]
    assert (toy.missing, toy.floor, toy.unit) == ((), 40, "char")


def test_the_best_and_what_it_must_beat_are_those_of_least_exact_loss(toy: Results) -> None:
    assert toy.best is not None and toy.best.name == "good"
    assert toy.to_beat is not None and toy.to_beat.name == "kneser_ney"


def test_samples_carry_their_verdicts_and_no_human_text(toy: Results) -> None:
    samples = model(toy, "good").samples
    assert len(samples) == 3 * 3 + 2 * 6
    assert set(samples["strategy"]) == set(STRATEGIES)
    assert samples.loc[samples["strategy"] == "greedy", "start"].tolist() == [5, 5, 5]
    assert (toy.human["samples"], toy.human["loops"]) == (5, 0)
    assert model(toy, "good").human_nats == pytest.approx((1.3, 1.4, 1.5, 1.6, 1.7))


def test_strategies_go_by_family(toy: Results) -> None:
    assert toy.strategies == ["greedy", "greedy_rep_1_2", "beam_4", "multinomial", "top_p_0_9"]
    assert [toy.family(name) for name in (*toy.strategies[1:3], "gone")] == [
        "greedy with filters",
        "search",
        "unknown",
    ]


def test_loops_are_exact_and_near_ones(toy: Results) -> None:
    assert toy.loops.groupby("model")["kind"].value_counts().to_dict() == {
        ("good", "exact"): 5, ("good", "near"): 2, ("poor", "exact"): 2,
    }  # fmt: skip


def test_a_model_without_scores_is_missing_and_not_dropped(project: object) -> None:
    paths.scores("toy", "poor").unlink()
    results = load("toy")
    assert results.missing == ("poor",)
    assert [m.name for m in results.models] == ["good", "uniform", "kneser_ney"]


def test_what_a_model_lacks_beside_its_scores_is_named(project: object) -> None:
    paths.rates("toy", "good").unlink()
    good = model(load("toy"), "good")
    assert good.absent == ("loops",)
    assert (good.rates, good.loops, len(good.samples), good.human_nats) == (
        {},
        {},
        0,
        (),
    )


def test_rates_without_their_verdicts_are_not_there(project: object) -> None:
    paths.verdicts("toy", "good").unlink()
    assert model(load("toy"), "good").absent == ("loops",)


def test_a_model_that_is_not_sampled_lacks_nothing(toy: Results) -> None:
    uniform = model(toy, "uniform")
    assert (uniform.absent, uniform.rates, len(uniform.samples)) == ((), {}, 0)


def test_samples_without_prices_are_named(project: object) -> None:
    path = paths.verdicts("toy", "good")
    pd.read_parquet(path).assign(reference_nats=float("nan")).to_parquet(path)
    assert model(load("toy"), "good").absent == ("reference nats",)


def test_copies_that_differ_may_need_more_than_the_floor(toy: Results) -> None:
    assert (toy.floor, toy.edited_floor) == (40, 59)
    assert (
        replace(toy, card=None).edited_floor is None and replace(toy, floor=59).edited_floor is None
    )


def test_the_detector_card_may_be_absent(project: object) -> None:
    paths.calibration("toy").unlink()
    assert load("toy").card is None


def test_an_unknown_corpus_is_met_with_the_nearest(project: object) -> None:
    with pytest.raises(RecurrenceError, match="did you mean 'toy'"):
        load("toys")


def test_a_broken_file_is_named(project: object) -> None:
    paths.scores("toy", "good").write_text("{", encoding="utf-8")
    with pytest.raises(RecurrenceError, match=r"good\.json: not JSON"):
        load("toy")


def test_few_samples_of_each_strategy_are_read_where_few_are_asked_for(project: None) -> None:
    samples = model(load("toy", samples_of_each=2), "good").samples
    assert set(samples["strategy"].value_counts()) == {2}
    assert samples["kind"].tolist()[:2] == ["exact", "exact"]
    assert not [column for column in samples if column.endswith(("_x", "_y"))]
