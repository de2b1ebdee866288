"""Digests written as `algorithm:hex`, checked before anything else reads what they belong to."""

import hashlib
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from recurrence.errors import RecurrenceError


def check_file(path: Path, accepted: Sequence[str], where: str) -> None:
    """Raise RecurrenceError unless the file has one of the accepted digests (none given: nothing to check)."""
    with path.open("rb") as file:
        _check(file, accepted, where)


def check_bytes(content: bytes, accepted: Sequence[str], where: str) -> None:
    """Raise RecurrenceError unless the content has one of the accepted digests."""
    _check(BytesIO(content), accepted, where)


def _check(file: BinaryIO, accepted: Sequence[str], where: str) -> None:
    got = []
    for algorithm in sorted({digest.partition(":")[0] for digest in accepted}):
        file.seek(0)
        got.append(f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}")
    if accepted and not set(got) & set(accepted):
        raise RecurrenceError(f"{where}: wrong digest: expected {' or '.join(accepted)}, got {' and '.join(got)}")
