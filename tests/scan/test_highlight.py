"""Texts with their loops marked: where copies begin, what is left out, and that nothing in a text
can act.
"""

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurrence.escaping import escaped
from recurrence.loops.verdict import DETECTORS
from recurrence.scan.findings import Row, judge_samples
from recurrence.scan.highlight import Piece, pieces, sentence, unit_text
from recurrence.scan.page import page
from recurrence.scan.samples import Sample, of_text, of_tokens


def judged(sample: Sample) -> Row:
    ((_, row),) = judge_samples([sample], DETECTORS)
    return row


def drawn(sample: Sample) -> list[Piece]:
    return pieces(sample, judged(sample))


def brief(parts: list[Piece]) -> str:
    """As one line: a bar where the copy changes, gaps in angle brackets."""
    line, before = "", 0
    for part in parts:
        line += "|" * (part.copy != before) + (f"<{part.text}>" if part.gap else part.text)
        before = part.copy
    return line


# ---------------------------------------------------------------- pieces


def test_copies_are_cut_where_they_begin_and_the_last_may_be_cut_off() -> None:
    text = "So:" + "again and again, " * 3 + "again and END"
    assert brief(drawn(of_text(text, "x"))) == "So:" + "|again and again, " * 3 + "|again and |END"


def test_words_keep_a_space_between_them() -> None:
    words = "one two three " + "go on like this " * 6 + "go on until"
    assert brief(drawn(of_text(words, "x", "word"))) == (
        "one two three |"
        + "go on like this |" * 3
        + "<2 more copies>|go on like this |go on |until"
    )


def test_tokens_are_shown_as_they_are_written() -> None:
    assert (
        brief(drawn(of_tokens([5, *[10, "▁x"] * 11], "x")))
        == "5 |10 ▁x |10 ▁x |10 ▁x |<6 more copies>|10 ▁x |10 ▁x"
    )


def test_many_copies_and_long_ones_are_left_out_with_a_count() -> None:
    start, unit = (
        "".join(chr(200 + i) for i in range(1500)),
        "".join(chr(3000 + i) for i in range(1000)),
    )
    parts = drawn(of_text(start + unit * 9 + "the end", "x"))
    gaps = [(part.text, part.copy) for part in parts if part.gap]
    long = [("500 characters", copy) for copy in (1, 2, 3, 8, 9)]
    assert gaps == [("900 characters", 0), *long[:3], ("4 more copies", -1), *long[3:]]
    assert parts[-1] == Piece("the end")
    assert sum(len(part.text) for part in parts) < 4000


def test_a_text_without_a_loop_is_cut_in_the_middle() -> None:
    text = "".join(chr(200 + i) for i in range(5000))
    assert drawn(of_text("short", "x")) == [Piece("short")]
    assert drawn(of_text("", "x")) == []
    head, gap, tail = drawn(of_text(text, "x"))
    assert (head.text, gap, tail.text) == (
        text[:1600],
        Piece("3,000 characters", gap=True),
        text[-400:],
    )


@given(
    before=st.text("xyz ", max_size=30),
    unit=st.text("abcdefgh ", min_size=1, max_size=30),
    copies=st.integers(2, 60),
    after=st.text("uvw ", max_size=30),
)
def test_nothing_is_lost_but_what_a_gap_counts(
    before: str, unit: str, copies: int, after: str
) -> None:
    sample = of_text(before + unit * copies + after, "x")
    row = judged(sample)
    shown = 0
    for part in pieces(sample, row):
        skipped = re.match(r"([\d,]+) (more copies|characters)", part.text) if part.gap else None
        if skipped is None:
            shown += len(part.text)
        else:
            shown += int(skipped[1]) * (row["period"] if skipped[2] == "more copies" else 1)
    assert shown == len(sample.ids)


NEAR: dict[str, Any] = {
    "kind": "near",
    "tokens": "word",
    "matched": 18,
    "coverage": 0.5,
    "terminal": True,
}
NEAR |= {"identity": 0.9, "nested_period": None, "rules": "exact near recycling"}


def test_copies_of_a_near_loop_begin_where_they_are_most_alike() -> None:
    """The second copy has a word more, the third one less."""
    words = "a b c d e f g h a b c NEW d e f g h a b c e f g h a b c d e"
    row = NEAR | {"length": 29, "start": 0, "period": 8, "copies": 29 / 8}
    assert brief(pieces(of_text(words, "x", "word"), row)) == (
        "|a b c d e f g h |a b c NEW d e f g h |a b c e f g h |a b c d e"
    )


# ---------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é 🦜 ﷽", "plain é 🦜 ﷽"),
        ("\x1b[2J\x07", r"\x1b[2J\x07"),
        ("a\nb\tc\r", r"a\nb\tc\r"),
        ("\u202eabc\u2066", r"\u202eabc\u2066"),
        ("\x9b31m\u2028", r"\x9b31m\u2028"),
        ("\ud800", r"\ud800"),
        ("👩\u200d🚀 1\u00a0000", "👩\u200d🚀 1\u00a0000"),
    ],
)
def test_what_acts_is_spelled_out(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_line_ends_may_be_kept() -> None:
    assert escaped("a\n\r\n", keep="\n") == "a\n\\r\n"


def test_verdicts_in_words() -> None:
    loop = of_text("Well:" + "round and " * 12, "x")
    assert (
        sentence(judged(loop))
        == "exact loop from character 5 of 125 on, period 10, 12.0 copies, to the end"
    )
    assert sentence(judged(of_text("a b c", "x", "word"))) == "no loop (3 words)"
    near = NEAR | {"length": 2900, "start": 1200, "period": 8, "copies": 3.04, "terminal": False}
    assert sentence(near) == (
        "near loop from word 1,200 of 2,900 on, period 8, 3.0 copies, then it goes on otherwise; "
        "copies are 90% alike"
    )
    recycling = {"kind": "recycling", "tokens": "char", "length": 1000, "start": None}
    assert (
        sentence(recycling)
        == "recycling: reuses its own phrases, without a period (1,000 characters)"
    )


def test_what_repeats_in_one_short_line() -> None:
    assert unit_text(judged(of_text("it's\n" * 20, "x"))) == '"it\'s\\n"'
    assert unit_text(judged(of_tokens([1, "▁a"] * 20, "x"))) == "1 ▁a"
    assert unit_text({"unit": "x" * 100}) == "'" + "x" * 55 + " ..."
    assert unit_text({"unit": None}) == ""


# ---------------------------------------------------------------- the page

EVIL = '\x1b[31m</pre><script src="//evil.example/x.js">alert(1)</script><img src=x onerror=alert(2)>\u202e & \ud800'


class _Tags(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def paged(*samples: Sample) -> str:
    shown = [(row, pieces(sample, row)) for sample, row in judge_samples(samples, DETECTORS)]
    return page(shown, "lead & all", ["note <1>"])


def test_a_page_has_a_row_and_a_text_per_sample() -> None:
    html = _Tags(paged(of_text("round and " * 9, "loop.txt"), of_text("nothing here", "calm.txt")))
    assert [tag for tag, _ in html.tags].count("tr") == 3
    assert [attrs["href"] for tag, attrs in html.tags if tag == "a"] == ["#s1", "#s2"]
    assert [attrs["id"] for tag, attrs in html.tags if tag == "section"] == ["s1", "s2"]
    assert [attrs["class"] for tag, attrs in html.tags if tag == "mark"] == [
        "odd first last", "even first last", "odd first last", "even first last", "odd first last",
    ]  # fmt: skip
    for said in (
        "lead & all",
        "note <1>",
        "loop.txt",
        "calm.txt",
        "exact loop from character 0 of 90 on",
        "no loop",
    ):
        assert said in html.text


def test_a_page_asks_for_nothing_and_no_text_becomes_markup() -> None:
    raw = paged(of_text(EVIL * 3, EVIL), of_text(EVIL, "x"), of_tokens([EVIL] * 30, "y"))
    html = _Tags(raw)
    assert {tag for tag, _ in html.tags} == {
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "div", "table", "thead", "tbody", "tr",
        "th", "td", "a", "span", "section", "pre", "mark",
    }  # fmt: skip
    assert {name for _, attrs in html.tags for name in attrs} == {
        "lang", "charset", "name", "content", "http-equiv", "class", "scope", "href", "id",
    }  # fmt: skip
    assert "default-src 'none'" in raw
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e\ud800]", raw)
    raw.encode()
