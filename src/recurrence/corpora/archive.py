"""A corpus that is an archive of text files: .zip, or .tar as it is or compressed by gzip, bzip2 or xz.

An archive comes from outside: it is never unpacked to disk, but read member by member within limits, and one that holds
a link, a device or a name that leads out of its folder is refused as a whole.
"""

import bz2
import gzip
import lzma
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import IO, Any

from recurrence.console import progress
from recurrence.corpora.digests import check_bytes, check_file
from recurrence.corpora.fetch import Fetcher, file_name
from recurrence.corpora.text import decode
from recurrence.errors import RecurrenceError
from recurrence.params import Source

MAX_MEMBERS = 1_000_000
MAX_BYTES = 16 << 30
MAX_RATIO = 200
"""Unpacked to packed size; text reaches 5, and a very monotonous one 20."""
WILD = re.compile(r"[*?\[]")
OPENERS: dict[bytes, Callable[..., IO[bytes]]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ": lzma.open}

Member = tuple[str, Callable[[], bytes]]
"""Name, and a way to read the content that holds until the next member is asked for."""


def obtain(source: Source, folder: Path, fetcher: Fetcher) -> None:
    """Fetch the archive; its digest, or those of the members that have one, must be right."""

    def accept(path: Path, where: str) -> None:
        check_file(path, source.digests, where)
        if source.member_digests:
            _check_members(path, source.member_digests)

    fetcher.get(source.addresses, folder, accept)


def read(source: Source, folder: Path) -> dict[str, str]:
    """The parts, each from the members that its pattern matches.

    A pattern without wildcards names a file, taken as it is. One with wildcards names documents: each becomes one line
    (newlines and `<br />` turn into spaces), ordered by the number in the file's name, then by folder, so that any
    beginning mixes the folders evenly.
    """
    path = folder / file_name(source.addresses[0])
    found: dict[str, list[tuple[str, str]]] = {part: [] for part in source.members}
    for name, content in members(path):
        for part, pattern in source.members.items():
            if fnmatchcase(name, pattern):
                found[part].append((name, decode(content(), source.encoding, f"{path.name}: {name}")))
    for part, pattern in source.members.items():
        if not found[part]:
            raise RecurrenceError(f"{path.name}: no member matches members.{part}: {pattern!r}")
    return {part: _joined(found[part], source.members[part]) for part in source.members}  # type: ignore[index]


def members(path: Path) -> Iterator[Member]:
    """Every regular file of an archive in its order; raises RecurrenceError for one that is broken or hostile."""
    with path.open("rb") as file:
        magic = file.read(6)
    walk = _zip_members if magic.startswith(b"PK\x03\x04") else _tar_members
    try:
        yield from walk(path)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise RecurrenceError(f"{path.name}: broken or cut short ({error}); fetch it again") from error


def _joined(documents: list[tuple[str, str]], pattern: str) -> str:
    if not WILD.search(pattern):
        return documents[0][1]
    lines = (" ".join(text.replace("<br />", " ").split("\n")).strip() for _, text in sorted(documents, key=_order))
    return "".join(f"{line}\n" for line in lines)


def _order(document: tuple[str, str]) -> tuple[int, str, str]:
    path = PurePosixPath(document[0])
    number = re.match(r"\d+", path.name)
    return int(number.group()) if number else -1, str(path.parent), path.name


def _check_members(path: Path, digests: dict[str, str]) -> None:
    missing = dict(digests)
    for name, content in members(path):
        if name in missing:
            check_bytes(content(), [missing.pop(name)], f"{path.name}: {name}")
    if missing:
        raise RecurrenceError(f"{path.name}: must have the members {', '.join(missing)}")


class _Limits:
    """Counts what an archive claims and gives; raises RecurrenceError before it becomes too much."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.members = 0
        self.size = 0
        self.most = min(MAX_BYTES, MAX_RATIO * path.stat().st_size + (1 << 20))

    def admit(self, name: str, size: int, ordinary: bool) -> None:
        self.members += 1
        self.size += size
        parts = PurePosixPath(name.replace("\\", "/"))
        if not ordinary:
            raise RecurrenceError(f"{self.path.name}: {name!r} is a link or device; such an archive is not read")
        if parts.is_absolute() or ".." in parts.parts or re.match("[A-Za-z]:", name):
            raise RecurrenceError(f"{self.path.name}: {name!r} leads out of its folder; such an archive is not read")
        self.bound(self.size)
        if self.members > MAX_MEMBERS:
            raise RecurrenceError(f"{self.path.name}: has more than {MAX_MEMBERS:,} members; not read further")

    def bound(self, size: int) -> None:
        if size > self.most:
            raise RecurrenceError(
                f"{self.path.name}: unpacks to more than {self.most:,} bytes ({MAX_RATIO} times its size, at most "
                f"{MAX_BYTES:,}); not read further"
            )


def _zip_members(path: Path) -> Iterator[Member]:
    limits = _Limits(path)
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            limits.admit(info.filename, info.file_size, kind in (0, stat.S_IFREG, stat.S_IFDIR))
            if info.flag_bits & 1:
                raise RecurrenceError(f"{path.name}: {info.filename!r} is encrypted; pack it without a password")
            if not info.is_dir():
                yield info.filename, lambda info=info: archive.read(info)  # type: ignore[misc]


class _Bounded:
    """A compressed stream that stops before it yields more than the limits allow."""

    def __init__(self, stream: IO[bytes], limits: _Limits) -> None:
        self.stream = stream
        self.limits = limits
        self.size = 0

    def read(self, size: int) -> bytes:
        content = self.stream.read(size)
        self.size += len(content)
        self.limits.bound(self.size)
        return content


def _tar_members(path: Path) -> Iterator[Member]:
    limits = _Limits(path)
    with path.open("rb") as file:
        magic = file.read(6)
    opener: Callable[..., Any] = next((o for start, o in OPENERS.items() if magic.startswith(start)), open)
    with opener(path, "rb") as stream:
        bounded = _Bounded(stream, limits)
        with tarfile.open(fileobj=bounded, mode="r|") as archive, progress(f"read {path.name}", None, "files") as step:
            for member in archive:
                step(1)
                limits.admit(member.name, member.size, (member.isreg() and not member.issparse()) or member.isdir())
                if member.isreg():
                    yield member.name, lambda member=member: archive.extractfile(member).read()  # type: ignore
                archive.members = []  # else tarfile keeps a record of every member
            if bounded.size < archive.offset:
                raise EOFError("its last member is not whole")
