"""Digests written as `algorithm:hex`, checked before anything else reads what they belong to."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from recurrence.errors import RecurrenceError


def check_file(path: Path, accepted: Sequence[str], where: str) -> None:
    """Raise RecurrenceError unless the file has one of the accepted digests (none given: nothing to
    check).
    """
    got = []
    for algorithm in _algorithms(accepted):
        with path.open("rb") as file:
            got.append(f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}")
    _compare(got, accepted, where)


def check_bytes(content: bytes, accepted: Sequence[str], where: str) -> None:
    """Raise RecurrenceError unless the content has one of the accepted digests."""
    got = [
        f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"
        for algorithm in _algorithms(accepted)
    ]
    _compare(got, accepted, where)


def _algorithms(accepted: Sequence[str]) -> list[str]:
    return sorted({digest.partition(":")[0] for digest in accepted})


def _compare(got: list[str], accepted: Sequence[str], where: str) -> None:
    if accepted and not set(got) & set(accepted):
        raise RecurrenceError(
            f"{where}: wrong digest: expected {' or '.join(accepted)}, got {' and '.join(got)}"
        )
