"""Folding, kinds of text, and the slots of segments: each by hand."""

import random

import numpy as np
import pytest

from recurrence.loops.fill import is_blank, is_fill
from recurrence.loops.folding import dense, fold_characters, fold_names
from recurrence.loops.kinds import kind_of
from recurrence.loops.slots import Slots, slots
from recurrence.loops.texts import characters


def folded(text: str) -> tuple[str, np.ndarray]:
    codes, kept = fold_characters(characters(text))
    return "".join(map(chr, codes[kept])), np.append(np.flatnonzero(kept), len(text))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Step 12:  Go!", "step 0: go!"),
        ("a\n  b\t\tc", "a b c"),
        ("-----x=====", "-x="),
        ("aabb", "aabb"),
        ("ÄÖ ß", "äö ß"),
        ("ЖЁ 55", "жё 0"),
        ("好好 １２", "好好 0"),
        ("", ""),
    ],
)
def test_folding(text: str, said: str) -> None:
    assert folded(text)[0] == said


def test_names_that_differ_in_case_and_number_fold_to_one() -> None:
    assert fold_names(["Step", "step", "7:", "12:", "x", 5, 6]).tolist() == [0, 0, 1, 1, 2, 3, 4]


def test_dense_scripts() -> None:
    assert dense(characters("aあ漢한é")).tolist() == [False, True, True, True, False]


@pytest.mark.parametrize("unit", ["-", "A", "- ", "| ", "0, ", "0.0 ", "null, ", "<td></td>", " "])
def test_units_that_say_nothing(unit: str) -> None:
    assert is_fill(unit)
    assert is_blank(unit) is (unit == " ")


@pytest.mark.parametrize("unit", ["la ", "12 ", "ha", "<b>x</b>", "nullify "])
def test_units_that_say_something(unit: str) -> None:
    assert not is_fill(unit)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("json", '{"a": 1,\n "b": [1, 2],\n "c": {\n}}'),
        ("code", "import os\n\n\ndef f(x):\n    if x:\n        return os.name\n"),
        ("table", "a,b,c\n1,2,3\n4,5,6\n7,8,9\n"),
        ("table", "| a | b |\n|---|---|\n| 1 | 2 |\n| 3 | 4 |\n"),
        ("markdown", "# Title\n\n- one thing\n- another\n\nSome words about it.\n"),
        (
            "log",
            "2024-01-02 10:00:01 INFO up\n2024-01-02 10:00:09 WARN down\n2024-01-02 10:01:00 x\n",
        ),
        (
            "ocr",
            "1\n00:00:01,000 --> 00:00:02,000\nHello.\n\n2\n00:00:02,000 --> 00:00:03,000\nBye.\n",
        ),
        ("reasoning", "<think>\nWait, let me see. If the box is red, it is not mine."),
        ("chat", "User: what now\nBot: wait\nUser: and then\nBot: go\n"),
        ("prose", "It was late in the year, and the last boat had gone. Nobody minded."),
        ("prose", ""),
    ],
)
def test_kinds_of_text(kind: str, text: str) -> None:
    assert kind_of(text) == kind


def test_what_json_cannot_be_read_is_of_some_kind() -> None:
    assert kind_of("[" * 5000) == "prose"  # nested too deeply for Python's reader
    assert kind_of("[" + "9" * 5000) == "prose"  # more digits than it takes


def read(copies: list[str]) -> Slots:
    text = "".join(copies)
    short, places = folded(text)
    return slots(short, places, text, len(folded(copies[0])[0]), len(copies))


def test_slots_that_count_up() -> None:
    found = read([f"Item number {i} costs {5 * i} crowns. " for i in range(10, 30)])
    assert (found.counted, found.novelty, found.news) == (2, 0.0, 0.0)
    assert found.letters > 0.5


def test_slots_with_news() -> None:
    words = [
        "ash",
        "birch",
        "cedar",
        "elm",
        "fir",
        "gorse",
        "hazel",
        "ivy",
        "juniper",
        "larch",
        "maple",
        "oak",
        "pine",
        "rowan",
    ]
    found = read([f"A tree called {word} grows here. " for word in words])
    assert found.news == pytest.approx(1.0, abs=0.1)
    assert found.novelty == pytest.approx(4.5 / 31, rel=0.3)
    assert found.counted == 0


def test_slots_drawn_from_a_few() -> None:
    rng = random.Random(1)
    found = read([f"It is {rng.choice(['left', 'right'])} of the door. " for _ in range(30)])
    assert (found.news, found.novelty) == (0.0, 0.0)
    assert found.varied > 0.9


def test_numbers_in_no_order_are_news_or_drawn() -> None:
    numbers = [31, 4, 159, 26, 535, 89, 793, 238, 46, 264, 338, 327, 950, 288]
    found = read([f"The gauge said {n} again. " for n in numbers])
    assert found.counted == 0
    assert found.news == pytest.approx(1.0, abs=0.2)


def test_edits_are_no_slot() -> None:
    copies = ["The mill stood by the water. "] * 20
    copies[7], copies[12] = "The mlll stood by the water. ", "The mill stood by thc water. "
    assert read(copies) == Slots(0.0, 0.0, 0.0, 0.0, 0.0, 0, read(copies).letters)
