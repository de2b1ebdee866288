"""What dvc does not see to itself: that results are what it remembers of them, and that a kill leaves its files whole.

In comes the project's root. `report` names the files whose content is not what its digest says: objects of dvc's cache
that a disk or a loss of power damaged (dvc brings them back into the project as they are, and calls it up to date), and
outputs that differ from dvc.lock. `mend` and `keep` see to dvc's own files, which it writes in place: a kill at the
wrong moment leaves half a dvc.lock, with which every later `dvc repro` ends at once.
"""

import filecmp
import hashlib
import json
import shutil
from collections.abc import Iterator
from configparser import ConfigParser
from pathlib import Path

import yaml

from recurrence.files import atomic_path, md5
from recurrence.tracking.provenance import read_lock

FOLDER = ".dir"
"""Ends the digest of a folder, which is that of a list of its files."""


def report(root: Path) -> list[str]:
    """A line for each damaged file, and at the end what to do; empty where all is well."""
    objects, outputs = list(damaged_objects(cache(root))), list(changed_outputs(root))
    lines = [
        f"{path}: damaged: its content has another digest than its name says" for path in objects
    ]
    lines += [
        f"{path}: not what dvc.lock says of {stage}: damaged, or made by hand"
        for stage, path in outputs
    ]
    if lines:
        names = " ".join(str(path) for path in [*objects, *(path for _, path in outputs)])
        lines.append(f"To have dvc fetch or compute them anew: rm -rf {names} && recurrence repro")
    return lines


def damaged_objects(folder: Path) -> Iterator[Path]:
    """Objects of a cache whose content has another digest than their name says."""
    for path in sorted(
        folder.glob("[0-9a-f][0-9a-f]/[!.]*")
    ):  # hidden ones are copies that dvc did not end
        if path.is_file() and path.parent.name + path.name.removesuffix(FOLDER) != md5(path):
            yield path


def changed_outputs(root: Path) -> Iterator[tuple[str, Path]]:
    """(stage, path) of each output that is there but has another digest than dvc.lock says."""
    for stage, entry in read_lock(root).items():
        for out in entry.get("outs", ()):
            path = root / out["path"]
            if path.exists() and digest(path) != out.get("md5"):
                yield stage, path


def digest(path: Path) -> str:
    """The digest that dvc gives a file or a folder."""
    if not path.is_dir():
        return md5(path)
    files = {
        file.relative_to(path).as_posix(): md5(file) for file in path.rglob("*") if file.is_file()
    }
    listed = [{"md5": files[name], "relpath": name} for name in sorted(files)]
    return hashlib.md5(json.dumps(listed).encode(), usedforsecurity=False).hexdigest() + FOLDER


def cache(root: Path) -> Path:
    """The folder of dvc's objects: in `.dvc/`, or where the project's or the person's configuration says."""
    config = ConfigParser()
    config.read([root / ".dvc/config", root / ".dvc/config.local"], encoding="utf-8")
    return root / ".dvc" / config.get("cache", "dir", fallback="cache") / "files/md5"


def mend(root: Path) -> list[str]:
    """Mend what a dvc that was killed left half written, and say what; for when no dvc is running."""
    said = []
    lock, kept, rwlock = root / "dvc.lock", _kept(root), root / ".dvc/tmp/rwlock"
    if not _is_json(rwlock):
        rwlock.unlink()
        said.append(f"{rwlock}: half written by a dvc that was killed; removed")
    if (
        lock.exists()
        and not (kept.exists() and filecmp.cmp(lock, kept, shallow=False))
        and not _is_lock(lock)
    ):
        lock.replace(root / ".dvc/tmp/dvc.lock.half")
        there = kept.exists()
        if there:
            _copy(kept, lock)
        instead = "the one before it is back" if there else "removed"
        said.append(
            f"{lock}: half written by a dvc that was killed; {instead}, and what ran since is in dvc's cache"
        )
    keep(root)
    return said


def keep(root: Path) -> None:
    """Keep a copy of dvc.lock, which is whole now, for `mend`."""
    if (root / "dvc.lock").exists() and (root / ".dvc/tmp").is_dir():
        _copy(root / "dvc.lock", _kept(root))


def _kept(root: Path) -> Path:
    return root / ".dvc/tmp/dvc.lock.whole"


def _copy(source: Path, target: Path) -> None:
    with atomic_path(target) as path:
        shutil.copyfile(source, path)


def _is_lock(path: Path) -> bool:
    """Whether it looks whole, and dvc will take it: what is left of a file that was cut may still be YAML."""
    from dvc.schema import COMPILED_LOCKFILE_SCHEMA
    from voluptuous import Invalid

    content = path.read_bytes()
    try:
        COMPILED_LOCKFILE_SCHEMA(yaml.load(content, getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except (yaml.YAMLError, Invalid):
        return False
    return content.endswith(b"\n")


def _is_json(path: Path) -> bool:
    """Also true of a file that is not there."""
    try:
        json.loads(path.read_bytes() if path.exists() else b"{}")
    except ValueError:
        return False
    return True
