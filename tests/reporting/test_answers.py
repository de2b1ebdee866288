from recurrence.reporting.answers import answers
from recurrence.results.corpus import Results
from reporting.results_tree import changed, model


def asked(results: Results) -> dict[str, tuple[str, str]]:
    return {a.question: (a.answer, " ".join(a.details)) for a in answers(results)}


def test_the_best_model_is_named_with_its_spread(toy: Results) -> None:
    answer, details = asked(toy)["Which model predicts best?"]
    assert answer == "good: 1.320 nats per character"
    assert details.startswith("1.320 ± 0.028, mean ± standard deviation of 2 seeds; 1.90 bits")
    assert "Next: poor, 1.600." in details


def test_the_floor_is_beaten_by_those_below_it(toy: Results) -> None:
    answer, details = asked(toy)["Does it beat counting?"]
    assert answer == "Yes, by 0.080 nats"
    assert "1 of 2 trained models beats it; not poor." in details


def test_losing_to_the_floor_is_said(toy: Results) -> None:
    scores = model(toy, "kneser_ney").scores
    better = changed(
        toy, "kneser_ney", scores={**scores, "exact": {**scores["exact"], "nats": 1.0}}
    )
    answer, details = asked(better)["Does it beat counting?"]
    assert answer == "No: counting is better by 0.320 nats"
    assert "0 of 2 trained models beat it." in details


def test_notebooks_are_compared_within_tolerances(toy: Results) -> None:
    answer, details = asked(toy)["Do the notebooks' figures come back?"]
    assert answer == "1 of 1 accuracies at most 3 points below, or above"
    assert details.startswith("1 of 1 losses at most 0.02 nats above, or below.")
    assert "1 of 1 notebook losses lie within two standard deviations of our seeds" in details
    assert "good, +0.011 nats." in details
    worse = changed(
        toy,
        "good",
        scores={**model(toy, "good").scores, "delta": {"nats": 0.021, "accuracy": -0.031}},
    )
    answer, details = asked(worse)["Do the notebooks' figures come back?"]
    assert answer.startswith("0 of 1 accuracies") and details.startswith("0 of 1 losses")


def test_without_a_notebook_nothing_is_said_of_one(toy: Results) -> None:
    alone = changed(
        toy, "good", scores={**model(toy, "good").scores, "notebook": None, "delta": None}
    )
    assert "Do the notebooks' figures come back?" not in asked(alone)


def test_losses_answer_where_the_notebook_printed_no_accuracy(toy: Results) -> None:
    scores = model(toy, "good").scores
    printed = changed(toy, "good", scores={**scores, "delta": {"nats": 0.05, "accuracy": None}})
    answer, details = asked(printed)["Do the notebooks' figures come back?"]
    assert answer == "0 of 1 losses at most 0.02 nats above, or below"
    assert "1 of 1 notebook losses lie within two" in details  # 0.05 <= 2 x 0.028
