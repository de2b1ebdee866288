"""Damage that dvc does not see is found, and named with what to do."""

import hashlib
from pathlib import Path

import pytest
import yaml

from recurrence import integrity
from recurrence.errors import RecurrenceError

NAME = "data/file.json"


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
    assert said[1].endswith("recurrence check --data --set-aside && recurrence repro")
    integrity.set_aside(project)
    assert not path.exists()
    (aside,) = (project / ".recurrence/aside").rglob(path.name)
    assert aside.read_bytes() == b"contenu"
    assert integrity.report(project) == []


@pytest.mark.parametrize(
    ("file", "named"), [("file.json", "file.json"), ("folder/deep/b.txt", "folder")]
)
def test_an_output_that_is_another_is_named_with_its_stage(
    project: Path, file: str, named: str
) -> None:
    (project / "data" / file).write_bytes(b"!")
    path = project / "data" / named
    assert list(integrity.changed_outputs(project)) == [(f"make@data/{named}", path, False)]
    assert integrity.report(project)[0].startswith(f"{path}: not what dvc.lock says")
    (line,) = integrity.set_aside(project)
    assert line.startswith(f"{path}: now ") and not path.exists()


def test_an_output_of_another_lock_is_whole_and_stays(project: Path) -> None:
    """After `git checkout dvc.lock`: dvc's cache has it, so nobody damaged it."""
    path = project / "data/file.json"
    path.write_bytes(b"newer")
    put(project, b"newer", "")
    said = integrity.report(project)
    assert said[0] == f"{path}: whole, but of another dvc.lock than this one (stage make@{NAME})"
    assert "dvc checkout" in said[1] and "--set-aside" not in said[1]
    assert integrity.set_aside(project) == [] and path.read_bytes() == b"newer"


def test_outputs_of_the_same_name_do_not_meet_when_they_are_set_aside(project: Path) -> None:
    (project / "data/file.json").write_bytes(b"!")
    (project / "data/folder/a.txt").write_bytes(b"?")
    assert len(integrity.set_aside(project)) == 2
    kept = [
        path.read_bytes() for path in (project / ".recurrence/aside").rglob("*.*") if path.is_file()
    ]
    assert sorted(kept) == [b"!", b"?", b"b"]


def test_an_output_that_is_not_there_is_dvcs_affair(project: Path) -> None:
    (project / "data/file.json").unlink()
    assert integrity.report(project) == []


@pytest.mark.parametrize("config", ["config", "config.local"])
def test_a_cache_elsewhere_is_looked_into(project: Path, config: str) -> None:
    (project / f".dvc/{config}").write_text("[cache]\n    dir = ../../shared\n", encoding="utf-8")
    assert integrity.cache(project).resolve() == project.parent / "shared/files/md5"


def test_a_project_without_dvc_has_nothing_to_check(tmp_path: Path) -> None:
    assert integrity.report(tmp_path) == []


def test_what_fails_over_a_damaged_result_names_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RECURRENCE_ROOT", str(project))
    (project / NAME).write_bytes(b"[]")
    with (
        pytest.raises(RecurrenceError, match=f"{NAME}: not what dvc.lock says of make@{NAME}"),
        integrity.damage_named(),
    ):
        raise KeyError("exact")


def test_what_fails_over_nothing_damaged_is_the_codes_own(
    project: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RECURRENCE_ROOT", str(project))
    with pytest.raises(KeyError), integrity.damage_named():
        raise KeyError("exact")
    monkeypatch.delenv("RECURRENCE_ROOT")
    monkeypatch.chdir(tmp_path)  # in no project
    with pytest.raises(KeyError), integrity.damage_named():
        raise KeyError("exact")
