from recurrence.reporting.setting_answers import cost, setting
from recurrence.results.corpus import Results
from reporting.planted_samples import choice
from reporting.results_tree import changed, model


def both(results: Results) -> tuple[str, str, str, str]:
    """Answer and details of cost, then of setting."""
    costs, settings = cost(results), setting(results)
    assert costs is not None and settings is not None
    return costs.answer, " ".join(costs.details), settings.answer, " ".join(settings.details)


def test_a_model_with_a_setting_and_one_without(toy: Results) -> None:
    answer, details, chosen, settings = both(toy)
    assert answer == "Yes for 1 of 2 models, the best among them, good"
    assert (
        "good: human text 1.500; from there greedy −1.080, multinomial +0.620, top_p_0_9 −0.080."
        in details
    )
    assert (
        "Words that the training text has not: human 25 %; good, multinomial 25 %, top_p_0_9 25 %."
        in details
    )
    assert chosen == "top_p_0_9 for good"
    assert (
        "good: top_p_0_9; chosen: 0 of 6 loop (1 net), 1.420 nats (1.320 to 1.520); confirmed: 0 "
        "of 381 loop "
        "(2 nets), 1.420 nats (1.320 to 1.520), at most 1.0 %; human text 1.310 to 1.690."
        in settings
    )
    assert (
        "poor: none qualifies; nearest is top_p_0_9: 3 of 40 loop, at most 20 %. Of 3 candidates "
        "2 tried." in settings
    )


def told(results: Results, name: str, of: str) -> Results:
    """The results with the choice of a model as `of` has it."""
    return changed(results, name, loops=model(results, name).loops | {"choice": choice(of)})


def test_one_setting_for_every_model(toy: Results) -> None:
    answer, _, chosen, _ = both(told(toy, "poor", "good"))
    assert answer == "Yes: every model has a confirmed setting as predictable as human text"
    assert chosen == "top_p_0_9 for good and poor"


def test_the_best_model_leads_even_where_it_has_no_setting(toy: Results) -> None:
    answer, details, chosen, settings = both(told(told(toy, "good", "poor"), "poor", "good"))
    assert answer == "Not for good, the best model; yes for 1 of 2 models"
    assert details.startswith("Of good, top_p_0_9 comes nearest.")
    assert chosen == "None for good, the best model; top_p_0_9 for poor"
    assert details.index("good: human text") < details.index("poor: human text")
    assert settings.index("good: none qualifies") < settings.index("poor: top_p_0_9; chosen")


def test_no_setting_at_all(toy: Results) -> None:
    answer, _, chosen, settings = both(told(toy, "good", "poor"))
    assert answer == "Not for good, the best model, nor any other"
    assert chosen == "None that qualifies"
    assert settings.count("none qualifies") == 2


def test_without_reference_nats_nothing_is_asked(toy: Results) -> None:
    for name in ("good", "poor"):
        toy = changed(toy, name, human_nats=())
    assert cost(toy) is None and setting(toy) is None


def test_a_reference_model_that_knows_the_text_less_well_is_named(toy: Results) -> None:
    assert "With caution" not in both(toy)[1]  # poor, 1.600, is the reference model of good, 1.320
    scores = model(toy, "poor").scores
    weak = changed(toy, "poor", scores=scores | {"exact": scores["exact"] | {"nats": 1.7}})
    assert both(weak)[1].endswith(
        "With caution: good's reference model, poor, predicts held-out text worse (1.700) than it "
        "does."
    )
