"""A copy of the project on a machine that does not see its folder: code and params are sent, data
come by DVC remote.

In the copy, plain dvc reproduces the one stage, from dependencies that it pulls and with outputs
that it pushes, with its entry in the run cache; dvc in the project's folder then restores the stage
from there as if it had run here.
"""

import io
import os
import shlex
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from recurrence import lifeline
from recurrence.errors import RecurrenceError
from recurrence.repro.commands import Commands
from recurrence.repro.executor import Task

FOLDER = "RECURRENCE_COPIES"
"""An environment variable: where a machine keeps its copies; default ~/.cache/recurrence/copies.

Set on a machine that sees the project's folder, it says that copies are to be worked in all the
same.
"""
FRESH = ("dvc.lock", "data/code.json")
"""What stages change of what is sent."""
CONFIG = ".dvc/config.local"
LARGEST_BYTES = 1 << 28
WITHOUT_GIT = frozenset(
    {".git", ".venv", "data", "reports", ".mlflow", ".checkpoints", ".dvc/cache"}
)


def packed(root: Path) -> bytes:
    """The project without its data: what git tracks or would. Raises RecurrenceError where that is
    no code.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as archive:
        for name in _files(root):
            archive.add(root / name, name, recursive=False)
    if buffer.tell() > LARGEST_BYTES:
        raise RecurrenceError(
            f"{root}: {buffer.tell() / 1e6:.0f} MB to send to machines that do not see it, at most "
            f"{LARGEST_BYTES / 1e6:.0f}; let .gitignore name what is data"
        )
    return buffer.getvalue()


def fresh(root: Path) -> dict[str, bytes]:
    """What has changed since, by name."""
    return {name: (root / name).read_bytes() for name in FRESH if (root / name).is_file()}


def task_in(
    task: Task, sent: bytes | None, changed: dict[str, bytes] | None, env: dict[str, str]
) -> tuple[Commands, Task]:
    """The same task for a copy on this machine: with what it reads pulled, and what it makes
    pushed.
    """
    if sent is None or changed is None:
        raise RecurrenceError("this machine does not see the project's folder; start the run again")
    folder = _unpacked(sent)
    for name, content in changed.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    stage, reads = shlex.quote(task.name), " ".join(map(shlex.quote, task.reads))
    steps = [
        *([f"python -m dvc pull --quiet --force {reads}"] if reads else []),
        f"python -m dvc repro --single-item {stage}",
        f"python -m dvc push --quiet --run-cache {stage}",
    ]
    given = env | {"RECURRENCE_ROOT": str(folder), "PYTHONPATH": str(folder / "src")}
    moved = replace(task, command=" && ".join(steps), cwd=str(folder), env=given)
    return Commands(folder, lambda name, line: None), moved


def _files(root: Path) -> Iterator[str]:
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root, capture_output=True, check=False,
    )  # fmt: skip
    if listing.returncode == 0:
        names = sorted(filter(None, os.fsdecode(listing.stdout).split("\0")))
    else:
        names = [
            path.relative_to(root).as_posix()
            for path in sorted(root.rglob("*"))
            if not any(
                f"{path.relative_to(root).as_posix()}/".startswith(f"{each}/")
                for each in WITHOUT_GIT
            )
        ]
    for name in [*names, CONFIG]:
        if (root / name).is_file() and not (root / name).is_symlink():
            yield name


def _unpacked(sent: bytes) -> Path:
    """The copy of this worker: one a process, since dvc locks a project; its cache is shared by all
    here.
    """
    kept = Path(os.environ.get(FOLDER) or Path.home() / ".cache/recurrence/copies")
    folder = kept / f"{sha256(sent).hexdigest()[:16]}-{os.getpid()}"
    if not folder.exists():
        _forget_others(kept)
        with tarfile.open(fileobj=io.BytesIO(sent)) as archive:
            archive.extractall(folder, filter="data")
        for words in (
            ["init", "--no-scm", "--force", "--quiet"] if not (folder / ".dvc").exists() else [],
            ["config", "--local", "core.no_scm", "true"],
            ["cache", "dir", "--local", str(kept / "cache")],
        ):
            if words:
                subprocess.run(
                    [sys.executable, "-m", "dvc", *words],
                    cwd=folder,
                    check=True,
                    capture_output=True,
                )
    return folder


def _forget_others(kept: Path) -> None:
    """Remove the copies of workers that are no more."""
    for folder in kept.glob("*-*"):
        number = folder.name.rpartition("-")[2]
        if number.isdigit() and not lifeline.lives(int(number)):
            shutil.rmtree(folder, ignore_errors=True)
