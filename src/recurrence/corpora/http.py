"""Download over HTTP that goes on where it was broken off, also in a later run."""

import hashlib
import re
import time
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import BinaryIO
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from recurrence.console import progress

TIMEOUT_S = 5.0
"""For connecting, and for silence afterwards."""
ATTEMPTS = 3
"""Tries in a row that bring nothing new."""
PAUSE_S = 0.5
"""Before the second try; twice as long before each further one."""
CHUNK_BYTES = 1 << 18


class Unreachable(Exception):
    """A place does not give the file; the message says why."""


class _Broken(Unreachable):
    """This try failed, the next may do better."""


def download(address: str, title: str, folder: Path) -> Path:
    """Fetch an address to a file in `folder` and return its path.

    Raises Unreachable, after retries where they may help.
    What a broken connection leaves stays in `folder`; it is completed only if the server says that it still has the
    same version of the file. Errors of the disk pass through as OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = _Part(folder / hashlib.sha256(address.encode()).hexdigest())
    failures = 0
    while True:
        before = part.size
        try:
            _transfer(address, title, part)
            return part.path
        except _Broken:
            failures = 1 if part.size > before else failures + 1
            if failures == ATTEMPTS:
                raise
            time.sleep(PAUSE_S * 2 ** (failures - 1))


@dataclass(frozen=True)
class _Part:
    """The beginning of a file, and beside it a note of the version that it belongs to."""

    path: Path

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def version(self) -> str:
        """ETag or date; empty where the server gave none, so that there is nothing to go on with."""
        return self._note.read_text(encoding="latin-1") if self._note.exists() and self.size else ""

    def begin(self, version: str) -> BinaryIO:
        file = self.path.open("wb")
        self._note.write_text(version, encoding="latin-1")
        return file

    def resume(self) -> BinaryIO:
        return self.path.open("ab")

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)

    @property
    def _note(self) -> Path:
        return self.path.with_suffix(".version")


def _transfer(address: str, title: str, part: _Part) -> None:
    offset = part.size if part.version else 0
    with _ask(address, part, offset) as response:
        if response.status == 206 and _range_start(response) == offset:
            file = part.resume()
        elif response.status == 200:
            offset, file = 0, part.begin(_version(response))
        else:
            part.forget()
            raise _Broken(
                f"the server answered {response.status}, but not with the bytes from {offset:,}"
            )
        total = None if response.length is None else offset + response.length
        with file, progress(f"download {title}", total and total / 1e6, "MB") as advance:
            advance(offset / 1e6)
            while chunk := _read(response):
                file.write(chunk)
                advance(len(chunk) / 1e6)
    if total is not None and part.size < total:
        raise _Broken(f"the connection ended after {part.size:,} of {total:,} bytes")


def _ask(address: str, part: _Part, offset: int) -> HTTPResponse:
    headers = {"User-Agent": "recurrence", "Accept-Encoding": "identity"}
    if offset:
        headers |= {"Range": f"bytes={offset}-", "If-Range": part.version}
    try:
        response: HTTPResponse = urlopen(Request(address, headers=headers), timeout=TIMEOUT_S)
        return response
    except HTTPError as error:
        error.close()
        if error.code == 416:
            part.forget()
        passing = error.code in (408, 416, 429) or error.code >= 500
        raise (_Broken if passing else Unreachable)(
            f"the server answered {error.code} {error.reason}"
        ) from error
    except (OSError, HTTPException) as error:
        raise _Broken(f"cannot be reached ({_reason(error)})") from error


def _read(response: HTTPResponse) -> bytes:
    try:
        return response.read1(CHUNK_BYTES)
    except (OSError, HTTPException) as error:
        raise _Broken(f"the connection broke ({_reason(error)})") from error


def _range_start(response: HTTPResponse) -> int | None:
    given = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(given.group(1)) if given else None


def _version(response: HTTPResponse) -> str:
    tag = response.headers.get("ETag", "")
    return tag if tag.startswith('"') else response.headers.get("Last-Modified", "")


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", "") or error or type(error).__name__)
