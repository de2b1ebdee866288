"""The files in an archive, one after the other: .zip, or .tar as it is or compressed by gzip, bzip2
or xz.

An archive comes from outside. It is never unpacked to disk, but read member by member within
limits; one that holds a link, a device, or a name that leads out of its folder is refused as a
whole.
"""

import bz2
import gzip
import io
import lzma
import re
import stat
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any, NoReturn

from recurrence.errors import RecurrenceError, in_brief

MAX_MEMBERS = 1_000_000
MAX_BYTES = 16 << 30
MAX_RATIO = 200
"""Unpacked size over packed size; prose reaches 4, a monotonous text 20."""
FREE_BYTES = 1 << 20
"""Allowed whatever the ratio: the padding of a small archive packs very well."""
HEAD_BYTES = 1 << 16
"""Of all that a tar says of one member before its content: tarfile takes it into memory, and reads
the next header of the same member by calling itself.
"""
_OPENERS: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}
Member = tuple[str, Callable[[], bytes]]
"""A name, and a function that reads the content; it must be called before the next member is asked
for.
"""


def members(path: Path) -> Iterator[Member]:
    """Every file of an archive, in its order; raises RecurrenceError where it is broken or
    hostile.
    """
    with path.open("rb") as file:
        magic = file.read(6)
    opener = next((opener for start, opener in _OPENERS.items() if magic.startswith(start)), open)
    limits = _Limits(path)
    with _named(path):
        yield from (
            _zip(path, limits)
            if magic.startswith(b"PK")
            else _tar(path, opener(path, "rb"), limits)
        )


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Whatever the libraries make of a damaged archive becomes one error that names it.

    They raise what they happen to meet: besides their own errors ValueError, struct.error,
    KeyError, RecursionError.
    """
    try:
        yield
    except RecurrenceError:
        raise
    except Exception as error:
        raise RecurrenceError(
            f"{path.name}: not a whole archive ({in_brief(error)}); fetch it again"
        ) from error


def _reader(path: Path, read: Callable[[], bytes]) -> Callable[[], bytes]:
    def content() -> bytes:
        with _named(path):
            return read()

    return content


class _Limits:
    """Counts what an archive claims and what it gives; raises RecurrenceError before it becomes too
    much.
    """

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.most = min(MAX_BYTES, MAX_RATIO * path.stat().st_size + FREE_BYTES)
        self.members = 0
        self.claimed = 0

    def admit(self, name: str, size: int, ordinary: bool) -> str:
        """The member's plain name, if it may be read."""
        path = PurePosixPath(name.replace("\\", "/"))
        if not ordinary:
            self.refuse(f"{_short(name)} is a link, a device or sparse")
        if path.is_absolute() or ".." in path.parts or re.match("[A-Za-z]:", name):
            self.refuse(f"{_short(name)} leads out of its folder")
        if size < 0:
            self.refuse(f"{_short(name)} has {size} bytes")
        self.members += 1
        self.claimed += size
        if self.members > MAX_MEMBERS:
            self.refuse(f"it has more than {MAX_MEMBERS:,} members")
        self.bound(self.claimed)
        return str(path)

    def bound(self, size: int) -> None:
        """Go on only if so many unpacked bytes are allowed."""
        if size > self.most:
            self.refuse(f"it unpacks to more than {self.most:,} bytes")

    def refuse(self, reason: str) -> NoReturn:
        """The whole archive, for this reason."""
        raise RecurrenceError(
            f"{self.name}: refused, because {reason}; pack the texts anew, as plain files"
        )


class _Bounded(io.RawIOBase):
    """A stream that ends with an error before it yields more than the limits allow."""

    def __init__(self, stream: IO[bytes], limits: _Limits) -> None:
        self.stream = stream
        self.limits = limits
        self.size = 0
        self.next_member = 0
        """Where the head of the next member begins, as far as is known."""

    def read(self, size: int = -1) -> bytes:
        content = self.stream.read(size)
        self.size += len(content)
        self.limits.bound(self.size)
        if self.size > self.next_member + HEAD_BYTES + tarfile.RECORDSIZE:
            self.limits.refuse(f"it says more than {HEAD_BYTES:,} bytes of one member")
        return content


def _short(name: str) -> str:
    return repr(name) if len(name) <= 100 else f"{name[:100]!r}..."


def _zip(path: Path, limits: _Limits) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            name = limits.admit(
                info.filename, info.file_size, kind in (0, stat.S_IFREG, stat.S_IFDIR)
            )
            if info.flag_bits & 1:
                raise RecurrenceError(
                    f"{path.name}: {_short(name)} is encrypted; pack it without a password"
                )
            if not info.is_dir():
                yield name, _reader(path, partial(archive.read, info))


def _tar(path: Path, stream: IO[bytes], limits: _Limits) -> Iterator[Member]:
    bounded = _Bounded(stream, limits)
    with stream, tarfile.open(fileobj=bounded, mode="r|") as archive:
        while (member := archive.next()) is not None:
            plain = member.isdir() or (member.isreg() and not member.issparse())
            name = limits.admit(member.name, member.size, plain)
            _filter(member, limits)
            bounded.next_member = archive.offset
            if member.isreg():
                yield name, _reader(path, partial(_content, archive, member))
            archive.members = []  # type: ignore[attr-defined]  # tarfile remembers every member otherwise
        _check_end(archive, bounded)


def _filter(member: tarfile.TarInfo, limits: _Limits) -> None:
    """The standard library's own rules for archives of strangers, beside ours, which are
    stricter.
    """
    try:
        tarfile.data_filter(member, "/of/the/archive")
    except tarfile.FilterError as error:
        limits.refuse(f"{_short(member.name)} is not plain data ({in_brief(error)})")


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    assert file is not None, "only regular files are yielded"
    return file.read()


def _check_end(archive: tarfile.TarFile, bounded: _Bounded) -> None:
    """tarfile takes a damaged header, or no more data, for the end: make sure that only padding is
    left.

    Reading to the end also has the compressed stream's own check sum compared.
    """
    assert archive.fileobj is not None
    bounded.next_member = sys.maxsize  # whatever is left, it is no member
    while rest := archive.fileobj.read(1 << 16):
        if rest.strip(b"\0"):
            raise EOFError("a damaged header")
    if bounded.size < archive.offset or bounded.size % tarfile.BLOCKSIZE:
        raise EOFError("its end is missing")
