from dataclasses import replace
from typing import Any

import pytest

from recurrence.results.corpus import ModelResults, Results
from recurrence.results.recommended import Band
from reporting import planted_samples
from reporting.results_tree import model


@pytest.fixture
def good(toy: Results) -> ModelResults:
    return model(toy, "good")


def told(good: ModelResults, **tree: Any) -> ModelResults:
    """The model with another outcome of the choice."""
    planted = planted_samples.choice("good")
    assert planted is not None
    return replace(good, loops=good.loops | {"choice": planted | tree})


def test_the_band_holds_95_percent_of_the_human_windows(good: ModelResults) -> None:
    human = replace(good, human_nats=tuple(i / 40 for i in range(41))).band
    assert human == Band(low=0.025, median=0.5, high=0.975, windows=41)
    assert [human.place(x) for x in (0.02, 0.025, 0.975, 0.98)] == [
        "below",
        "within",
        "within",
        "above",
    ]
    assert replace(good, human_nats=()).band is None


def test_what_was_confirmed_is_recommended(good: ModelResults) -> None:
    choice = good.choice
    assert choice is not None and choice.qualifies and choice.confirming is not None
    assert (choice.strategy, choice.lacks, choice.seen["samples"]) == ("top_p_0_9", (), 381)


@pytest.mark.parametrize(
    ("lack", "words"),
    [
        ("loops", "3 of 40 loop, at most 20 %"),
        ("recycles", "0 of 40 recycle, of human text at most 43 %"),
        ("repeats", "repeats more than human text"),
        ("cheap", "1.420 nats, more predictable than human text (1.310 to 1.690)"),
        ("dear", "1.420 nats, less predictable than human text (1.310 to 1.690)"),
        ("unpriced", "has no reference nats"),
    ],
)
def test_what_the_nearest_lacks_is_said(good: ModelResults, lack: str, words: str) -> None:
    nearest = planted_samples.trial("top_p_0_9", 3) | {"lacks": [lack]}
    choice = told(good, recommended=None, nearest=nearest).choice
    assert choice is not None and not choice.qualifies
    assert choice.lacks == (words,)


def test_where_nothing_could_be_confirmed_that_is_what_is_lacking(good: ModelResults) -> None:
    nearest = planted_samples.trial("top_p_0_9", 0) | {"confirming": None}
    short = told(good, recommended=None, nearest=nearest, tried=[], available=40)
    choice = short.choice
    assert choice is not None and choice.confirming is None
    assert choice.lacks == (
        "not confirmed: that takes 381 further pairs of net and prompt, and there are 40",
    )
    none = told(good, recommended=None, nearest=nearest, tried=[], available=0).choice
    assert none is not None and none.lacks == ("no further prompts to confirm it on",)


def test_without_reference_nats_or_samples_there_is_no_choice(good: ModelResults) -> None:
    assert replace(good, human_nats=()).choice is None
    assert replace(good, loops={}).choice is None
    assert told(good, recommended=None, nearest=None).choice is None


def test_the_planted_models(toy: Results) -> None:
    choices = {m.name: m.choice for m in toy.trained}
    assert choices["good"] is not None and choices["good"].strategy == "top_p_0_9"
    assert choices["poor"] is not None and not choices["poor"].qualifies
    assert model(toy, "uniform").choice is None
