"""A reader never sees half a file, whatever goes wrong while it is written."""

import errno
import os
from pathlib import Path

import pytest

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
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == '{\n "b": 1,\n "a": [\n  null,\n  "ä"\n ]\n}\n'
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


def test_a_place_that_cannot_be_made_is_an_error_for_people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> str:
        raise failing(errno.EACCES)

    monkeypatch.setattr("tempfile.mkdtemp", refuse)
    with pytest.raises(RecurrenceError, match=r"a\.txt: cannot be written \(Permission denied\)"):
        write_text(tmp_path / "a.txt", "")


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "a"):
        pass  # nothing was written: our own bug, not a person's


def test_reading_names_the_file_and_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(RecurrenceError, match=r"a\.json: no such file; run the stage"):
        read_json(tmp_path / "a.json")
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(RecurrenceError, match=r"a\.json: not JSON .*; delete it and run"):
        read_json(tmp_path / "a.json")
