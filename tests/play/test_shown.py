import re

from recurrence import params
from recurrence.play import shown
from recurrence.play.writing import Bar, Loop, Moment
from recurrence.vocab import Vocab

WORDS = Vocab(("one", "two", "<b>", "\n"), (), params.Tokens(unit="word"))


def moment(*ids: int, loop: Loop | None = None, **more: object) -> Moment:
    bars = (Bar(0, 0.25, 0.0), Bar(2, 0.5, 0.999))
    return Moment(ids, bars, loop, 1.5, **more)  # type: ignore[arg-type]


def test_copies_of_the_loop_alternate_and_the_rest_is_plain() -> None:
    text = shown.text("two", moment(1, 0, 1, 0, 1, 0, loop=Loop(1, 2, 6)), WORDS)
    assert re.findall(r'<mark class="(\w+)">(.*?)</mark>', text) == [
        ("even", "one two"),
        ("odd", "one two"),
        ("even", "one"),
    ]
    assert '<span class="prompt">two</span> two <mark' in text


def test_text_after_the_loop_is_plain_again() -> None:
    text = shown.text("two", moment(0, 0, 0, 1, loop=Loop(0, 1, 3)), WORDS)
    assert text.count("<mark") == 3 and text.endswith("</mark> two</div></div>")


def test_tokens_are_escaped_everywhere() -> None:
    told = moment(2, loop=Loop(0, 1, 1))
    for html in (shown.text("<i>", told, WORDS), shown.bars(told, WORDS)):
        assert "<b>" not in html.replace("<b style", "") and "&lt;b&gt;" in html
    assert "<script>" not in shown.refused("<script>")


def test_bars_say_both_probabilities_and_mark_the_chosen_token() -> None:
    html = shown.bars(moment(2), WORDS)
    assert html.count("<tr") == 2 and html.count('class="chosen"') == 1
    assert "width:99.9%" in html and "left:50.0%" in html and "left:25.0%" in html


def test_figures_count_and_name_the_loop_and_the_reference_model() -> None:
    told = moment(0, loop=Loop(0, 1, 1), stopped=True)
    assert re.sub(r"<[^>]+>", "", shown.figures(told, WORDS, "lm7")) == (
        "1 word · 1.500 nats per word under lm7 · loops from word 1 on, period 1 · stopped"
    )
    assert "2 words" in shown.figures(moment(0, 1), WORDS, "lm7")
