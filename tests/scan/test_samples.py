"""Texts, tokens and events become numbers that are equal where they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurrence.scan import samples
from recurrence.scan.samples import Sample, of_events, of_text, of_tokens


def spelled(sample: Sample) -> str | list[str | int]:
    """All of it, as it is written."""
    return sample.spell(0, len(sample.ids))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("plain", "u1"),
        ("\xff\x00", "u1"),
        ("naïve — 1", "<u2"),
        ("ab\ud800", "<u2"),
        ("🦜é", "<u4"),
        ("", "u1"),
    ],
)
def test_a_character_is_one_number_and_takes_no_more_room_than_it_must(
    text: str, kind: str
) -> None:
    sample = of_text(text, "x")
    assert (sample.ids.tolist(), sample.ids.dtype) == ([ord(c) for c in text], kind)
    assert (spelled(sample), sample.text(), sample.spell(1, 3)) == (text, text, text[1:3])


def test_words_are_parted_by_white_space_of_any_kind() -> None:
    sample = of_text(" on\u2003and\non  and\x1don", "x", "word")
    assert sample.ids.tolist() == [0, 1, 0, 1, 0]
    assert spelled(sample) == sample.text() == "on and on and on"


@given(text=st.text(" \nab", max_size=60), at_once=st.integers(1, 9))
def test_words_are_the_same_however_much_is_cut_at_once(text: str, at_once: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples, "_CHARACTERS_AT_ONCE", at_once)
        sample = of_text(text, "x", "word")
    assert spelled(sample) == " ".join(text.split())


def test_tokens_of_either_kind_are_given_back_as_they_are() -> None:
    sample = of_tokens([7, "▁b", 2**70, 7, "7", -1], "x")
    assert sample.ids.tolist() == [0, 1, 2, 0, 3, 4]
    assert spelled(sample) == [7, "▁b", 2**70, 7, "7", -1]
    assert sample.text() is None


def test_events_are_equal_where_all_of_them_is_though_they_look_alike() -> None:
    class Event(str):
        def __str__(self) -> str:
            return self[:3]

    sample = of_events([Event("ls /a"), Event("ls /b"), Event("ls /a")], "x")
    assert sample.unit == "event"
    assert sample.ids.tolist() == [0, 1, 0]
    assert spelled(sample) == ["ls ", "ls ", "ls "]
    assert sample.text() is None
