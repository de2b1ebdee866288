"""Verdicts on texts of any kind: what is a loop, what counts up, what brings news, what is drawn;
on made-up texts.
"""

import random
from dataclasses import replace

import pytest

from loops.made_text import prose
from recurrence.loops.limits import floor_of, limits_of
from recurrence.loops.texts import TextDetector, characters, in_words
from recurrence.loops.verdict import LOOPS, Verdict

JUDGE = TextDetector()
NAMES = [
    "arbour",
    "bellows",
    "cinder",
    "dapple",
    "ember",
    "fathom",
    "gantry",
    "hollow",
    "ingot",
    "jetty",
    "kelp",
    "lantern",
    "mallet",
    "nettle",
]
NAMES += [
    "ochre",
    "pewter",
    "quarry",
    "rafter",
    "saddle",
    "thistle",
    "umber",
    "vellum",
    "wicket",
    "yarrow",
    "zither",
    "anvil",
    "birch",
    "cobalt",
]
BEFORE = prose(1, 900)


def kind(text: str) -> str:
    return JUDGE.judge(text).kind


# ---------------------------------------------------------------- loops


@pytest.mark.parametrize("copies", [4, 12, 60])
def test_equal_copies_are_an_exact_loop_that_begins_where_they_do(copies: int) -> None:
    unit = "The ferry left without us, and nobody waved. "
    verdict = JUDGE.judge(BEFORE + unit * copies)
    assert (verdict.kind, verdict.period, verdict.terminal) == ("exact", len(unit), True)
    assert abs((verdict.start or 0) - len(BEFORE)) <= 2
    assert verdict.copies == pytest.approx(copies, abs=0.1)


def test_lines_wrapped_elsewhere_and_other_cases_are_the_same() -> None:
    words = (
        "the keeper shall oil the hinges of the lower gate before the frost comes " * 40
    ).split()
    lines, line = [], ""
    for word in words:
        if len(line) + len(word) > 61:
            lines.append(line)
            line = ""
        line += word + " "
    text = "\n".join(lines)
    assert kind(text) in ("exact", "near")
    shouted = "".join(
        c.upper() if random.Random(i).random() < 0.2 else c for i, c in enumerate(text)
    )
    assert kind(shouted) == "near"


def test_copies_that_only_count_up_are_a_progression() -> None:
    steps = "".join(f"Step {i}: open valve {3 * i} and wait.\n" for i in range(5, 60))
    verdict = JUDGE.judge(BEFORE + "\n" + steps)
    assert verdict.kind == "progression"
    assert abs((verdict.start or 0) - len(BEFORE)) <= 40
    assert verdict.terminal


def test_times_that_go_on_are_counted_up() -> None:
    line = "[{:02}:{:02}.500 --> {:02}:{:02}.250] and that was the end of the matter\n"
    log = "".join(line.format(i // 9, 5 * i % 60, i // 9, 5 * i % 60 + 3) for i in range(60))
    assert kind(log) in ("progression", "near")


def test_words_drawn_from_a_few_are_a_near_loop_in_prose() -> None:
    rng = random.Random(3)
    who = ["Ada", "Bruno", "Celia", "Doug"]
    said = "".join(
        f"Perhaps {rng.choice(who)} keeps the key and {rng.choice(who)} keeps the lamp, but then "
        f"it "
        "would be dark below. Let me try again. "
        for _ in range(40)
    )
    assert kind(BEFORE + said) == "near"


def test_a_wall_of_few_words_in_no_order() -> None:
    rng = random.Random(5)
    wall = " ".join(rng.choice(["never", "never", "ever", "neverThe"]) for _ in range(300))
    verdict = JUDGE.judge(BEFORE + wall)
    assert verdict.kind == "near"
    assert abs((verdict.start or 0) - len(BEFORE)) <= 60


@pytest.mark.parametrize("rate", [0.02, 0.05])
def test_small_edits_anywhere_are_a_near_loop(rate: float) -> None:
    rng = random.Random(7)
    unit = "It was agreed that the boats should be tarred again before the winter set in. "
    edited = "".join(rng.choice("abcdefgh") if rng.random() < rate else c for c in unit * 30)
    verdict = JUDGE.judge(BEFORE + edited)
    assert verdict.kind == "near"
    assert verdict.period == pytest.approx(len(unit), rel=0.1)


def test_the_largest_loop_wins_over_an_exact_fragment_in_it() -> None:
    rng = random.Random(2)
    unit = "We measured the {} beam twice, and {} it looked a little crooked to us. "
    near = "".join(
        unit.format(rng.choice(["long", "short"]), rng.choice(["still", "then"])) for _ in range(60)
    )
    fixed = unit.format("long", "still") * 4
    verdict = JUDGE.judge(near + fixed + near)
    assert verdict.kind == "near"
    assert (verdict.start or 0) < 200
    assert (verdict.coverage or 0) > 0.9


def test_a_long_period_and_a_long_text() -> None:
    page = prose(4, 9_000)
    text = "".join(page.replace("\n", " ") + f" Page {i}. " for i in range(1, 15))
    verdict = JUDGE.judge(text)
    assert verdict.kind in ("near", "exact")
    assert verdict.period == pytest.approx(len(page), rel=0.02)
    assert (verdict.coverage or 0) > 0.8


def test_dense_scripts_need_less() -> None:
    assert kind("今天的会议到此结束。" + "我还是没有听明白这句话，" * 4) == "exact"
    assert kind("on and on, " * 3) == "none"


# ---------------------------------------------------------------- no loops


def records(count: int) -> str:
    rng = random.Random(1)
    rows = [
        f'  {{"id": {i}, "name": "{rng.choice(NAMES)} {rng.choice(NAMES)}", "age": {rng.randint(9, 99)}}}'
        for i in range(1, count)
    ]
    return "[\n" + ",\n".join(rows) + "\n]"


GETTERS = "".join(
    f"    public String get{name.title()}() {{\n        return this.{name};\n    }}\n\n"
    for name in NAMES
)
ROWS = "day,open,close,volume\n" + "".join(
    f"2024-03-{i % 28 + 1:02},{random.Random(i).uniform(90, 110):.2f},"
    f"{random.Random(-i).uniform(90, 110):.2f},{random.Random(3 * i).randint(10**4, 10**6)}\n"
    for i in range(80)
)
LIST = "".join(f"- org/acme-warehouse-17/regions/north-2/units/{name}\n" for name in NAMES)


@pytest.mark.parametrize("text", [records(40), records(400), GETTERS, ROWS, LIST])
def test_copies_that_each_bring_news_are_no_loop(text: str) -> None:
    assert kind(text) in ("none", "template")


def test_counting_that_was_asked_for_is_no_loop() -> None:
    assert kind(", ".join(map(str, range(1, 500)))) in ("none", "template")
    assert kind("".join(f"7 x {i} = {7 * i}\n" for i in range(1, 80))) in ("none", "template")


@pytest.mark.parametrize(
    "drawn",
    [
        "=" * 78,
        "Methods " + "." * 60 + " 7",
        "|   |   |   |   |   |   |   |   |   |   |   |   |   |   |",
        "[" + "0, " * 60 + "0]",
        "+" + "-" * 20 + "+" + "-" * 20 + "+",
        " " * 90 + "x",
    ],
)
def test_fill_where_people_draw_it_is_no_loop(drawn: str) -> None:
    assert kind(BEFORE + "\n" + drawn + "\n" + prose(8, 60)) == "none"


@pytest.mark.parametrize("fill", ["=", "!", "\n", "| ", "0, ", "\u200b"])
def test_fill_to_the_end_of_a_text_is(fill: str) -> None:
    verdict = JUDGE.judge(BEFORE + fill * 400)
    assert (verdict.kind, verdict.terminal) == ("exact", True)


def test_prose_does_not_loop_at_any_length() -> None:
    assert {kind(prose(seed, size)) for seed, size in ((1, 500), (2, 5_000), (3, 60_000))} == {
        "none"
    }


@pytest.mark.parametrize("text", ["", " ", "a", "ab" * 3, "\ud800" * 3, "\U0001f600" * 5])
def test_little_text(text: str) -> None:
    assert kind(text) == "none"
    assert JUDGE.judge(text).length == len(text)


# ---------------------------------------------------------------- what is asked


STEPS = "".join(f"Step {i}: open the valve and wait for the signal.\n" for i in range(5, 60))
LEFT = "We are nearly there. " * 30 + "Then it stopped raining and they all went home."


def test_options_narrow_what_is_a_loop() -> None:
    assert replace(JUDGE, exact_only=True).judge(STEPS).kind not in LOOPS
    assert JUDGE.judge(LEFT).kind == "exact"
    assert replace(JUDGE, to_end=True).judge(LEFT).kind not in LOOPS
    assert replace(JUDGE, min_coverage=0.99).judge(LEFT).kind not in LOOPS
    assert replace(JUDGE, floor=10_000).judge(STEPS).kind not in LOOPS
    assert replace(JUDGE, identity=1.0, kind="prose").judge(STEPS).kind != "exact"


def test_many_at_once_or_one_by_one() -> None:
    texts = [BEFORE, STEPS, records(40), "", LEFT, "x " * 80, prose(9, 3_000)]
    assert JUDGE.judge_all(texts) == [JUDGE.judge(text) for text in texts]


def test_a_verdict_in_words() -> None:
    text = "one two three " + "four five six seven " * 30
    verdict = in_words(JUDGE.judge(text), text)
    assert (verdict.kind, verdict.start, verdict.period) == ("exact", 3, 4)
    assert (verdict.length, verdict.copies, verdict.matched) == (123, 30, 116)
    assert in_words(Verdict("none", 8), "one two") == Verdict("none", 2)


def test_evidence_grows_with_what_was_searched() -> None:
    assert floor_of(100, 500) == floor_of(100, 20_000) == 100
    assert floor_of(100, 80_000) == 200
    assert (
        limits_of("log").exact_inside
        > limits_of("code").exact_inside
        > limits_of("prose").exact_inside
    )


@pytest.mark.parametrize(("text", "width"), [("abc", 1), ("\u4f60\u597d", 2), ("\U0001f600a", 4)])
def test_characters_are_as_narrow_as_they_go(text: str, width: int) -> None:
    assert characters(text).tolist() == list(map(ord, text))
    assert characters(text).dtype.itemsize == width
