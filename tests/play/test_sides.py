import html
import re
from pathlib import Path
from typing import Any

from recurrence import params
from recurrence.cli import playing
from recurrence.play.house import House
from recurrence.play.sides import SLIDERS, moved, side_by_side
from small_project import Cli


def house() -> House:
    return House(["mine/rnn"], params.strategies(), playing.opened)


def last(frames: Any) -> tuple[str, ...]:
    *_, final = frames
    return final


SIDE = ("mine/rnn", "greedy", *[0.0] * SLIDERS)


def test_two_sides_grow_together(trained_project: Path) -> None:
    drawn = ("mine/rnn", "multinomial", *[0.0] * SLIDERS)
    text, figures, bars, other, _, _ = last(
        side_by_side(house(), "the cat", 12, 1000, 3, False, *SIDE, *drawn)
    )
    assert "12 characters" in figures and "nats per character under unigram" in figures
    assert bars.count("<tr") == 10 and text != other


def test_the_text_is_that_of_the_generate_command(trained_project: Path, recurrence: Cli) -> None:
    text = last(side_by_side(house(), "the cat", 12, 1000, 3, False, *SIDE, *SIDE))[0]
    asked = ("--prompt", "the cat", "--length", "12", "--seed", "3", "--strategy", "greedy")
    _, out, _ = recurrence("generate", "mine/rnn", *asked)
    assert html.unescape(re.sub(r"<[^>]+>", "", text)) == out.removesuffix("\n")


def test_what_cannot_be_is_said_on_its_own_side(trained_project: Path) -> None:
    text, reason, _, *_ = last(side_by_side(house(), "", 12, 1000, 0, False, *SIDE, *SIDE))
    assert text == "" and "prompt &#x27;&#x27; is empty" in reason


def test_fields_that_were_emptied_have_a_meaning(trained_project: Path) -> None:
    sides = side_by_side(house(), "the cat", None, 1000, None, False, *SIDE, *SIDE)
    assert "1 character ·" in last(sides)[1]


def test_sliders_that_a_strategy_does_not_need_are_hidden(trained_project: Path) -> None:
    assert [each["visible"] for each in moved(house(), "mine/rnn", "greedy")] == ([False] * SLIDERS)
