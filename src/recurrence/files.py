"""Writing files so that a reader never sees half of one: to a temporary place beside the target,
then renamed.

What is written is forced to the disk before it takes the target's place, so that neither a full
disk nor a loss of power leaves half a file under a good name. A writer that was killed leaves its
temporary folder behind (`.<target>.<random>.partial`); the next one to write the same target
removes it.
"""

import errno
import fcntl
import glob
import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recurrence.errors import RecurrenceError, in_brief

if TYPE_CHECKING:
    from numpy.typing import NDArray

REMEDIES = {
    errno.ENOSPC: "the disk is full; free some space and run the same command again",
    errno.EDQUOT: "the disk is full; free some space and run the same command again",
    errno.EFBIG: "larger than a file may be here (ulimit -f); "
    "raise the limit and run the same command again",
    errno.EIO: "the disk does not take it (Input/output error); "
    "look after the disk, then run the same command again",
    errno.EACCES: "cannot be written (Permission denied); check who may write there",
    errno.EPERM: "cannot be written (Operation not permitted); check who may write there",
    errno.ENOTDIR: "a file stands where a folder must be; move it away",
    errno.EROFS: "cannot be written (Read-only file system); check who may write there",
}
"""Failures that a person can mend; any other stays what it is."""

MOST_READ_BYTES = 1 << 30
"""No file that is read as a whole is nearly as large."""


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """A path to write to (file or folder); it takes the target's place when the block ends well,
    else it goes.

    Raises RecurrenceError when the disk is full or the place cannot be written; the previous target
    stays.
    """
    with explained(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
        scratch, held = _claim(target)
        try:
            yield scratch / target.name
            _force_to_disk(scratch / target.name)
            _take_place(scratch / target.name, target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            os.close(held)


def _claim(target: Path) -> tuple[Path, int]:
    """A new folder beside the target, and the open handle whose lock says that its writer is
    alive.
    """
    while True:
        scratch = Path(
            tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent)
        )
        with suppress(
            FileNotFoundError, BlockingIOError
        ):  # someone who sweeps took it for a dead writer's
            held = os.open(scratch, os.O_RDONLY)
            fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
            if scratch.exists():
                return scratch, held


def _sweep(target: Path) -> None:
    """Remove what killed writers of the same target left: folders that nobody holds."""
    for left in target.parent.glob(f".{glob.escape(target.name)}.*.partial"):
        with suppress(OSError):  # held, or gone already
            handle = os.open(left, os.O_RDONLY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left)
            finally:
                os.close(handle)


def _force_to_disk(path: Path) -> None:
    """Only then is it certain that there was room."""
    for file in [path, *path.rglob("*")]:
        if file.is_file():
            handle = os.open(file, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def _take_place(path: Path, target: Path) -> None:
    if not target.is_dir():  # a folder does not take the place of a full one
        os.replace(path, target)
        return
    aside = path.with_name(f"{target.name}.old")
    os.replace(target, aside)
    try:
        os.replace(path, target)
    except BaseException:
        os.replace(aside, target)
        raise


@contextmanager
def explained(target: Path) -> Iterator[None]:
    """Within, failures to write that a person can mend raise RecurrenceError, which names the
    target and the remedy.
    """
    try:
        yield
    except OSError as error:
        if remedy := REMEDIES.get(error.errno or 0):
            raise RecurrenceError(f"{target}: {remedy}") from error
        raise


def write_text(target: Path, text: str) -> None:
    """Write UTF-8 text with newlines as they are, atomically."""
    with atomic_path(target) as path:
        path.write_text(text, encoding="utf-8", newline="")


def write_array(path: Path, array: "NDArray[Any]") -> None:
    """Write an .npy file. Not by np.save to the path, which does not notice a full disk: half a
    file, and no error.
    """
    import numpy as np  # most who write files have no need of it

    buffer = io.BytesIO()
    np.save(buffer, array)
    path.write_bytes(buffer.getbuffer())


@contextmanager
def array_writer(path: Path, kind: Any) -> Iterator[Callable[["NDArray[Any]"], None]]:
    """Write an .npy file of one dimension piece by piece: the bytes that `write_array` gives for
    all of them together.

    Yields a function that takes the next piece, of the type `kind`.
    """
    import numpy as np

    count = 0

    def header() -> bytes:
        out = io.BytesIO()
        tree = np.lib.format.header_data_from_array_1_0(np.zeros(0, kind))
        np.lib.format.write_array_header_1_0(out, tree | {"shape": (count,)})
        return out.getvalue()

    with path.open("wb") as file:
        file.write(header())

        def write(piece: "NDArray[Any]") -> None:
            nonlocal count
            assert piece.dtype == kind, "one type for the whole array"
            file.write(piece.tobytes())
            count += len(piece)

        yield write
        begin = header()  # as long as the first: numpy leaves room for any number of digits
        file.seek(0)
        file.write(begin)


def md5(path: Path) -> str:
    """A file's digest, as dvc has it."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def write_json(target: Path, value: Any) -> None:
    """Write JSON with a stable layout (indented, keys in the order given), atomically."""
    write_text(target, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_text(path: Path, most_bytes: int = MOST_READ_BYTES) -> str:
    """Read UTF-8 text that a stage wrote; a file that is missing, or far too large, is named."""
    if not path.is_file():
        raise RecurrenceError(f"{path}: no such file; run the stage that writes it (`dvc repro`)")
    if (size := path.stat().st_size) > most_bytes:
        raise RecurrenceError(
            f"{path}: must have at most {most_bytes:,} bytes, has {size:,}; delete it and run "
            f"`dvc repro`"
        )
    return path.read_text(encoding="utf-8")


def read_json(path: Path, most_bytes: int = MOST_READ_BYTES) -> Any:
    """Read JSON; a file that is missing or broken is named."""
    text = _decoded(path, most_bytes)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _no_json(path, error) from error


def _decoded(path: Path, most_bytes: int) -> str:
    try:
        return read_text(path, most_bytes)
    except UnicodeDecodeError as error:
        raise _no_json(path, error) from error


def _no_json(path: Path, error: Exception) -> RecurrenceError:
    return RecurrenceError(f"{path}: not JSON ({in_brief(error)}); delete it and run `dvc repro`")
