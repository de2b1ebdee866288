"""Damage that dvc does not see is found, and named with what to do."""

import hashlib
from pathlib import Path

import pytest
import yaml

from recurrence import integrity


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A file and a folder as outputs, their objects in the cache, and both in dvc.lock."""
    root = tmp_path / "project"
    (root / "data/folder/deep").mkdir(parents=True)
    contents = {"data/file.json": b"{}", "data/folder/a.txt": b"a", "data/folder/deep/b.txt": b"b"}
    for name, content in contents.items():
        (root / name).write_bytes(content)
        put(root, content, "")
    outs = {"data/file.json": "", "data/folder": ".dir"}
    stages = {
        f"make@{name}": {"outs": [{"path": name, "md5": integrity.digest(root / name)}]}
        for name in outs
    }
    (root / "dvc.lock").write_text(
        yaml.safe_dump({"schema": "2.0", "stages": stages}), encoding="utf-8"
    )
    return root


def put(root: Path, content: bytes, kind: str) -> Path:
    """Store an object as dvc does, read-only."""
    name = hashlib.md5(content).hexdigest()
    path = root / ".dvc/cache/files/md5" / name[:2] / (name[2:] + kind)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(0o444)
    return path


def test_where_all_is_well_nothing_is_said(project: Path) -> None:
    (put(project, b"content", "").parent / ".half.tmp").write_bytes(
        b"cont"
    )  # dvc's own, when the disk was full
    assert integrity.report(project) == []


def test_a_folder_has_the_digest_that_dvc_gives_it(project: Path) -> None:
    """dvc's own: md5 of the listing as JSON, sorted by path."""
    listing = b'[{"md5": "0cc175b9c0f1b6a831c399e269772661", "relpath": "a.txt"}, '
    listing += b'{"md5": "92eb5ffee6ae2fec3ad71c777531578f", "relpath": "deep/b.txt"}]'
    assert integrity.digest(project / "data/folder") == hashlib.md5(listing).hexdigest() + ".dir"
    assert integrity.digest(project / "data/file.json") == hashlib.md5(b"{}").hexdigest()


@pytest.mark.parametrize("kind", ["", ".dir"])
def test_a_damaged_object_is_named_with_what_to_do(project: Path, kind: str) -> None:
    path = put(project, b"content", kind)
    path.chmod(0o644)
    path.write_bytes(b"contenu")
    path.chmod(0o444)
    said = integrity.report(project)
    assert said[0] == f"{path}: damaged: its content has another digest than its name says"
    assert said[1].endswith(f"rm -rf {path} && recurrence repro")


@pytest.mark.parametrize(
    ("file", "named"), [("file.json", "file.json"), ("folder/deep/b.txt", "folder")]
)
def test_an_output_that_is_another_is_named_with_its_stage(
    project: Path, file: str, named: str
) -> None:
    (project / "data" / file).write_bytes(b"!")
    path = project / "data" / named
    assert list(integrity.changed_outputs(project)) == [(f"make@data/{named}", path)]
    assert str(path) in integrity.report(project)[-1]


def test_an_output_that_is_not_there_is_dvcs_affair(project: Path) -> None:
    (project / "data/file.json").unlink()
    assert integrity.report(project) == []


@pytest.mark.parametrize("config", ["config", "config.local"])
def test_a_cache_elsewhere_is_looked_into(project: Path, config: str) -> None:
    (project / f".dvc/{config}").write_text("[cache]\n    dir = ../../shared\n", encoding="utf-8")
    assert integrity.cache(project).resolve() == project.parent / "shared/files/md5"


def test_a_project_without_dvc_has_nothing_to_check(tmp_path: Path) -> None:
    assert integrity.report(tmp_path) == []


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
    assert integrity.mend(tmp_path) == []
    return tmp_path


def test_a_lock_cut_anywhere_is_one_that_dvc_takes_after_mending(locked: Path) -> None:
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA

    whole = (locked / "dvc.lock").read_bytes()
    for size in range(0, len(whole), 9):
        (locked / "dvc.lock").write_bytes(whole[:size])
        said = integrity.mend(locked)
        COMPILED_LOCKFILE_SCHEMA(yaml.safe_load((locked / "dvc.lock").read_text(encoding="utf-8")))
        at_line_end = whole[:size].endswith(
            b"\n"
        )  # may be taken for whole: what is not in it comes from dvc's cache
        assert said or at_line_end
        (locked / "dvc.lock").write_bytes(whole)
        integrity.keep(locked)


def test_a_first_lock_cut_short_goes(locked: Path) -> None:
    (locked / ".dvc/tmp/dvc.lock.whole").unlink()
    (locked / "dvc.lock").write_bytes(b"")
    assert "dvc.lock: half written by a dvc that was killed; removed" in integrity.mend(locked)[0]
    assert not (locked / "dvc.lock").exists()


@pytest.mark.parametrize("content", [b"", b'{"read": {"da'])
def test_a_list_of_readers_and_writers_cut_short_goes(locked: Path, content: bytes) -> None:
    (locked / ".dvc/tmp/rwlock").write_bytes(content)
    assert "rwlock: half written" in integrity.mend(locked)[0]
    assert not (locked / ".dvc/tmp/rwlock").exists()


def test_a_whole_one_stays(locked: Path) -> None:
    (locked / ".dvc/tmp/rwlock").write_bytes(b'{"read": {}, "write": {}}')
    assert integrity.mend(locked) == []
    assert (locked / ".dvc/tmp/rwlock").exists()


def test_where_dvc_never_ran_there_is_nothing_to_mend(tmp_path: Path) -> None:
    assert integrity.mend(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
