"""A reader never sees half a file, whatever goes wrong while it is written."""

import errno
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from faults.limits import files_at_most
from recurrence.errors import RecurrenceError
from recurrence.files import atomic_path, read_json, write_json, write_text


def failing(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def test_text_is_written_as_it_is(tmp_path: Path) -> None:
    write_text(tmp_path / "deep/down/a.txt", "ä\r\n\n")
    assert (tmp_path / "deep/down/a.txt").read_bytes() == "ä\r\n\n".encode()
    assert [p.name for p in (tmp_path / "deep/down").iterdir()] == ["a.txt"]


def test_json_round_trips_and_is_stable(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": 1, "a": [None, "ä"]})
    assert (tmp_path / "a.json").read_text(
        encoding="utf-8"
    ) == '{\n "b": 1,\n "a": [\n  null,\n  "ä"\n ]\n}\n'
    assert read_json(tmp_path / "a.json") == {"b": 1, "a": [None, "ä"]}


def test_json_never_holds_what_json_cannot(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", float("nan"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", [False, True])
def test_a_failure_leaves_the_old_target_and_nothing_else(tmp_path: Path, folder: bool) -> None:
    target = tmp_path / "out"
    old = target / "old" if folder else target
    old.parent.mkdir(exist_ok=True)
    old.write_text("old")

    def write_half() -> None:
        with atomic_path(target) as path:
            (path.mkdir() if folder else path.write_text("half"))
            raise RuntimeError("crash")

    with pytest.raises(RuntimeError, match="crash"):
        write_half()
    assert list(tmp_path.iterdir()) == [target]
    assert old.read_text() == "old"


def test_a_folder_takes_the_place_of_the_old_one_whole(tmp_path: Path) -> None:
    for name in ("first", "second"):
        with atomic_path(tmp_path / "out") as path:
            path.mkdir()
            (path / name).touch()
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["second"]


@pytest.mark.parametrize(
    ("number", "message"),
    [
        (errno.ENOSPC, "the disk is full; free some space"),
        (errno.EDQUOT, "the disk is full; free some space"),
        (errno.EFBIG, r"larger than a file may be here \(ulimit -f\)"),
        (errno.EROFS, r"cannot be written \(Read-only file system\)"),
    ],
)
def test_a_full_disk_is_an_error_for_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, message: str
) -> None:
    def full(self: Path, *args: object, **kwargs: object) -> int:
        raise failing(number)

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(RecurrenceError, match=f"a.json: {message}"):
        write_json(tmp_path / "a.json", {})
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_made_is_an_error_for_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> str:
        raise failing(errno.EACCES)

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(RecurrenceError, match=r"a\.txt: cannot be written \(Permission denied\)"):
        write_text(tmp_path / "a.txt", "")


def test_a_write_that_the_system_cuts_short_leaves_the_old_text(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "old")
    with (
        files_at_most(1000),
        pytest.raises(RecurrenceError, match="a.txt: larger than a file may be"),
    ):
        write_text(tmp_path / "a.txt", "x" * 1001)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.txt", "old")]


@pytest.mark.parametrize("place", ["fsync", "replace"])
def test_a_disk_that_is_full_at_the_end_leaves_the_old_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Where room is given late, the last steps fail: forcing to the disk, and each of the two
    renames.
    """
    for fails in range(2):
        target = tmp_path / f"{fails}/out"
        with atomic_path(target) as path:
            path.mkdir()
            (path / "old").touch()
        with monkeypatch.context() as patch:
            patch.setattr(os, place, failing_call(getattr(os, place), fails))
            with (
                pytest.raises(RecurrenceError, match="out: the disk is full"),
                atomic_path(target) as path,
            ):
                path.mkdir()
                (path / "new").touch()
                (path / "newer").touch()
        assert [p.name for p in target.parent.rglob("*")] == ["out", "old"]


def failing_call(function: Any, number: int) -> Any:
    """The function, but its call of that number finds a full disk."""
    calls = iter(range(100))

    def call(*arguments: Any) -> Any:
        if next(calls) == number:
            raise failing(errno.ENOSPC)
        return function(*arguments)

    return call


def test_what_a_killed_writer_left_goes_with_the_next_write_of_its_target(tmp_path: Path) -> None:
    code = "import os, signal\nfrom pathlib import Path\nfrom recurrence.files import atomic_path\n"
    code += (
        f"with atomic_path(Path({str(tmp_path / 'out')!r})) as path:\n    path.write_text('half')\n"
    )
    code += "    os.kill(os.getpid(), signal.SIGKILL)"
    done = subprocess.run([sys.executable, "-c", code])
    assert done.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.match(".out.*.partial")
    write_text(tmp_path / "other", "")
    assert left.exists()
    write_text(tmp_path / "out", "whole")
    assert {p.name for p in tmp_path.iterdir()} == {"out", "other"}


def test_two_writers_of_one_target_leave_each_other_alone(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with atomic_path(target) as mine:
        mine.write_text("mine")
        write_text(target, "theirs")
        assert mine.read_text() == "mine"
    assert target.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [target]


def test_a_new_folder_that_was_taken_for_a_dead_writers_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another writer may come between the making of the folder and its lock."""
    mkdtemp, taken = tempfile.mkdtemp, []

    def make(**words: Any) -> str:
        made = mkdtemp(**words)
        if not taken:
            taken.append(made)
            os.rmdir(made)
        return made

    monkeypatch.setattr(tempfile, "mkdtemp", make)
    write_text(tmp_path / "a.txt", "a")
    assert taken
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a"):
        pass  # nothing was written: our own bug, not a person's


def test_reading_names_the_file_and_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(RecurrenceError, match=r"a\.json: no such file; run the stage"):
        read_json(tmp_path / "a.json")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(RecurrenceError, match=r"a\.json: not JSON .*; delete it and run"):
        read_json(tmp_path / "a.json")
