"""Where committed results are read from: a folder, or a git revision; by paths relative to the
project's root.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from recurrence.errors import RecurrenceError

REPORTS = "reports"


class Place(Protocol):
    """A state of the project that files can be read from."""

    @property
    def name(self) -> str:
        """How people call it."""

    def read(self, path: str) -> bytes | None:
        """A file's content; None where there is none."""

    def corpora(self) -> list[str]:
        """The corpora that have a report there."""


@dataclass(frozen=True)
class Folder:
    """Files as they lie in a project's folder."""

    name: str
    root: Path

    def read(self, path: str) -> bytes | None:
        try:
            return (self.root / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            return None

    def corpora(self) -> list[str]:
        return sorted(path.parent.name for path in self.root.glob(f"{REPORTS}/*/decoding.csv"))


@dataclass(frozen=True)
class OneReport:
    """A single report folder, wherever it lies: it stands for the report of the corpus it is named
    after.
    """

    name: str
    folder: Path

    def read(self, path: str) -> bytes | None:
        corpus, _, file = path.removeprefix(f"{REPORTS}/").partition("/")
        if corpus != self.folder.name or not (self.folder / file).is_file():
            return None
        return (self.folder / file).read_bytes()

    def corpora(self) -> list[str]:
        return [self.folder.name]


@dataclass(frozen=True)
class Revision:
    """Files as a git revision has them."""

    name: str
    root: Path

    def read(self, path: str) -> bytes | None:
        done = _git(self.root, "show", f"{self.name}:./{path}")
        return done.stdout if done.returncode == 0 else None

    def corpora(self) -> list[str]:
        listed = _git(self.root, "ls-tree", "-r", "--name-only", self.name, "--", REPORTS).stdout
        paths = [Path(line) for line in listed.decode(errors="replace").splitlines()]
        return sorted(path.parent.name for path in paths if path.name == "decoding.csv")


def revision(root: Path, name: str) -> Revision:
    """A git revision of the project in `root`; raises RecurrenceError where git knows none of that
    name.
    """
    if name.startswith("-") or _git(root, "rev-parse", "--verify", f"{name}^{{commit}}").returncode:
        raise RecurrenceError(
            f"{name}: neither a git revision of {root} nor a folder with reports; "
            "give a commit, branch or tag, a project folder, or a folder like reports/human_numbers"
        )
    return Revision(name, root)


def place(root: Path, name: str) -> Place:
    """What a person means by `name`: a project folder, its reports folder, one report, or a git
    revision.
    """
    path = Path(name)
    if (path / REPORTS).is_dir():
        return Folder(name, path.resolve())
    if (path / "decoding.csv").is_file():
        return OneReport(name, path.resolve())
    if path.name == REPORTS and path.is_dir():
        return Folder(name, path.resolve().parent)
    return revision(root, name)


def _git(root: Path, *words: str) -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(["git", *words], cwd=root, capture_output=True, check=False)
    except FileNotFoundError as error:
        raise RecurrenceError("git is not installed, and revisions are read with it") from error
