"""Bytes of a file from the first place that has them whole: the mirror, then each address in order.

Knows nothing of corpora; what makes a file acceptable is a function that the caller gives.
"""

import hashlib
import http.client
import re
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError
from urllib.parse import quote, unquote, urlsplit
from urllib.request import Request, url2pathname, urlopen

from recurrence.console import progress
from recurrence.errors import RecurrenceError

TIMEOUT_S = 5.0
"""For connecting, and for silence afterwards."""
ATTEMPTS = 3
"""Tries per address in a row without a byte of progress."""
PAUSE_S = 0.5
"""Before the second try; doubles with each further one."""
CHUNK = 1 << 18


class _Refused(Exception):
    """The address will not give the file, however often it is asked."""


class _Broken(Exception):
    """This try failed; another may do better."""


@dataclass(frozen=True)
class Fetcher:
    """Where files may come from, and where unfinished ones wait."""

    root: Path
    """Relative local paths start here."""
    partial: Path
    """Folder of unfinished downloads, taken up again by the next try or run."""
    mirror: str | None = None
    """A folder or base address that is asked first for files that have a public address."""
    pause_s: float = PAUSE_S

    def get(self, addresses: Sequence[str], folder: Path, accept: Callable[[Path, str], None]) -> Path:
        """Put the file into `folder` under the name that its first address ends in, and return its path.

        `accept(path, where)` raises RecurrenceError for a file that is not the right one; such a file is removed and
        the next place tried. When no place is left, raises RecurrenceError with all that was tried.
        """
        target = folder / file_name(addresses[0])
        tried = []
        for place in self._places(addresses):
            try:
                self._bring(place, target)
                accept(target, place)
                return target
            except (_Refused, _Broken, RecurrenceError) as error:
                target.unlink(missing_ok=True)
                reason = str(error).removeprefix(f"{place}: ")
                tried.append(f"  {place}: {reason}")
        raise RecurrenceError(
            f"{target.name}: no place gave the file:\n" + "\n".join(tried) + "\nCheck the addresses and the connection,"
            f" or let RECURRENCE_MIRROR name a folder or base address that has {target.name}"
        )

    def _places(self, addresses: Sequence[str]) -> list[str]:
        if self.mirror is None or local_path(addresses[0]) is not None:
            return list(addresses)
        name = file_name(addresses[0])
        folder = local_path(self.mirror)
        first = f"{self.mirror.rstrip('/')}/{quote(name)}" if folder is None else str(folder / name)
        return [first, *addresses]

    def _bring(self, place: str, target: Path) -> None:
        path = local_path(place)
        if path is None:
            shutil.move(self._download(place), target)
        elif (self.root / path).is_file():
            shutil.copyfile(self.root / path, target)
        else:
            raise _Refused("no such file")

    def _download(self, address: str) -> Path:
        self.partial.mkdir(parents=True, exist_ok=True)
        part = Partial(self.partial / hashlib.sha256(address.encode()).hexdigest())
        failures = 0
        while True:
            before = part.size
            try:
                _transfer(address, part)
                return part.path
            except _Broken:
                failures = 1 if part.size > before else failures + 1
                if failures == ATTEMPTS:
                    raise
                time.sleep(self.pause_s * 2 ** (failures - 1))


@dataclass(frozen=True)
class Partial:
    """An unfinished download and the version of the file (ETag or date) that it is a beginning of."""

    path: Path

    @property
    def size(self) -> int:
        """Bytes there."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def version(self) -> str:
        """What the server called this version; empty if it did not say, so that nothing can be resumed."""
        note = self.path.with_suffix(".version")
        return note.read_text(encoding="latin-1") if note.exists() and self.size else ""

    def begin(self, version: str) -> BinaryIO:
        """Start anew with the file's given version."""
        self.path.with_suffix(".version").write_text(version, encoding="latin-1")
        return self.path.open("wb")

    def resume(self) -> BinaryIO:
        """Go on where it ends."""
        return self.path.open("ab")


def file_name(address: str) -> str:
    """The last component of an address or path; raises RecurrenceError where that is no file name."""
    name = Path(address).name if local_path(address) is not None else unquote(urlsplit(address).path).rsplit("/", 1)[-1]
    if name in ("", ".", "..") or "\\" in name or "\0" in name:
        raise RecurrenceError(f"{address}: must end in the name of a file")
    return name


def local_path(address: str) -> Path | None:
    """The path that an address without a scheme, or with file:, means; None for http(s), RecurrenceError for others."""
    scheme = urlsplit(address).scheme.lower()
    if scheme in ("http", "https"):
        return None
    if scheme == "file":
        return Path(url2pathname(urlsplit(address).path))
    if "://" in address:
        raise RecurrenceError(f"{address}: must be a path, or an address with http:, https: or file:")
    return Path(address).expanduser()


def _transfer(address: str, part: Partial) -> None:
    offset = part.size if part.version else 0
    headers = {"User-Agent": "recurrence", "Accept-Encoding": "identity"}
    if offset:
        headers |= {"Range": f"bytes={offset}-", "If-Range": part.version}
    try:
        response = urlopen(Request(address, headers=headers), timeout=TIMEOUT_S)
    except HTTPError as error:
        error.close()
        if error.code == 416:
            part.path.unlink()
        if error.code in (408, 416, 429) or error.code >= 500:
            raise _Broken(f"the server answered {error.code} {error.reason}") from error
        raise _Refused(f"the server answered {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(f"cannot be reached ({_reason(error)})") from error
    with response:
        if response.status == 206 and _starts_at(response, offset):
            _receive(response, part.resume(), offset, address)
        elif response.status == 200:
            _receive(response, part.begin(_version(response)), 0, address)
        else:
            part.path.unlink(missing_ok=True)
            raise _Broken(f"the server answered {response.status} with another range than the one asked for")


def _receive(response: http.client.HTTPResponse, file: BinaryIO, offset: int, address: str) -> None:
    length = response.length
    total = None if length is None else offset + length
    with file, progress(f"download {file_name(address)}", total and total / 1e6, "MB") as advance:
        advance(offset / 1e6)
        while chunk := _read(response):
            file.write(chunk)
            advance(len(chunk) / 1e6)
        if total is not None and file.tell() < total:
            raise _Broken(f"the connection ended after {file.tell():,} of {total:,} bytes")


def _read(response: http.client.HTTPResponse) -> bytes:
    try:
        return response.read1(CHUNK)
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(f"the connection broke ({_reason(error)})") from error


def _starts_at(response: http.client.HTTPResponse, offset: int) -> bool:
    given = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return given is not None and int(given.group(1)) == offset


def _version(response: http.client.HTTPResponse) -> str:
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", "") or error or type(error).__name__)
