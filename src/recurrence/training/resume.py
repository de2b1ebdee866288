"""Snapshots of a training on disk.

In comes a folder that belongs to one model, `.checkpoints/<corpus>-<name>/`; below
`<digest>/<job>/` in it the last snapshots of each job, newest last, each a folder of
`tensors.safetensors` and `facts.json`. The digest is that of all a training depends on, so that
what was kept under other params, data or code is never gone on with.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load, save

from recurrence.console import say
from recurrence.errors import RecurrenceError
from recurrence.files import atomic_path, explained
from recurrence.training.trainer import Snapshot, Trainer

KEPT = 2
SNAPSHOT_S = 30.0
"""Seconds between two snapshots; between epochs a third of that, since they are the better place to
go on from.
"""
COST = 0.01
"""No larger a share of the time may go into snapshots, however large the model or slow the disk."""


class Keeper:
    """Keeps a training's snapshots in a folder, the last two.

    RECURRENCE_SNAPSHOT_S sets the seconds between them, whatever that costs (0: a snapshot after
    every step). A snapshot that cannot be written (the disk is full) is said and done without: the
    training itself goes on.
    """

    def __init__(self, folder: Path, started: float) -> None:
        """`started` is what the time spent so far is counted from, on time.monotonic's clock."""
        self.folder, self.started = folder, started
        self.fixed_s = os.environ.get("RECURRENCE_SNAPSHOT_S")
        self.wait_s, self.saved_at = float(self.fixed_s or SNAPSHOT_S), time.monotonic()

    def pause(self, trainer: Trainer) -> None:
        """Take a snapshot if it is time to; for the places where a trainer may be stopped."""
        if self.due(trainer):
            self.save(trainer.state_dict())

    def due(self, trainer: Trainer) -> bool:
        """Whether it is time to."""
        waited_s = time.monotonic() - self.saved_at
        return waited_s >= self.wait_s or (trainer.done == 0 and waited_s >= self.wait_s / 3)

    def save(self, snapshot: Snapshot) -> None:
        """Write a snapshot, and remove all but the last two."""
        began = time.monotonic()
        facts = snapshot.facts | {"spent_s": began - self.started}
        path = self.folder / f"{self._newest() + 1:08d}"
        try:
            _write(path, Snapshot(snapshot.tensors, facts))
        except (OSError, RecurrenceError) as error:
            say(f"no snapshot could be kept; the training goes on without ({error})")
        else:
            for old in self._kept()[:-KEPT]:
                shutil.rmtree(old, ignore_errors=True)
        self.saved_at = time.monotonic()
        if self.fixed_s is None:
            self.wait_s = max(SNAPSHOT_S, (self.saved_at - began) / COST)

    def latest(self) -> Snapshot | None:
        """The newest snapshot that is whole; what is broken is named and removed."""
        for path in reversed(self._kept()):
            try:
                return _read(path)
            except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
                say(
                    f"{path}: not a whole snapshot ({error}); the one before it is taken, if "
                    f"there is one"
                )
                shutil.rmtree(path, ignore_errors=True)
        return None

    def _kept(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("*") if path.name.isdigit())

    def _newest(self) -> int:
        return max((int(path.name) for path in self._kept()), default=0)


def spent_s(folder: Path) -> float:
    """Seconds that the jobs below a folder had taken when their newest snapshot was written; 0
    where there is none.
    """
    spent = [0.0]
    for path in folder.glob("*/*/facts.json"):
        with suppress(OSError, ValueError, KeyError, TypeError):  # dealt with where it is needed
            spent.append(float(json.loads(path.read_text(encoding="utf-8"))["facts"]["spent_s"]))
    return max(spent)


def _write(path: Path, snapshot: Snapshot) -> None:
    tensors = save({name: tensor.cpu().contiguous() for name, tensor in snapshot.tensors.items()})
    with atomic_path(path) as folder:
        folder.mkdir()
        (folder / "tensors.safetensors").write_bytes(tensors)
        facts = {"digest": _digest(tensors, snapshot.facts), "facts": snapshot.facts}
        (folder / "facts.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")


def _read(path: Path) -> Snapshot:
    tensors = (path / "tensors.safetensors").read_bytes()
    tree = json.loads((path / "facts.json").read_text(encoding="utf-8"))
    if tree["digest"] != _digest(tensors, tree["facts"]):
        raise ValueError("its digest is another")
    return Snapshot(load(tensors), tree["facts"])


def _digest(tensors: bytes, facts: dict[str, object]) -> str:
    return hashlib.sha256(tensors + json.dumps(facts).encode()).hexdigest()


def key(facts: object, files: Iterable[Path]) -> str:
    """A digest of facts that JSON can hold and of the contents of files."""
    whole = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for file in sorted(files):
        whole.update(hashlib.sha256(file.read_bytes()).digest())
    return whole.hexdigest()[:16]


@contextmanager
def current(folder: Path, digest: str) -> Iterator[Path]:
    """The folder for what is kept under a digest; other digests' are removed before, and it too
    where all ends well.
    """
    for old in folder.iterdir():
        if old.is_dir() and old.name != digest:
            shutil.rmtree(old)
    yield folder / digest
    shutil.rmtree(folder / digest, ignore_errors=True)


@contextmanager
def tidied(folder: Path) -> Iterator[None]:
    """A model's folder, which is removed at the end unless there are snapshots in it."""
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        if not any(path.is_file() for path in folder.rglob("*")):
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):  # not empty: other models are trained
                folder.parent.rmdir()
