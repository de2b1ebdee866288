"""Without a terminal, progress is a few quiet lines."""

import io
import queue
import sys

import pytest

from recurrence.console import (
    MARK,
    MOST_CHARACTERS,
    QUIET_S,
    SILENT_S,
    WATCHED,
    WATCHED_S,
    Lines,
    Watched,
    beating,
    fail,
    progress,
    say,
    write,
)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def lines_and_clock(total: float | None, unit: str = "") -> tuple[Lines, list[str], Clock]:
    written: list[str] = []
    clock = Clock()
    return Lines("train", total, unit, written.append, clock), written, clock


def test_say_writes_one_line_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    say("split: 3 lines")
    assert capsys.readouterr() == ("", "split: 3 lines\n")


EVIL = "a\x1b]0;title\x07\x9b2J\r\u202eb"
SPELLED = r"a\x1b]0;title\x07\x9b2J\r\u202eb"


def test_no_line_acts_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say(f"{EVIL}\n\t{MARK}")
    fail(ValueError(EVIL))
    with progress(EVIL, 3, "files") as advance:
        advance(3, EVIL)
    assert capsys.readouterr().err == (
        f"{SPELLED}\n\t\\x10\nerror: {SPELLED}\n{SPELLED}: 3 files in 0:00:00 ({SPELLED})\n"
    )


def test_what_the_watching_program_gets_is_marked_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WATCHED, "1")
    with progress("read", 3, "files") as advance:
        advance(3, EVIL + MARK)
    marked = capsys.readouterr().err.splitlines()[0]
    assert marked == f"{MARK}1.000 100% of 3 files, 0:00:00 left ({SPELLED}\\x10)"


def test_an_error_is_not_longer_than_a_screen(capsys: pytest.CaptureFixture[str]) -> None:
    fail(ValueError("x" * 1_000_000))
    shown = capsys.readouterr().err
    assert len(shown) < MOST_CHARACTERS + 50
    assert shown.endswith(" ... (1,000,007 characters)\n")


def test_generated_text_is_exact_for_programs_and_harmless_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(f"{EVIL}\n")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    write(f"{EVIL}\n\t")
    assert capsys.readouterr().out == f"{EVIL}\n{SPELLED}\n\t"


def test_what_the_encoding_has_not_is_spelled(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "ascii"))
    write("é\ud800 x")
    assert written.getvalue() == rb"\xe9\ud800 x"


def test_a_line_at_most_every_ten_seconds() -> None:
    lines, written, clock = lines_and_clock(1000)
    for _ in range(100):
        clock.now += QUIET_S / 4
        lines.advance(1)
    assert len(written) == 25


def test_a_line_says_share_and_time_left() -> None:
    lines, written, clock = lines_and_clock(400, "batches")
    clock.now += 60
    lines.advance(100, "loss 1.5")
    assert written == ["train: 25% of 400 batches, 0:03:00 left (loss 1.5)"]


def test_time_left_is_unknown_before_the_first_step() -> None:
    lines, written, clock = lines_and_clock(400)
    clock.now += 60
    lines.advance(0)
    assert written == ["train: 0% of 400, unknown time left"]


def test_what_an_earlier_process_did_says_nothing_of_the_time_left() -> None:
    lines, written, clock = lines_and_clock(400)
    lines.advance(300, earlier=True)
    clock.now += 60
    lines.advance(0)
    clock.now += 40
    lines.advance(50)
    assert written == ["train: 75% of 400, unknown time left", "train: 88% of 400, 0:01:40 left"]


def test_a_line_comes_without_any_report() -> None:
    lines, written, clock = lines_and_clock(400)
    lines.beat()
    clock.now += SILENT_S
    lines.beat()
    lines.beat()
    assert written == ["train: 0% of 400, unknown time left"]
    assert SILENT_S * 5 / 4 < 65  # it is looked at four times as often: a line a minute


def test_it_beats_while_the_block_lasts() -> None:
    beats: queue.SimpleQueue[int] = queue.SimpleQueue()
    with beating(lambda: beats.put(1), 0.001):
        assert [beats.get(timeout=60), beats.get(timeout=60)] == [1, 1]
    while not beats.empty():
        beats.get()
    with pytest.raises(queue.Empty):
        beats.get(timeout=0.01)


def test_more_than_announced_is_not_more_than_everything() -> None:
    lines, written, clock = lines_and_clock(2)
    clock.now += 60
    lines.advance(3)
    assert written == ["train: 100% of 2, 0:00:00 left"]


def test_an_unknown_total_gives_the_amount() -> None:
    lines, written, clock = lines_and_clock(None, "files")
    clock.now += 61
    lines.advance(12345)
    assert written == ["train: 12,345 files after 0:01:01"]


def test_the_closing_line_keeps_the_last_note() -> None:
    lines, written, clock = lines_and_clock(2, "epochs")
    lines.advance(1, "loss 2.0")
    lines.advance(1, "loss 1.0")
    lines.advance(0)
    clock.now += 5
    lines.close()
    assert written == ["train: 2 epochs in 0:00:05 (loss 1.0)"]


def test_a_watching_program_gets_share_and_words_a_few_times_a_second() -> None:
    written: list[str] = []
    clock = Clock()
    lines = Watched("train", 400, "batches", written.append, clock)
    clock.now += 30
    lines.advance(50)
    clock.now += WATCHED_S / 2
    lines.advance(50)
    clock.now += 30 - WATCHED_S / 2
    lines.advance(100, "loss 1.5")
    lines.close()
    assert written == [
        f"{MARK}0.125 12% of 400 batches, 0:03:30 left",
        f"{MARK}0.500 50% of 400 batches, 0:01:00 left (loss 1.5)",
        "train: 200 batches in 0:01:00 (loss 1.5)",
    ]


def test_a_watching_program_learns_that_the_total_is_unknown() -> None:
    written: list[str] = []
    clock = Clock()
    lines = Watched("read", None, "MB", written.append, clock)
    clock.now += 1
    lines.advance(3)
    assert written == [f"{MARK} 3 MB after 0:00:01"]


def test_progress_is_for_the_watching_program_where_there_is_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WATCHED, "1")
    with progress("read", 3, "files") as advance:
        advance(3)
    marked, closing = capsys.readouterr().err.splitlines()
    assert (
        marked.startswith(f"{MARK}1.000 100% of 3 files") and closing == "read: 3 files in 0:00:00"
    )


def test_no_terminal_gives_a_closing_line(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("read", 3, "files") as advance:
        advance(3)
    assert capsys.readouterr().err == "read: 3 files in 0:00:00\n"


def test_a_block_that_fails_is_not_said_to_be_done(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyError), progress("read", 3):
        raise KeyError
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("total", [4.0, None])
def test_a_terminal_gets_a_bar(
    total: float | None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with progress("fit [x]", total, "MB") as advance:
        advance(1, "note [y]")
        advance(1)
    shown = capsys.readouterr().err
    assert "fit [x]" in shown and "note [y]" in shown
    assert ("50% of 4 MB" if total else "2 MB") in shown
