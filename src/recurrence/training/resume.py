"""Snapshots of a training on disk, and the lock that lets one process alone train a model.

In comes a folder that belongs to one model, `.checkpoints/<corpus>-<name>/`; in it `lock`, and below `<digest>/<job>/`
the last snapshots of each job, newest last, each a folder of `tensors.safetensors` and `facts.json`. The digest is that
of all a training depends on, so that what was kept under other params, data or code is never gone on with.
"""

import fcntl
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
from recurrence.files import REMEDIES, atomic_path
from recurrence.training.trainer import Snapshot, Trainer

KEPT = 2
SNAPSHOT_S = 30.0
"""Seconds between two snapshots; between epochs a third of that, since they are the better place to go on from."""
COST = 0.01
"""No larger a share of the time may go into snapshots, however large the model or slow the disk."""
ENDING_S = 5.0
"""How long to wait for the processes of a training that was killed to be gone."""


class Keeper:
    """Keeps a training's snapshots in a folder, the last two.

    RECURRENCE_SNAPSHOT_S sets the seconds between them, whatever that costs (0: a snapshot after every step).
    A snapshot that cannot be written (the disk is full) is said and done without: the training itself goes on.
    """

    def __init__(self, folder: Path, started: float) -> None:
        """`started` is what the time spent so far is counted from, on time.monotonic's clock."""
        self.folder, self.started = folder, started
        self.fixed_s = os.environ.get("RECURRENCE_SNAPSHOT_S")
        self.wait_s, self.saved_at = float(self.fixed_s or SNAPSHOT_S), time.monotonic()

    def pause(self, trainer: Trainer) -> None:
        """Take a snapshot if it is time to; for the places where a trainer may be stopped."""
        if self.due(trainer):
            self.save(trainer.snapshot())

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
            except (OSError, ValueError, KeyError, SafetensorError) as error:
                say(
                    f"{path}: not a whole snapshot ({error}); the one before it is taken, if there is one"
                )
                shutil.rmtree(path, ignore_errors=True)
        return None

    def _kept(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("*") if path.name.isdigit())

    def _newest(self) -> int:
        return max((int(path.name) for path in self._kept()), default=0)


def spent_s(folder: Path) -> float:
    """Seconds that the jobs below a folder had taken when their newest snapshot was written; 0 where there is none."""
    spent = [0.0]
    for path in folder.glob("*/*/facts.json"):
        with suppress(
            OSError, ValueError, KeyError
        ):  # a broken one is dealt with where it is needed
            spent.append(json.loads(path.read_text(encoding="utf-8"))["facts"]["spent_s"])
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
    """The folder for what is kept under a digest; other digests' are removed before, and it too where all ends well."""
    for old in folder.iterdir():
        if old.is_dir() and old.name != digest:
            shutil.rmtree(old)
    yield folder / digest
    shutil.rmtree(folder / digest, ignore_errors=True)


@contextmanager
def only_trainer(folder: Path) -> Iterator[None]:
    """Hold the lock of a model's folder; raises RecurrenceError, naming the process, where another one holds it.

    The lock is the system's, so that it ends with its holder however that ends; the file says only who it is. At the
    end the folder is removed, unless there are snapshots in it.
    """
    handle = _locked(folder)
    try:
        yield
    finally:
        if not any(path.is_file() and path.name != "lock" for path in folder.rglob("*")):
            shutil.rmtree(folder, ignore_errors=True)
            with suppress(OSError):  # not empty: other models are trained
                folder.parent.rmdir()
        os.close(handle)


def _locked(folder: Path) -> int:
    """An open handle of the folder's lock, held."""
    path, deadline = folder / "lock", time.monotonic() + ENDING_S
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            return _take(path)
        except (
            FileNotFoundError,
            FileExistsError,
        ):  # removed in between by a holder who is done; mkdir says either
            continue
        except BlockingIOError:
            with suppress(FileNotFoundError):
                _wait(path, deadline)
        except OSError as error:
            if remedy := REMEDIES.get(error.errno or 0):
                raise RecurrenceError(f"{path}: {remedy}") from error
            raise


def _take(path: Path) -> int:
    """The lock, held; raises BlockingIOError where another holds it, FileNotFoundError where it was removed."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(handle), path.stat()):
            raise FileNotFoundError(path)
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _wait(path: Path, deadline: float) -> None:
    """Another holds the lock: give up where it lives; else wait a little, since its processes are about to end."""
    pid, name = path.read_text(), path.parent.name
    if _lives(pid):
        raise RecurrenceError(
            f"{name}: process {pid} is training this model; wait for it, or end it (kill {pid})"
        )
    if time.monotonic() > deadline:
        raise RecurrenceError(f"{name}: a training that was killed has not ended yet; try again")
    time.sleep(0.05)


def _lives(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except (ValueError, ProcessLookupError):
        return False
    except PermissionError:
        pass  # it is somebody else's
    return True
