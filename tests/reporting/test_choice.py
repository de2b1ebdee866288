from dataclasses import replace
from typing import Any

import pytest

from recurrence.reporting.choice import Band, Choice, band, choose
from recurrence.reporting.results import ModelResults, Results
from reporting.results_tree import model


@pytest.fixture
def good(toy: Results) -> ModelResults:
    return model(toy, "good")


def chosen(good: ModelResults, rates: dict[str, tuple[float, float | None]]) -> Choice | None:
    """What is chosen where strategies have these loop rates and prices; human text: 1.3 to 1.7."""
    some = good.rates["multinomial"]
    made: dict[str, dict[str, Any]] = {
        name: some | {"loop_rate": rate, "loops": round(6 * rate), "price": price}
        for name, (rate, price) in rates.items()
    }
    return choose(replace(good, rates=made))


def test_the_band_holds_95_percent_of_the_human_windows(good: ModelResults) -> None:
    human = band(replace(good, human_nats=tuple(i / 40 for i in range(41))))
    assert human == Band(low=0.025, median=0.5, high=0.975, windows=41)
    assert [human.place(x) for x in (0.02, 0.025, 0.975, 0.98)] == [
        "below",
        "within",
        "within",
        "above",
    ]
    assert band(replace(good, human_nats=())) is None


def test_of_those_without_a_loop_inside_the_band_the_nearest_to_human_text_is_chosen(
    good: ModelResults,
) -> None:
    choice = chosen(
        good, {"loops": (0.2, 1.5), "far": (0.0, 1.35), "near": (0.0, 1.52), "dear": (0.0, 1.9)}
    )
    assert choice is not None and choice.qualifies
    assert (choice.strategy, choice.qualified) == ("near", ("near", "far"))


def test_equally_near_ones_are_taken_in_their_order(good: ModelResults) -> None:
    choice = chosen(good, {"one": (0.0, 1.4), "two": (0.0, 1.6)})
    assert choice is not None and choice.strategy == "one"


def test_where_none_qualifies_the_nearest_is_named(good: ModelResults) -> None:
    choice = chosen(good, {"cheap": (0.0, 0.9), "dear": (0.0, 2.0), "loops": (0.1, 1.5)})
    assert choice is not None and not choice.qualifies and choice.strategy == "dear"
    choice = chosen(good, {"often": (0.9, 1.5), "seldom": (0.1, 0.4)})
    assert choice is not None and not choice.qualifies and choice.strategy == "seldom"


def test_without_prices_there_is_no_choice(good: ModelResults) -> None:
    assert chosen(good, {"one": (0.0, None)}) is None
    assert choose(replace(good, human_nats=())) is None
    assert choose(replace(good, rates={})) is None


def test_the_planted_models(toy: Results) -> None:
    choices = {m.name: choose(m) for m in toy.trained}
    assert choices["good"] is not None and choices["good"].strategy == "top_p_0_9"
    assert choices["poor"] is not None and not choices["poor"].qualifies
    assert choose(model(toy, "uniform")) is None
