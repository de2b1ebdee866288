from dataclasses import replace

import pytest

from recurrence.reporting.sentences import Line, free, lines, looping
from recurrence.results.corpus import ModelResults, Results
from reporting.results_tree import model


@pytest.fixture
def good(toy: Results) -> ModelResults:
    return model(toy, "good")


def test_a_loop_in_words_counts_from_the_first_character(good: ModelResults) -> None:
    rates = good.rates["greedy"] | {"onset_median": 13.0, "period_median": 13.0}
    assert (
        looping(rates, "char")
        == "100 % (50 to 100 %) loop, from character 14 on, period 13 (3 of 3 samples of 1 net, the same one)"
    )
    start = rates | {"onset_median": 0.0, "exact": 3, "n_attractors": 2}
    assert (
        looping(start, "word")
        == "100 % (50 to 100 %) loop, from word 1 on, period 13 (3 of 3 samples of 1 net, 2 different ones)"
    )


def test_near_loops_are_told_from_exact_ones(good: ModelResults) -> None:
    assert looping(good.rates["beam_4"], "char").endswith(
        "(3 of 3 samples of 1 net, 1 with small edits, the same one)"
    )
    assert looping(good.rates["greedy_rep_1_2"], "char").endswith(
        "(1 of 3 samples of 1 net, all with small edits)"
    )


def test_no_loop_comes_with_its_bound(good: ModelResults) -> None:
    assert free(good.rates["multinomial"]) == "no loop in 6 samples of 1 net, so at most 50 % loop"


def test_there_is_a_line_for_every_strategy_by_family(toy: Results, good: ModelResults) -> None:
    found = lines(good, toy)
    assert list(found) == [
        "the likeliest token", "the likeliest token after filters and penalties", "search for likely text",
        "pure sampling", "sampling after filters and penalties",
    ]  # fmt: skip
    (drawn,) = found["pure sampling"]
    text = (
        "no loop in 6 samples of 1 net, so at most 50 % loop; 2.120 nats, less predictable than "
        "human text"
    )
    assert drawn == Line("multinomial", text, "free")
    (penalty,) = found["the likeliest token after filters and penalties"]
    assert (
        penalty.tone == "loop"
        and "; 33 % (17 to 67 %) repeat themselves without a period; 1.020 nats, more"
        in penalty.text
    )


def test_without_reference_nats_nothing_is_said_of_them(toy: Results, good: ModelResults) -> None:
    found = lines(replace(good, human_nats=()), toy)
    assert not any("nats" in line.text for family in found.values() for line in family)


def test_recycling_alone_has_a_tone_of_its_own(toy: Results, good: ModelResults) -> None:
    rates = good.rates["greedy_rep_1_2"] | {"loops": 0, "near": 0, "loop_rate": 0.0}
    found = lines(replace(good, rates={"greedy_rep_1_2": rates}), toy)
    assert [line.tone for family in found.values() for line in family] == ["recycling"]
