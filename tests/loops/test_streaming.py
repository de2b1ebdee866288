"""Loops in a text while it comes: within their promised delay, by the offline verdict, and what is
done then.
"""

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest

from loops.made_text import prose
from recurrence.loops import LOOPS, Stream, TextDetector, TextWatch, stream
from recurrence.loops.streaming import trimmed

GROWING = TextDetector(growing=True, to_end=True)
HEAD = prose(7, 300) + " "
UNIT = "the mill stood by the water and nobody came to ask for the flour of the year, "


def edited(unit: str, rng: random.Random, rate: float) -> str:
    return "".join(rng.choice("etaoin") if rng.random() < rate else letter for letter in unit)


def loops() -> dict[str, str]:
    rng = random.Random(3)
    return {
        "exact": HEAD + UNIT * 40,
        "near": HEAD + "".join(edited(UNIT, rng, 0.05) for _ in range(40)),
        "progression": HEAD + "".join(f"Step {i}: {UNIT}" for i in range(1, 41)),
    }


def pieces(text: str, size: int) -> Iterator[str]:
    for low in range(0, len(text), size):
        yield text[low : low + size]


def seen_at(text: str, size: int = 7) -> tuple[int, TextWatch]:
    """How many characters were told when the loop was seen."""
    watch = TextWatch()
    for piece in pieces(text, size):
        if watch.feed(piece):
            break
    return watch.told, watch


@pytest.mark.parametrize("kind", ["exact", "near", "progression"])
def test_every_kind_is_seen_within_two_copies_of_the_offline_verdict(kind: str) -> None:
    text = loops()[kind]
    told, watch = seen_at(text)
    assert watch.verdict is not None and watch.verdict.kind == kind
    first = next(
        end
        for end in range(len(HEAD), len(text), 16)
        if GROWING.judge(text[max(end - 2048, 0) : end]).kind in LOOPS
    )
    assert told <= first + 2 * (len(UNIT) + 10) + 128
    assert abs(watch.verdict.start - len(HEAD)) <= 60


@pytest.mark.parametrize("size", [1, 5, 128, 4000])
def test_how_the_text_is_cut_makes_no_difference(size: int) -> None:
    text = loops()["near"]
    watch = TextWatch()
    for piece in pieces(text, size):
        watch.feed(piece)
    other = TextWatch()
    other.feed(text)
    assert watch.verdict == other.verdict
    assert watch.told == len(text)


def test_what_fires_is_what_the_offline_detector_says_of_these_characters() -> None:
    text = loops()["progression"]
    told, watch = seen_at(text, size=1)
    offline = GROWING.judge(text[:told])
    assert watch.verdict == replace(offline, length=told, coverage=offline.matched / told)


def test_people_do_not_loop() -> None:
    watch = TextWatch()
    assert watch.feed(prose(11, 4_000)) is None
    assert watch.finish() is None


def test_a_short_loop_is_seen_when_the_text_has_ended() -> None:
    watch = TextWatch()
    assert watch.feed(HEAD + "on and on and " * 8) is None
    verdict = watch.finish()
    assert verdict is not None and verdict.kind == "exact"


def test_memory_is_the_window() -> None:
    watch = TextWatch(window=2048)
    for seed in range(40):
        watch.feed(prose(seed, 400))
        assert len(watch._last) <= 2 * 2048
    assert watch.verdict is None


def test_a_window_that_holds_no_loop_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1024 characters, got 100"):
        TextWatch(window=100)


def test_trim_gives_the_text_up_to_the_first_copy_and_what_was_saved() -> None:
    text = loops()["exact"]
    closed = []

    def client() -> Iterator[str]:
        try:
            yield from pieces(text, 10)
        finally:
            closed.append(True)

    watched = stream(client())
    given = "".join(watched)
    assert text.startswith(given) and len(given) < len(text)
    assert closed == [True]
    assert watched.text == trimmed(text, watched.verdict)
    assert abs(len(watched.text) - len(HEAD) - len(UNIT)) <= 60
    assert watched.saved(len(text)) == len(text) - len(given)


def test_a_text_without_a_loop_passes_through() -> None:
    text = prose(5, 800)
    watched = Stream(pieces(text, 9))
    assert "".join(watched) == text == watched.text
    assert (watched.verdict, watched.loops, watched.saved(10**6)) == (None, 0, 0)


def test_close_gives_out_what_ends_the_thinking() -> None:
    watched = Stream(pieces(loops()["exact"], 10), "close", closing="</think>")
    given = list(watched)
    assert given[-1] == "</think>"
    assert watched.text.endswith("</think>")


def test_resample_goes_on_from_before_the_loop() -> None:
    asked = []
    rest = prose(9, 200)

    def again(text: str, loops: int) -> Iterator[str]:
        asked.append((text, loops))
        return pieces(rest, 10)

    watched = Stream(pieces(loops()["near"], 10), "resample", again=again)
    list(watched)
    assert len(asked) == 1 and asked[0][1] == 1
    assert watched.text == asked[0][0] + rest
    assert watched.loops == 1


def test_resampling_ends_after_so_many_loops() -> None:
    text = loops()["exact"]
    watched = Stream(
        pieces(text, 50), "resample", again=lambda kept, _: pieces(UNIT * 40, 50), tries=2
    )
    list(watched)
    assert watched.loops == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"action": "stop"}, "trim, resample or close, got 'stop'"),
        ({"action": "resample"}, "needs it"),
        ({"action": "trim", "again": lambda text, loops: []}, "goes with action resample"),
    ],
)
def test_wrong_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stream([], **options)
