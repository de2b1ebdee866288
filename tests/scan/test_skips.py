"""What is skipped, left out or noted is counted, and the first of each kind is named."""

import pytest

from recurrence.errors import RecurrenceError
from recurrence.scan.skips import MOST_NAMED, Skips


def test_a_note_is_said_once_of_a_place_however_often_it_is_noted() -> None:
    skips = Skips()
    for place in ("a", "b"):
        for _ in range(1000):
            skips.note(place, "odd")
    assert list(skips.lines()) == ["a: odd", "b: odd"]


def test_of_many_notes_some_are_said_and_the_others_counted() -> None:
    skips = Skips()
    for number in range(MOST_NAMED + 5):
        for _ in range(3):
            skips.note(f"{number}.txt", "odd")
    *said, last = skips.lines()
    assert (len(said), last) == (MOST_NAMED, "and 5 more notes like these")


def test_the_first_that_is_skipped_ends_it_where_that_is_asked_for() -> None:
    error = RecurrenceError("a.jsonl:2: broken")
    with pytest.raises(RecurrenceError) as caught:
        Skips(strict=True).skip("record", error)
    assert caught.value is error


def test_all_of_it_in_words() -> None:
    skips = Skips()
    skips.leave("folder/.git", "hidden")
    for number in (1, 2):
        skips.skip("record", RecurrenceError(f"a:{number}: broken"))
    skips.skip("file", RecurrenceError("b: binary"))
    skips.note("c", "guessed")
    assert list(skips.lines()) == [
        "c: guessed",
        "skipped: 2 records, 1 file (--strict ends at the first)",
        "  a:1: broken",
        "  a:2: broken",
        "  b: binary",
        "left out of folders: 1",
        "  folder/.git: hidden",
    ]
    assert skips.reasons() == "a:1: broken; a:2: broken; b: binary"
