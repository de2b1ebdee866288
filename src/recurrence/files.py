"""Writing files so that a reader never sees half of one: to a temporary name beside the target, then renamed."""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recurrence.errors import RecurrenceError


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """A path to write to (file or folder); it takes the target's place when the block ends well, else it goes.

    Raises RecurrenceError when the disk is full or the place cannot be written; the previous target stays.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        _explain(error, target)
        raise
    try:
        yield scratch / target.name
        if target.is_dir():  # a folder does not take the place of a full one
            os.replace(target, scratch / f"{target.name}.old")
        os.replace(scratch / target.name, target)
    except OSError as error:
        _explain(error, target)
        raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def write_text(target: Path, text: str) -> None:
    """Write UTF-8 text with newlines as they are, atomically."""
    with atomic_path(target) as path:
        path.write_text(text, encoding="utf-8", newline="")


def write_json(target: Path, value: Any) -> None:
    """Write JSON with a stable layout (indented, keys in the order given), atomically."""
    write_text(target, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_text(path: Path) -> str:
    """Read UTF-8 text that a stage wrote; a file that is missing is named."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise RecurrenceError(f"{path}: no such file; run the stage that writes it (`dvc repro`)") from error


def read_json(path: Path) -> Any:
    """Read JSON; a file that is missing or broken is named."""
    try:
        return json.loads(read_text(path))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RecurrenceError(f"{path}: not JSON ({error}); delete it and run `dvc repro`") from error


def _explain(error: OSError, target: Path) -> None:
    """Word the failures that a person can mend; any other stays what it is."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        raise RecurrenceError(f"{target}: the disk is full; free some space and run the same command again") from error
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        raise RecurrenceError(f"{target}: cannot be written ({error.strerror}); check who may write there") from error
