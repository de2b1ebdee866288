"""What was made here held against what is committed: the same bytes, or figures that differ by
chance alone.

In: the project's root and a git revision. Out: for each output of the pipeline whether its bytes
are the committed ones, by the digests in that revision's dvc.lock; and for the reports how their
figures compare. A file whose bytes differ is borne out where the figures that are made from it are.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from recurrence.errors import RecurrenceError
from recurrence.integrity import digest
from recurrence.results.comparison import Change, compare
from recurrence.results.places import Folder, Revision

Bytes = Literal["same", "other", "not here", "new"]
NOT_COMPARED = ("track",)
"""Stages whose output is about this machine: where a store lies."""


@dataclass(frozen=True)
class Output:
    """A file or folder that a stage makes."""

    stage: str
    key: str
    path: str
    bytes: Bytes

    @property
    def model(self) -> str | None:
        """The model that it is of; None for what is a corpus's."""
        return self.key.partition("-")[2] or None


@dataclass(frozen=True)
class Verification:
    """What became of the outputs of one corpus, and of the figures in its report."""

    corpus: str
    outputs: tuple[Output, ...]
    changes: tuple[Change, ...]

    @property
    def made(self) -> tuple[Output, ...]:
        """The outputs that are here."""
        return tuple(output for output in self.outputs if output.bytes != "not here")

    @property
    def same(self) -> int:
        return sum(output.bytes == "same" for output in self.outputs)

    @property
    def unexplained(self) -> list[Output]:
        """Outputs of a corpus as such whose bytes differ: text, ids and vocabularies have no
        interval to lie in.
        """
        return [each for each in self.outputs if each.bytes == "other" and not _has_figures(each)]

    @property
    def holds(self) -> bool:
        """Whether everything is here, and is the same or differs by chance alone."""
        beyond = any(change.verdict in ("beyond", "gone") for change in self.changes)
        return not beyond and not self.unexplained and len(self.made) == len(self.outputs)


def verify(root: Path, committed: Revision, corpora: list[str]) -> list[Verification]:
    """Hold the outputs of these corpora against a revision. Raises RecurrenceError where it has no
    dvc.lock.
    """
    content = committed.read("dvc.lock")
    if content is None:
        raise RecurrenceError(
            f"{committed.name}: has no dvc.lock to hold this against; name a revision that has: "
            f"--against REVISION"
        )
    lock = parse_lock(content, committed.name)
    here = Folder("here", root)
    return [
        Verification(
            corpus,
            tuple(_outputs(root, lock, corpus)),
            tuple(compare(committed, here, [corpus])),
        )
        for corpus in corpora
    ]


def parse_lock(content: bytes, where: str) -> dict[str, Any]:
    """The stages of a dvc.lock."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return dict(yaml.load(content, loader)["stages"])
    except (yaml.YAMLError, UnicodeDecodeError, TypeError, KeyError, ValueError) as error:
        raise RecurrenceError(f"{where}: its dvc.lock cannot be read; is it whole?") from error


def _outputs(root: Path, lock: dict[str, Any], corpus: str) -> Iterator[Output]:
    for name, entry in lock.items():
        stage, _, key = name.partition("@")
        if stage in NOT_COMPARED or key.partition("-")[0] != corpus:
            continue
        for out in entry.get("outs", ()):
            path = root / out["path"]
            if not path.exists():
                found: Bytes = "not here"
            else:
                found = "same" if digest(path) == out.get("md5") else "other"
            yield Output(stage, key, out["path"], found)


def _has_figures(output: Output) -> bool:
    """Whether the report's figures say what a difference in this output comes to."""
    return output.model is not None or output.stage == "report"
