"""The choice of a setting on rows made by hand: who is ranked, tried, confirmed, and why not."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from recurrence import params
from recurrence.study.choice import (
    REPETITION,
    Choice,
    Human,
    Plan,
    decide,
    evidence,
    human_text,
    lacks,
    prompts_needed,
)
from recurrence.study.statistics import wilson

HUMAN = Human(1.0, 1.5, 2.0, 100, 0.02, {"rep_4": 0.4, "zlib_ratio": 2.0})
NETS = (0, 1, 2, 3, 4)
PLAN = Plan(NETS, tuple(range(4)), tuple(range(4, 400)), bound=0.03, candidates=3, most=200)


def row(strategy: str, net: int, prompt: int, price: float = 1.5, **fields: Any) -> dict[str, Any]:
    found = {"strategy": strategy, "train_seed": net, "prompt_id": prompt, "kind": "none"}
    return found | dict.fromkeys(REPETITION, 0.1) | {"reference_nats": price} | fields


def first(plan: Plan = PLAN, **prices: float) -> list[dict[str, Any]]:
    """A first pass in which nothing loops, of strategies with these prices."""
    pairs = [(net, prompt) for net in plan.nets for prompt in plan.first]
    return [
        row(name, net, prompt, price) for name, price in prices.items() for net, prompt in pairs
    ]


class More:
    """Further samples without a loop, but for these (strategy, net, prompt); what was asked for is
    noted.
    """

    def __init__(self, *loops: tuple[str, int, int], **fields: Any) -> None:
        self.loops, self.fields = loops, fields
        self.asked: list[tuple[str, tuple[int, ...], int]] = []

    def __call__(self, name: str, nets: Sequence[int], prompts: Sequence[int]) -> Any:
        self.asked.append((name, tuple(nets), len(prompts)))
        found = []
        for net in nets:
            for prompt in prompts:
                kind = "near" if (name, net, prompt) in self.loops else "none"
                found.append(row(name, net, prompt, **{"kind": kind, **self.fields.get(name, {})}))
        return found


def decided(rows: Any, more: More, plan: Plan = PLAN) -> Choice:
    choice = decide(rows, more, HUMAN, plan)
    json.dumps(choice.tree(), allow_nan=False)
    return choice


def test_the_halves_share_no_net_and_no_prompt() -> None:
    assert (PLAN.choosing, PLAN.confirming) == ((1, 3), (0, 2, 4))
    assert set(PLAN.first).isdisjoint(PLAN.fresh)
    alone = Plan((7,), (0,), (1, 2), 0.03, 3, 200)
    assert (alone.choosing, alone.confirming) == ((7,), (7,)), "of one net only prompts differ"


def test_a_plan_deals_pairs_out_to_nets() -> None:
    protocol = params.Protocol.model_validate({"size": "s", "s": {"pairs": 24}})
    block = params.Prompts(prompt_tokens=10, texts=("a", "b"))
    of_five = Plan.of(NETS, block, 1005, protocol, "word")
    assert (len(of_five.first), len(of_five.fresh)) == (2 + 5, 100 - 5)
    assert (of_five.bound, of_five.most, of_five.candidates) == (0.03, 130, 6)
    of_one = Plan.of((0,), block, 1005, protocol, "char")
    assert (len(of_one.first), of_one.bound, of_one.most) == (2 + 24, 0.01, 400)
    assert Plan.of((0,), block, 55, protocol, "char").fresh == (), "too little text"


def test_the_nearest_to_human_text_is_tried_first_and_confirmed() -> None:
    more = More()
    choice = decided(first(far=1.9, near=1.6, cheap=0.9, dear=2.1), more)
    assert choice.recommended == "near"
    # 125 pairs of three nets are 42 prompts each: 16, 16 more, then the 10 that are left
    assert more.asked == [("near", (0, 2, 4), 16), ("near", (0, 2, 4), 16), ("near", (0, 2, 4), 10)]
    trial = choice.nearest
    assert trial is not None and trial.confirming is not None
    assert (trial.confirming.samples, trial.confirming.loops) == (126, 0)
    assert trial.confirming.loop_hi == wilson(0, 126)[1] <= 0.03
    assert (trial.choosing.samples, trial.choosing.nets, choice.candidates) == (8, 2, 2)


def test_what_loops_is_given_up_and_the_next_is_tried() -> None:
    """Two of the first 48 loop: no 200 pairs can show 3 % then."""
    more = More(("near", 0, 4), ("near", 2, 5))
    choice = decided(first(far=1.9, near=1.6), more)
    assert [name for name, _, _ in more.asked] == ["near", "far", "far", "far"]
    assert choice.recommended == "far"
    assert [trial.lacks for trial in choice.tried] == [("loops",), ()]


def test_no_more_than_so_many_are_tried() -> None:
    names = ("a", "b", "c", "d")
    more = More(*((name, net, 4) for name in names for net in NETS))
    choice = decided(first(**dict.fromkeys(names, 1.5)), more)
    assert [name for name, _, _ in more.asked] == ["a", "b", "c"]
    assert choice.recommended is None and choice.nearest is not None
    assert (choice.nearest.strategy, choice.nearest.lacks) == ("a", ("loops",))


def test_what_loops_among_the_choosing_nets_is_no_candidate() -> None:
    rows = first(one=1.5, two=1.9)
    rows[0] |= {"train_seed": 1, "prompt_id": 0, "kind": "exact"}
    assert decided(rows, More()).recommended == "two"


def test_the_other_nets_and_prompts_have_no_say_in_the_choice() -> None:
    rows = first(one=1.6, two=1.9)
    for each in rows:
        if each["strategy"] == "one" and each["train_seed"] in PLAN.confirming:
            each |= {"kind": "exact", "reference_nats": 9.0}
    more = More()
    assert decided(rows, more).tried[0].strategy == "one"


def test_recycling_text_is_never_recommended() -> None:
    """`the the ther the the the and the`: no loop, priced like people's, and it goes round in
    circles.
    """
    rows = first(round=1.5)
    for each in rows:
        each["kind"] = "recycling"
    choice = decided(rows, More())
    assert (choice.recommended, choice.candidates) == (None, 0)
    assert choice.nearest is not None and choice.nearest.lacks == ("recycles",)


def test_text_that_repeats_above_the_human_band_is_never_recommended() -> None:
    rows = [each | {"zlib_ratio": 2.4} for each in first(round=1.5)]
    choice = decided(rows, More())
    assert choice.nearest is not None and choice.nearest.lacks == ("repeats",)
    assert decided([each | {"zlib_ratio": 2.0} for each in rows], More()).recommended == "round"


@pytest.mark.parametrize(
    ("fields", "lack"),
    [
        ({"reference_nats": 0.9}, "cheap"),
        ({"reference_nats": 2.1}, "dear"),
        ({"kind": "recycling"}, "recycles"),
        ({"rep_4": 0.5}, "repeats"),
    ],
)
def test_both_halves_must_do(fields: dict[str, Any], lack: str) -> None:
    choice = decided(first(one=1.5), More(one=fields))
    assert choice.recommended is None
    assert choice.tried[0].lacks == (lack,)


def test_where_the_bound_cannot_be_reached_nothing_is_sampled() -> None:
    for plan in (
        Plan(NETS, PLAN.first, PLAN.fresh[:41], 0.03, 3, 200),  # 3 x 41 = 123
        Plan(NETS, PLAN.first, PLAN.fresh, 0.03, 3, 124),
        Plan(NETS, PLAN.first, PLAN.fresh, 0.03, 0, 200),
    ):
        more = More()
        choice = decided(first(one=1.5), more, plan)
        assert (choice.recommended, choice.tried, more.asked) == (None, (), [])
        assert choice.nearest is not None and choice.nearest.lacks == ()
    assert (choice.needed, choice.available) == (126, 198)


def test_without_rows_there_is_no_nearest() -> None:
    assert decided([], More()).nearest is None


def test_the_same_rows_give_the_same_choice() -> None:
    rows, loops = first(far=1.9, near=1.6), [("near", 2, 30)]
    assert decided(rows, More(*loops)).tree() == decided(rows, More(*loops)).tree()


def test_prompts_needed_by_hand() -> None:
    """Without a loop z^2 (1 - b) / b pairs: 124.2 of one net, 62.1 of each of two, 41.4 of each of
    three.
    """
    assert [prompts_needed((0,) * nets, 0.03) for nets in (1, 2, 3)] == [125, 63, 42]
    assert prompts_needed((0,), 0.01) == 381
    assert prompts_needed((0,), 0.03, at_least=200) == 200
    assert prompts_needed((1,), 0.03, 16, 100) == 101, "out of reach"
    one = prompts_needed((1,), 0.03)
    assert wilson(1, one)[1] <= 0.03 < wilson(1, one - 1)[1]


def test_evidence_by_hand() -> None:
    rows = [row("x", net, prompt, 1.0 + net) for net in (0, 1) for prompt in (0, 1)]
    rows[0] |= {"kind": "exact", "rep_4": 0.5}
    rows[1] |= {"kind": "recycling", "reference_nats": None}
    seen = evidence(rows)
    assert (seen.samples, seen.nets, seen.prompts, seen.loops, seen.recycling) == (4, 2, 2, 1, 1)
    assert (seen.loop_rate, seen.reference_nats) == (0.25, pytest.approx(5 / 3))
    assert seen.repetition["rep_4"] == pytest.approx(0.2)


def test_few_samples_are_judged_by_their_share_and_many_by_their_bound() -> None:
    some = evidence([row("x", 0, p, kind="recycling" if p < 2 else "none") for p in range(150)])
    assert lacks(some, HUMAN, None) == (), "2 of 150 are no more than 2 %"
    assert lacks(some, HUMAN, 0.03) == ("recycles",), "but may be 4.7 %"


def test_human_text_has_bands() -> None:
    bands = {name: {"high": 0.3} for name in REPETITION} | {"rep_2": {"high": None}}
    found = human_text([*np.linspace(0, 1, 41), float("nan")], [False] * 42, bands)
    assert found is not None
    assert (found.low, found.median, found.high) == pytest.approx((0.025, 0.5, 0.975))
    assert found.windows == 41
    assert found.recycling_hi == wilson(0, 42)[1]
    assert found.repetition == {name: 0.3 for name in REPETITION if name != "rep_2"}
    assert [found.place(x) for x in (0.02, 0.5, 0.98)] == ["below", "within", "above"]
    assert human_text([float("nan")], [False], bands) is None
