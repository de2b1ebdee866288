"""dvc's own files after a kill, a merge or a disk that failed."""

import json
import os
import sqlite3
import subprocess
from pathlib import Path

import pytest
import yaml

pytest.importorskip("dvc")
from recurrence import lifeline  # noqa: E402
from recurrence.errors import RecurrenceError  # noqa: E402
from recurrence.repro import mending  # noqa: E402

LOCK = """schema: '2.0'
stages:
  make@a:
    cmd: make a
    outs:
    - path: data/a
      hash: md5
      md5: 0cc175b9c0f1b6a831c399e269772661
      size: 1
  make@b:
    cmd: make b
    outs:
    - path: data/b
      hash: md5
      md5: 92eb5ffee6ae2fec3ad71c777531578f
      size: 1
"""


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    """A project whose lock is whole, and was so when dvc last began."""
    (tmp_path / ".dvc/tmp").mkdir(parents=True)
    (tmp_path / "dvc.lock").write_text(LOCK, encoding="utf-8")
    assert mending.mend(tmp_path) == []
    return tmp_path


def test_a_lock_cut_anywhere_is_one_that_dvc_takes_after_mending(locked: Path) -> None:
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA

    whole = (locked / "dvc.lock").read_bytes()
    for size in range(0, len(whole), 9):
        (locked / "dvc.lock").write_bytes(whole[:size])
        said = mending.mend(locked)
        COMPILED_LOCKFILE_SCHEMA(yaml.safe_load((locked / "dvc.lock").read_text(encoding="utf-8")))
        at_line_end = whole[:size].endswith(
            b"\n"
        )  # may be taken for whole: what is not in it comes from dvc's cache
        assert said or at_line_end
        (locked / "dvc.lock").write_bytes(whole)
        mending.keep(locked)


def test_a_first_lock_cut_short_goes(locked: Path) -> None:
    (locked / ".dvc/tmp/dvc.lock.whole").unlink()
    (locked / "dvc.lock").write_bytes(b"")
    assert "dvc.lock: half written by a dvc that was killed; set aside" in mending.mend(locked)[0]
    assert not (locked / "dvc.lock").exists()


@pytest.mark.parametrize("content", [b"", b'{"read": {"da'])
def test_a_list_of_readers_and_writers_cut_short_goes(locked: Path, content: bytes) -> None:
    (locked / ".dvc/tmp/rwlock").write_bytes(content)
    assert "rwlock: half written" in mending.mend(locked)[0]
    assert not (locked / ".dvc/tmp/rwlock").exists()


def test_a_whole_one_stays(locked: Path) -> None:
    (locked / ".dvc/tmp/rwlock").write_bytes(b'{"read": {}, "write": {}}')
    assert mending.mend(locked) == []
    assert (locked / ".dvc/tmp/rwlock").exists()


def test_where_dvc_never_ran_there_is_nothing_to_mend(tmp_path: Path) -> None:
    assert mending.mend(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- a merge

CONFLICT = LOCK.replace(
    "      size: 1\n  make@b",
    "<<<<<<< HEAD\n      size: 1\n=======\n      size: 2\n>>>>>>> other\n  make@b",
)


def test_a_lock_with_conflict_markers_is_left_alone_and_says_what_to_do(locked: Path) -> None:
    (locked / "dvc.lock").write_text(CONFLICT)
    with pytest.raises(RecurrenceError) as raised:
        mending.mend(locked)
    said = str(raised.value)
    assert "dvc.lock: has git's conflict markers (lines 9, 11, 13)" in said
    assert f"git checkout --theirs -- {locked / 'dvc.lock'} (or --ours)" in said
    assert "killed" not in said
    assert (locked / "dvc.lock").read_text() == CONFLICT
    assert (locked / ".dvc/tmp/dvc.lock.whole").read_text() == LOCK


def test_a_copy_that_is_not_whole_itself_is_not_put_back(locked: Path) -> None:
    (locked / "dvc.lock").write_text(LOCK[:100])
    (locked / ".dvc/tmp/dvc.lock.whole").write_text(LOCK[:50])
    assert "set aside" in mending.mend(locked)[0]
    assert not (locked / "dvc.lock").exists()


# ---------------------------------------------------------------- who reads and writes


def held(root: Path, content: object) -> Path:
    path = root / lifeline.RWLOCK
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("content", [[], 3, {"read": []}, {"write": {"a": 1}}, {"x": {}}, None])
def test_a_list_that_is_odd_goes(locked: Path, content: object) -> None:
    path = held(locked, content)
    assert (
        "rwlock: half written by a dvc that was killed, or odd; removed" in mending.mend(locked)[0]
    )
    assert not path.exists()


def test_entries_of_the_dead_and_of_numbers_in_use_again_go(locked: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    with subprocess.Popen(["sleep", "60"]) as other:
        start = lifeline.start_of(other.pid)
        lives = {"pid": other.pid, "cmd": f"recurrence repro (a@b){lifeline.STARTED}{start}"}
        stale = [
            {"pid": gone.pid, "cmd": "dvc repro"},
            {"pid": other.pid, "cmd": "dvc repro"},  # it is another command's number
            {"pid": other.pid, "cmd": f"recurrence repro (a@b){lifeline.STARTED}{start - 5}"},
            {"pid": os.getpid(), "cmd": "dvc repro"},  # ours, and we hold nothing yet
        ]
        write = {str(number): holder for number, holder in enumerate([lives, *stale])}
        path = held(locked, {"write": write, "read": {"x": [lives, *stale], "y": stale}})
        (said,) = mending.mend(locked)
        other.kill()
    assert "holds files for processes that are gone" in said and str(gone.pid) in said
    assert json.loads(path.read_text()) == {"write": {"0": lives}, "read": {"x": [lives]}}


def test_a_process_that_began_after_the_list_was_written_is_not_who_wrote_it(locked: Path) -> None:
    """A container started anew: the same numbers, the same commands."""
    with subprocess.Popen(["sleep", "60"]) as other:
        path = held(locked, {"write": {"x": {"pid": other.pid, "cmd": "sleep 60"}}})
        assert mending.mend(locked) == []
        os.utime(path, (0, 0))
        assert len(mending.mend(locked)) == 1
        other.kill()


def test_what_is_wrong_can_be_named_without_being_mended(locked: Path) -> None:
    (locked / "dvc.lock").write_text(LOCK[:100])
    held(locked, [])
    said = list(map(str, mending.found(locked)))
    assert len(said) == 2 and all("mend it: recurrence check --mend" in line for line in said)
    assert (locked / "dvc.lock").read_text() == LOCK[:100]


# ---------------------------------------------------------------- dvc's databases


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dvc repository whose databases lie in the test's own folder."""
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    root = tmp_path / "project"
    root.mkdir()
    mending.Repo.init(str(root), no_scm=True).close()
    mending.opened(root, print).close()
    return root


@pytest.mark.parametrize("damage", [lambda whole: b"x" * 5000, lambda whole: whole[:9000]])
def test_a_damaged_database_is_set_aside(repository: Path, damage) -> None:  # type: ignore[no-untyped-def]
    databases = list((repository.parent / "site").rglob(mending.DATABASE))
    assert databases
    said: list[str] = []
    for path in databases:
        path.write_bytes(damage(path.read_bytes()))
    mending.opened(repository, said.append).close()
    assert len(said) == 1 and "dvc's database is damaged; set aside" in said[0]
    assert list((repository.parent / "site").rglob("*.damaged-*"))
    mending.opened(repository, said.append).close()
    assert len(said) == 1


def test_a_database_that_cannot_be_written_is_named(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = mending.Repo

    def fails(root: str) -> object:
        from dvc_data.hashfile import state

        if state.State.__name__ == "State":
            raise sqlite3.OperationalError("attempt to write a readonly database")
        return real(root)

    monkeypatch.setattr(mending, "Repo", fails)
    with pytest.raises(RecurrenceError, match="dvc's database cannot be written .*DVC_SITE_CACHE"):
        mending.opened(repository, print)


def test_only_one_looks_at_a_time(repository: Path) -> None:
    named = pytest.raises(RecurrenceError, match="another dvc is at work")
    with mending.alone(repository), named, mending.alone(repository):
        pass
