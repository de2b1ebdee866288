from dataclasses import replace

import pandas as pd
import pytest

from recurrence.reporting.passages import Passage, passages, visible
from recurrence.results.corpus import ModelResults, Results
from reporting.results_tree import model


@pytest.fixture
def good(toy: Results) -> ModelResults:
    return model(toy, "good")


def text(passage: Passage) -> str:
    return "".join(piece.text for piece in passage.pieces)


def test_a_loop_is_cut_into_its_copies(good: ModelResults) -> None:
    greedy = passages(good, "char")[0]
    assert (greedy.strategy, greedy.start, greedy.period, greedy.copies) == ("greedy", 5, 4, 13.75)
    assert (greedy.pieces[0].text, greedy.pieces[0].copy) == ("<b>&" + " ", None)
    copies = greedy.pieces[1:]
    assert [piece.copy for piece in copies] == list(range(14))
    assert {piece.text for piece in copies[:-1]} == {copies[0].text}
    assert copies[0].text.startswith(copies[-1].text) and len(copies[-1].text) == 3


def test_pieces_put_together_are_the_sample(good: ModelResults) -> None:
    samples = good.samples.set_index("sample_id")
    for passage in passages(good, "char"):
        assert (
            text(passage) == samples.loc[f"{passage.strategy}/0/0/0", "text"][:60]
        )  # what the verdict is on


def test_what_does_not_loop_is_one_piece(good: ModelResults) -> None:
    sampled = passages(good, "char")[1]
    assert (sampled.strategy, sampled.start, len(sampled.pieces)) == ("multinomial", None, 1)


def test_a_loop_that_is_left_again_ends_in_plain_text(good: ModelResults) -> None:
    escaped = good.samples.assign(matched=7, terminal=False)
    greedy = passages(replace(good, samples=escaped), "char")[0]
    assert [piece.copy for piece in greedy.pieces] == [None, 0, 1, 2, None]
    assert not greedy.terminal
    assert len(text(greedy)) == 60


def test_long_samples_are_cut_but_not_before_the_loop_is_seen(good: ModelResults) -> None:
    row = good.samples.iloc[0].to_dict() | {
        "ids": [4] * 900 + [0, 1, 2, 3] * 300,
        "start": 900,
        "matched": 1196,
    }
    row["length"] = 2100
    long = replace(good, samples=pd.DataFrame([row]))
    (greedy,) = passages(long, "char")
    assert [piece.copy for piece in greedy.pieces] == [None, *range(10)]  # 40 tokens of it
    assert greedy.left_out == 2100 - 940
    row["kind"] = "none"
    (plain,) = passages(replace(good, samples=pd.DataFrame([row])), "char")
    assert (len(text(plain)), plain.left_out) == (700, 1400)


def test_words_are_joined_by_spaces(good: ModelResults) -> None:
    row = good.samples.iloc[0].to_dict() | {
        "ids": [0, 1, 2, 1, 2],
        "start": 1,
        "period": 2,
        "matched": 2,
        "length": 5,
    }
    words = replace(good, tokens=("one", "two", "three"), samples=pd.DataFrame([row]))
    assert [piece.text for piece in passages(words, "word")[0].pieces] == [
        "one",
        "two three",
        "two three",
    ]


def test_a_random_loop_under_another_strategy_is_shown_too(good: ModelResults) -> None:
    row = good.samples.iloc[0].to_dict() | {
        "sample_id": "hot/0/0/0",
        "strategy": "hot",
        "deterministic": False,
    }
    more = pd.concat([good.samples, pd.DataFrame([row])], ignore_index=True)
    shown = [p.strategy for p in passages(replace(good, samples=more), "char")]
    assert shown == ["greedy", "multinomial", "top_p_0_9", "hot"]


def test_the_recommended_strategy_is_shown_and_said(good: ModelResults) -> None:
    assert [(p.strategy, p.chosen) for p in passages(good, "char")] == [
        ("greedy", False), ("multinomial", False), ("top_p_0_9", True),
    ]  # fmt: skip
    unpriced = replace(good, human_nats=())
    assert [p.strategy for p in passages(unpriced, "char")] == ["greedy", "multinomial"]


def test_a_near_loop_is_one_piece(good: ModelResults) -> None:
    row = good.samples.iloc[0].to_dict() | {
        "kind": "near",
        "start": 5,
        "period": 4,
        "copies": 9.9,
        "identity": 0.9,
    }
    (near,) = passages(replace(good, samples=pd.DataFrame([row])), "char")
    assert near.near and [piece.copy for piece in near.pieces] == [None, 0, None]
    assert len(near.pieces[1].text) == 40


def test_without_the_preferred_strategies_others_stand_in(good: ModelResults) -> None:
    few = good.samples[good.samples["strategy"].isin(["greedy", "multinomial"])]
    other = few.assign(strategy=few["strategy"].map({"greedy": "beam", "multinomial": "hot"}))
    stand_ins = replace(good, samples=other, human_nats=())
    assert [p.strategy for p in passages(stand_ins, "char")] == ["beam", "hot"]


def test_control_characters_are_made_visible() -> None:
    assert visible("a\0\x1b\tb\n") == "a\u2400\u241b\tb\n"


def test_three_copies_of_a_long_unit_are_shown(good: ModelResults) -> None:
    row = good.samples.iloc[0].to_dict() | {
        "ids": [4] * 800 + [*[0] * 99, 1] * 9,
        "start": 800,
        "period": 100,
    }
    (greedy,) = passages(
        replace(good, samples=pd.DataFrame([row | {"matched": 800, "length": 1700}])), "char"
    )
    assert [piece.copy for piece in greedy.pieces] == [None, 0, 1, 2]
