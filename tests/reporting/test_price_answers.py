from recurrence.reporting.price_answers import cost, setting
from recurrence.reporting.results import Results
from reporting.results_tree import changed, model


def both(results: Results) -> tuple[str, str, str, str]:
    """Answer and details of cost, then of setting."""
    costs, settings = cost(results), setting(results)
    assert costs is not None and settings is not None
    return costs.answer, " ".join(costs.details), settings.answer, " ".join(settings.details)


def test_a_model_with_a_setting_and_one_without(toy: Results) -> None:
    answer, details, chosen, settings = both(toy)
    assert (
        answer
        == "Nothing for 1 of 2 models: they have settings without loops, priced as human text"
    )
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
        "good: top_p_0_9, 0 of 6 loop, at most 50 %; 1.420 nats (1.320 to 1.520), human text 1.310 to 1.690."
        in settings
    )
    assert "poor: none qualifies; nearest is greedy_rep_1_2, 0 of 3 loop" in settings


def test_one_setting_for_every_model(toy: Results) -> None:
    rates = model(toy, "good").rates
    answer, _, chosen, _ = both(changed(toy, "poor", rates=rates))
    assert answer == "Nothing: every model has settings without loops that are priced as human text"
    assert chosen == "top_p_0_9 for good and poor"


def test_no_setting_at_all(toy: Results) -> None:
    for name in ("good", "poor"):
        toy = changed(toy, name, human_nats=(9.0, 9.1))
    answer, _, chosen, settings = both(toy)
    assert (answer, chosen) == (
        "No setting without loops is priced as human text",
        "None that qualifies",
    )
    assert settings.count("none qualifies") == 2


def test_without_prices_nothing_is_asked(toy: Results) -> None:
    for name in ("good", "poor"):
        toy = changed(toy, name, human_nats=())
    assert cost(toy) is None and setting(toy) is None


def test_a_judge_that_knows_the_text_less_well_is_named(toy: Results) -> None:
    assert "With caution" not in both(toy)[1]  # poor, 1.600, judges good, 1.320
    scores = model(toy, "poor").scores
    weak = changed(toy, "poor", scores=scores | {"exact": scores["exact"] | {"nats": 1.7}})
    assert both(weak)[1].endswith(
        "With caution: good's judge, poor, predicts held-out text worse (1.700) than it does."
    )


def test_recycling_of_the_chosen_setting_is_said(toy: Results) -> None:
    rates = model(toy, "good").rates
    some = rates | {"top_p_0_9": rates["top_p_0_9"] | {"recycling": 2}}
    assert (
        "0 of 6 loop, at most 50 %, 2 recycle; 1.420 nats"
        in both(changed(toy, "good", rates=some))[3]
    )
