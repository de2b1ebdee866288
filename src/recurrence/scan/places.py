"""Files, folders and standard input as streams of bytes, whatever they are packed in; and how much
of them was read.
"""

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from recurrence.errors import RecurrenceError
from recurrence.scan.encodings import SNIFFED
from recurrence.scan.skips import Skips

PACKED = (".gz", ".zst")
_GZIP, _ZSTANDARD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
BROKEN = (OSError, EOFError, zlib.error)
"""What reading a file may end in."""
Readable = BinaryIO | io.IOBase
"""What bytes come from: a file, standard input, bytes in memory."""


class Counted(io.RawIOBase):
    """A stream that counts the bytes taken from it."""

    def __init__(self, file: Readable) -> None:
        self.taken = 0
        source: Any = file
        # of a pipe, what is there now
        self._read_into = getattr(source, "readinto1", None) or source.readinto

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        size = self._read_into(buffer) or 0
        self.taken += size
        return size


def walk(place: str, skips: Skips | None = None) -> Iterator[Path]:
    """The file itself, or those of a folder in order; what is hidden or no file is left out, and
    said.
    """
    skips = skips or Skips()
    folder = Path(place)
    if not folder.is_dir():
        yield folder
        return
    try:
        inside = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        skips.skip("file", unreadable(place, error))
        return
    for entry in inside:
        if entry.name.startswith("."):
            skips.leave(entry.path, "hidden")
        elif entry.is_dir():
            if entry.is_symlink():  # it may lead back here
                skips.leave(entry.path, "a link to a folder")
            else:
                yield from walk(entry.path, skips)
        elif entry.is_file():
            yield Path(entry.path)
        else:
            skips.leave(entry.path, "no regular file")


def suffix_of(place: str) -> str:
    """What a file is by its name: the suffix, in small letters, without that of what it is packed
    in.
    """
    path = Path(place)
    if path.suffix.lower() in PACKED:
        path = path.with_suffix("")
    return path.suffix.lower()


def unpacked(file: Counted, place: str) -> io.BufferedReader:
    """The stream of what is packed in gzip or Zstandard, by its first bytes; else the stream
    itself.
    """
    stream: io.BufferedReader = io.BufferedReader(file, SNIFFED)
    head = stream.peek(4)[:4]
    if head.startswith(_GZIP):
        unzipped: Any = gzip.GzipFile(fileobj=stream)
        return io.BufferedReader(unzipped, SNIFFED)
    if head.startswith(_ZSTANDARD):
        unzipped = Counted(_zstandard(stream, place))
        return io.BufferedReader(unzipped, SNIFFED)
    return stream


def _zstandard(stream: BinaryIO, place: str) -> Any:
    try:
        import zstandard
    except ImportError as error:
        raise RecurrenceError(
            f"{place}: Zstandard files need zstandard: pip install 'recurrence-lab[files]'"
        ) from error
    return _Unpacking(
        zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True), zstandard
    )


class _Unpacking:
    """A reader of Zstandard whose errors are those of any file."""

    def __init__(self, reader: Any, zstandard: Any) -> None:
        self._reader, self._error = reader, zstandard.ZstdError

    def readinto(self, buffer: Any, /) -> int:
        try:
            size: int = self._reader.readinto(buffer)
        except self._error as error:
            raise OSError(None, f"broken Zstandard: {error}") from error
        return size


def unreadable(place: object, error: Exception) -> RecurrenceError:
    """In words that a file cannot be read, or not to its end."""
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return RecurrenceError(f"{place}: cannot be read ({reason})")
