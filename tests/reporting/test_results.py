import pytest

from recurrence import paths
from recurrence.errors import RecurrenceError
from recurrence.reporting.results import Results, load
from reporting.results_tree import model


def test_models_stand_in_the_order_of_params(toy: Results) -> None:
    assert [m.name for m in toy.models] == ["good", "poor", "uniform", "kneser_ney"]
    assert [m.name for m in toy.trained] == ["good", "poor"]
    assert (toy.missing, toy.floor, toy.unit) == ((), 40, "char")


def test_the_best_and_what_it_must_beat_are_those_of_least_exact_loss(toy: Results) -> None:
    assert toy.best is not None and toy.best.name == "good"
    assert toy.to_beat is not None and toy.to_beat.name == "kneser_ney"


def test_samples_carry_their_verdicts_and_no_human_text(toy: Results) -> None:
    samples = model(toy, "good").samples
    assert len(samples) == 6
    assert set(samples["strategy"]) == {"greedy", "multinomial"}
    assert samples.loc[samples["strategy"] == "greedy", "start"].tolist() == [5, 5, 5]
    assert (toy.human["samples"], toy.human["exact"]) == (2, 0)


def test_a_model_without_scores_is_missing_and_not_dropped(project: object) -> None:
    paths.scores("toy", "poor").unlink()
    results = load("toy")
    assert results.missing == ("poor",)
    assert [m.name for m in results.models] == ["good", "uniform", "kneser_ney"]


def test_what_a_model_lacks_beside_its_scores_is_named(project: object) -> None:
    paths.loop_rates("toy", "good").unlink()
    paths.wall("toy", "good").unlink()
    good = model(load("toy"), "good")
    assert good.absent == ("wall", "loops")
    assert (good.rates, good.wall, len(good.samples)) == ({}, {}, 0)


def test_an_unknown_corpus_is_met_with_the_nearest(project: object) -> None:
    with pytest.raises(RecurrenceError, match="did you mean 'toy'"):
        load("toys")


def test_a_broken_file_is_named(project: object) -> None:
    paths.scores("toy", "good").write_text("{", encoding="utf-8")
    with pytest.raises(RecurrenceError, match=r"good\.json: not JSON"):
        load("toy")
