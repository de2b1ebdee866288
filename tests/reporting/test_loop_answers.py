import re
from dataclasses import replace

import pandas as pd

from recurrence.params import Strategy
from recurrence.reporting.loop_answers import loop_answers
from recurrence.results.corpus import Results
from recurrence.results.formats import rated
from recurrence.study.statistics import rate_interval
from reporting.results_tree import changed, model

GUESS = "Does sampling the top valued outputs lead to loops?"


def bare(text: str) -> str:
    """Without the intervals, which tests of statistics.py and tables.py are about."""
    return re.sub(r" \([<\d.]+ to [\d.]+ %\)", "", text)


def asked(results: Results) -> dict[str, tuple[str, str]]:
    return {a.question: (bare(a.answer), bare(" ".join(a.details))) for a in loop_answers(results)}


def test_every_rate_has_its_interval_and_what_is_behind_it(toy: Results) -> None:
    """Of two nets of three prompts one loops always and one once in three times."""
    low, high = rate_interval([1, 1, 1, 1, 0, 0], [0, 0, 0, 1, 1, 1], [0, 1, 2] * 2)
    shown = f"greedy {rated(4 / 6, low, high)}; after 5 characters"
    found = {a.question: " ".join([a.answer, *a.details]) for a in loop_answers(toy)}
    assert shown in found["Which decoding loops?"]
    guess = {a.question: a for a in loop_answers(with_top_k(toy, ["none"] * 6))}[GUESS]
    assert guess.details[0].startswith(f"Taking the top one, {rated(4 / 6, low, high)}; sampling")
    assert guess.details[-1] == "Behind these: 6 samples of 2 nets and 6 samples of 1 net."


def with_top_k(toy: Results, kinds: list[str]) -> Results:
    """The results with samples of `good` under top_k_5 besides."""
    samples = model(toy, "good").samples
    some = samples[samples["strategy"] == "multinomial"].head(len(kinds))
    more = some.assign(
        strategy="top_k_5",
        kind=kinds,
        start=5,
        period=4,
        sample_id=[f"top_k_5/{i}" for i in range(len(kinds))],
    )
    both = pd.concat([samples, more], ignore_index=True)
    rates = model(toy, "good").rates
    toy = changed(toy, "good", samples=both, rates=rates | {"top_k_5": rates["multinomial"]})
    return replace(
        toy, blocks=toy.blocks | {"top_k_5": Strategy(pick="sample", filters=({"top_k": 5},))}
    )


def test_which_decoding_loops_since_when_and_how(toy: Results) -> None:
    answer, details = asked(toy)["Which decoding loops?"]
    assert answer == "greedy and beam_4"
    assert "The likeliest token: greedy 67 %; after 5 characters, period 4." in details
    assert "Search for likely text: beam_4 50 %; after 5 characters, period 4." in details
    assert "At times: greedy_rep_1_2 17 % and top_p_0_9 8.3 %." in details
    assert details.endswith("Strategies that loop mostly, by model: good 2 of 5 and poor 0 of 5.")


def test_which_does_not_and_human_text_beside_it(toy: Results) -> None:
    answer, details = asked(toy)["Which does not?"]
    assert answer == "multinomial"
    assert (
        "No loop in 12 samples, so at most 39 % loop (95 % confidence)." in details
    )  # Wilson, of 6 pairs of net and prompt: 3.84 / (6 + 3.84)
    assert (
        "Human text, measured alike: 0 % (0 of 5 windows of the validation text; at most 50 %)."
        in details
    )


def test_where_all_loop_the_least_is_named(toy: Results) -> None:
    hot = (
        model(toy, "good")
        .samples.head(3)
        .assign(strategy="top_p_0_9", kind=["exact", "none", "none"])
    )
    rates = {"top_p_0_9": model(toy, "good").rates["top_p_0_9"]}
    toy = changed(toy, "good", samples=hot, rates=rates)
    toy = replace(toy, models=(model(toy, "good"),))
    assert asked(toy)["Which decoding loops?"][0] == "None mostly; top_p_0_9 at times"
    assert asked(toy)["Which does not?"][0] == "All do; top_p_0_9 least, 33 %"


def test_where_none_loops_that_is_the_answer(toy: Results) -> None:
    for name in ("good", "poor"):
        toy = changed(toy, name, samples=model(toy, name).samples.assign(kind="none"))
    assert asked(toy)["Which decoding loops?"] == ("None of those tried", "")


def test_without_samples_nothing_is_asked(toy: Results) -> None:
    for name in ("good", "poor"):
        toy = changed(toy, name, samples=model(toy, name).samples.iloc[:0], rates={})
    assert loop_answers(toy) == []


def test_the_notebooks_guess_is_answered(toy: Results) -> None:
    answer, details = asked(with_top_k(toy, ["none"] * 6))[GUESS]
    assert answer == "Not sampling, but taking the top one: 67 % against 0 %"
    assert (
        "The top one always: greedy 67 %." in details
        and "Drawn from the top k: top_k_5 0 %." in details
    )
    assert (
        "Drawn from all: multinomial 0 %." in details
        and "The likeliest text, by search: beam_4 50 %." in details
    )
    assert "The top one after a penalty or filter still loops mostly under 0 of 1." in details


def test_the_guess_may_be_right_or_wrong(toy: Results) -> None:
    answer, _ = asked(with_top_k(toy, ["exact", "none", "none", "none"]))[GUESS]
    assert answer == "Yes: 67 % loop taking the top one, 25 % sampling among them"
    answer, _ = asked(with_top_k(toy, ["exact", "near"]))[GUESS]
    assert answer == "Yes: 67 % loop taking the top one, 100 % sampling among them"
    free = with_top_k(toy, ["none"])
    for name in ("good", "poor"):
        free = changed(free, name, samples=model(free, name).samples.assign(kind="none"))
    assert asked(free)[GUESS][0] == "Hardly: 0 % loop taking the top one, 0 % sampling among them"


def test_without_top_k_the_guess_is_not_asked(toy: Results) -> None:
    assert GUESS not in asked(toy)


def test_many_names_are_counted(toy: Results) -> None:
    samples = model(toy, "good").samples
    greedy = samples[samples["strategy"] == "greedy"]
    many = [greedy.assign(strategy=f"greedy_{i}") for i in range(8)]
    rates = model(toy, "good").rates
    toy = changed(
        toy,
        "good",
        samples=pd.concat([samples, *many], ignore_index=True),
        rates=rates | {f"greedy_{i}": rates["greedy"] for i in range(8)},
    )
    toy = replace(
        toy, blocks=toy.blocks | {f"greedy_{i}": Strategy(pick="argmax") for i in range(8)}
    )
    answer, details = asked(toy)["Which decoding loops?"]
    assert answer == "10 of the 13 strategies"
    assert (
        "greedy_0, greedy_1, greedy_2, greedy_3, greedy_4 and 3 more 100 % and greedy 67 %; "
        "medians: after" in details
    )
