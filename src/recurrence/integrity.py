"""What dvc does not see to itself: that results are what it remembers of them.

In comes the project's root. `report` names the files whose content is not what its digest says:
objects of dvc's cache that a disk or a loss of power damaged (dvc brings them back into the project
as they are, and calls it up to date), and outputs that differ from dvc.lock. `set_aside` takes them
away, so that dvc fetches or computes them anew.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recurrence import paths
from recurrence.errors import RecurrenceError, command
from recurrence.files import explained, md5

FOLDER = ".dir"
"""Ends the digest of a folder, which is that of a list of its files."""


def _lock(root: Path) -> dict[str, Any]:
    """The stages in dvc.lock; YAML is no part of a light install, whose commands come by here
    too.
    """
    from recurrence.tracking.provenance import read_lock

    return read_lock(root)


def report(root: Path) -> list[str]:
    """A line for each file that is not what it must be, and at the end what to do; empty where all
    is well.
    """
    objects, changed = list(damaged_objects(cache(root))), list(changed_outputs(root))
    outputs = [(stage, path) for stage, path, is_stored in changed if not is_stored]
    others = [(stage, path) for stage, path, is_stored in changed if is_stored]
    lines = [
        f"{path}: damaged: its content has another digest than its name says" for path in objects
    ]
    lines += [_changed(stage, path) for stage, path in outputs]
    lines += [
        f"{path}: whole, but of another dvc.lock than this one (stage {stage})"
        for stage, path in others
    ]
    if objects or outputs:
        lines.append(f"To have dvc fetch or compute them anew: {_anew()}")
    elif others:
        lines.append(
            f"To have what this dvc.lock says: {command('dvc', 'checkout')}; "
            f"to bring everything up to date: {command('recurrence', 'repro')}"
        )
    return lines


def _changed(stage: str, path: Path) -> str:
    return f"{path}: not what dvc.lock says of {stage}: damaged, or made by hand"


def _anew() -> str:
    away = command("recurrence", "check", "--data", "--set-aside")
    return f"{away} && {command('recurrence', 'repro')}"


@contextmanager
def damage_named() -> Iterator[None]:
    """Within, what fails over a result that is not what dvc.lock says raises RecurrenceError, which
    names that result.

    Whoever reads a result trusts the stage that wrote it, and would meet damage with any error. One
    that no damage explains is a fault of the code, and passes as it is.
    """
    try:
        yield
    except (RecurrenceError, ImportError):  # the library that reads it is not installed
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.filename is not None:  # says itself what it is over
            raise
        changed = next((each for each in _outputs_here() if not each[2]), None)
        if changed is None:
            raise
        stage, path, _ = changed
        raise RecurrenceError(
            f"{_changed(stage, path)}; to have dvc fetch or compute it anew: {_anew()}"
        ) from error


def _outputs_here() -> Iterator[tuple[str, Path, bool]]:
    try:
        root = paths.root()
    except RecurrenceError:  # not in a project
        return
    yield from changed_outputs(root)


def set_aside(root: Path) -> list[str]:
    """Move what is damaged out of dvc's way, and say where to; what is only of another dvc.lock
    stays.
    """
    lines, folder = [], root / ".recurrence/aside" / time.strftime("%Y%m%d-%H%M%S")
    changed = [path for _, path, is_stored in changed_outputs(root) if not is_stored]
    for path in [*damaged_objects(cache(root)), *changed]:
        place = folder / os.path.relpath(path, root).replace("../", "")
        with explained(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(path, place)
        lines.append(f"{path}: now {place}")
    return lines


def damaged_objects(folder: Path) -> Iterator[Path]:
    """Objects of a cache whose content has another digest than their name says."""
    for path in sorted(
        folder.glob("[0-9a-f][0-9a-f]/[!.]*")
    ):  # hidden ones are copies that dvc did not end
        if path.is_file() and path.parent.name + path.name.removesuffix(FOLDER) != md5(path):
            yield path


def changed_outputs(root: Path) -> Iterator[tuple[str, Path, bool]]:
    """(stage, path, whether dvc's cache has it as it is) of each output that has another digest
    than dvc.lock says.
    """

    objects = cache(root)
    for stage, entry in _lock(root).items():
        for out in entry.get("outs", ()):
            path = root / out["path"]
            if path.exists() and (now := digest(path)) != out.get("md5"):
                yield stage, path, (objects / now[:2] / now[2:]).exists()


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
    """The folder of dvc's objects: in `.dvc/`, or where the project's or the person's configuration
    says.
    """
    config = ConfigParser()
    config.read([root / ".dvc/config", root / ".dvc/config.local"], encoding="utf-8")
    return root / ".dvc" / config.get("cache", "dir", fallback="cache") / "files/md5"
