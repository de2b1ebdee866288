"""Download over HTTP that goes on where it was broken off, also in a later run.

aiohttp speaks the protocol, follows proxies and certificates, and refuses addresses that are none.
What it has not, and no library has together, is here: a file is gone on with only where the server
says that it still is the same one (ETag), it may have so many bytes at most, it must come at a
least rate, and a public address may not lead to one of this machine or its private network.
"""

import asyncio
import hashlib
import ipaddress
import os
import re
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from urllib.request import getproxies

import aiohttp
from yarl import URL

from recurrence.console import Advance, progress
from recurrence.corpora.addresses import shown
from recurrence.errors import in_brief

SILENCE_S = 5.0
"""For connecting, and for silence afterwards."""
ANSWER_S = 30.0
"""For the head of an answer, however slowly it comes."""
LEAST_BYTES = 1 << 18
WINDOW_S = 60.0
"""The least rate: so many bytes within so many seconds, else the place is given up. What brings
less is no progress.
"""
ATTEMPTS = 3
"""Tries in a row that bring nothing new."""
PAUSE_S = 0.5
"""Before the second try; twice as long before each further one."""
REDIRECTS = 5
_MOVED = (301, 302, 303, 307, 308)
_PASSING = (408, 416, 429)


class Unreachable(Exception):
    """A place does not give the file; the message says why."""


class _Broken(Unreachable):
    """This try failed, the next may do better."""


def download(address: str, title: str, folder: Path, most_bytes: int) -> Path:
    """Fetch an address to a file in `folder` and return its path.

    Raises Unreachable, after retries where they may help, and at once where the file has more than
    `most_bytes`. What a broken connection leaves stays in `folder`; it is completed only if the
    server says that it still has the same version of the file. Errors of the disk pass through as
    OSError.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = _Part(folder / hashlib.sha256(os.fsencode(address)).hexdigest(), most_bytes)
    failures = 0
    while True:
        before = part.size
        try:
            asyncio.run(_transfer(address, title, part))
            return part.path
        except _Broken:
            failures = 1 if part.size >= before + LEAST_BYTES else failures + 1
            if failures == ATTEMPTS:
                raise
            time.sleep(PAUSE_S * 2 ** (failures - 1))


@dataclass(frozen=True)
class _Part:
    """The beginning of a file, and beside it a note of the version that it belongs to."""

    path: Path
    most_bytes: int

    @property
    def size(self) -> int:
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def version(self) -> str:
        """The ETag; empty where the server gave none, so that there is nothing to go on with."""
        return self._note.read_text(encoding="utf-8") if self._note.exists() and self.size else ""

    def begin(self, version: str) -> BinaryIO:
        file = self.path.open("wb")
        self._note.write_text(version, encoding="utf-8")
        return file

    def resume(self) -> BinaryIO:
        return self.path.open("ab")

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)

    def bound(self, size: int) -> None:
        """Raise Unreachable, and keep nothing, where the file is larger than it may be."""
        if size > self.most_bytes:
            self.forget()
            raise Unreachable(
                f"larger than {self.most_bytes:,} bytes; if it is meant to be, say so: "
                f"source.max_bytes"
            )

    @property
    def _note(self) -> Path:
        return self.path.with_suffix(".version")


async def _transfer(address: str, title: str, part: _Part) -> None:
    offset = part.size if part.version else 0
    async with _answer(address, part, offset) as answer:
        total = _total(answer, offset)
        part.bound(total or 0)
        if answer.status == 206 and _goes_on(answer, part, offset):
            file = part.resume()
        elif answer.status == 200:
            offset, file = 0, part.begin(_version(answer))
        else:
            part.forget()
            raise _Broken(
                f"the server answered {answer.status}, but not with the same file from byte "
                f"{offset:,}"
            )
        with file, progress(f"download {title}", total and total / 1e6, "MB") as advance:
            advance(offset / 1e6)
            whole = await _write(answer, file, part, advance)
    if not whole or part.size != (total or part.size):
        of = "" if total is None else f" of {total:,}"
        raise _Broken(f"the connection ended after {part.size:,}{of} bytes")


async def _write(
    answer: aiohttp.ClientResponse, file: BinaryIO, part: _Part, advance: Advance
) -> bool:
    """Write what comes, as long as it comes fast enough and is not too much; whether it came to its
    proper end.
    """
    while not answer.content.at_eof():
        came = 0
        try:
            async with asyncio.timeout(WINDOW_S):
                while came < LEAST_BYTES and (chunk := await _read(answer)):
                    came += len(chunk)
                    part.bound(file.tell() + len(chunk))
                    file.write(chunk)
                    advance(len(chunk) / 1e6)
        except aiohttp.ClientPayloadError:
            return False
        except TimeoutError as error:
            raise Unreachable(
                f"too slow: {came:,} bytes in {WINDOW_S:g} s; try again later, or get it by hand"
            ) from error
    return True


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    try:
        return await answer.content.readany()
    except aiohttp.ClientPayloadError:
        raise
    except (aiohttp.ClientError, OSError) as error:
        raise _Broken(f"the connection broke ({_reason(error)})") from error


# ---------------------------------------------------------------- asking


@asynccontextmanager
async def _answer(address: str, part: _Part, offset: int) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer that has the file, after redirects; raises Unreachable or _Broken for any
    other.
    """
    headers = {"User-Agent": "recurrence", "Accept-Encoding": "identity"}
    if offset:
        headers |= {"Range": f"bytes={offset}-", "If-Range": part.version}
    guard = _Guard()
    async with aiohttp.ClientSession(
        headers=headers,
        auto_decompress=False,
        connector=aiohttp.TCPConnector(socket_factory=guard.socket),
        timeout=aiohttp.ClientTimeout(None, sock_connect=SILENCE_S, sock_read=SILENCE_S),
        trust_env=True,
    ) as session:
        url = address
        for _ in range(REDIRECTS + 1):
            async with await _ask(session, url, guard) as answer:
                if answer.status not in _MOVED:
                    _check_status(answer, part)
                    yield answer
                    return
                url = _target(answer)
                guard.redirected = True
        raise Unreachable(f"the server sends on from place to place, more than {REDIRECTS} times")


async def _ask(session: aiohttp.ClientSession, url: str, guard: "_Guard") -> aiohttp.ClientResponse:
    try:
        async with asyncio.timeout(ANSWER_S):
            return await session.get(url, allow_redirects=False)
    except aiohttp.InvalidURL as error:
        raise Unreachable(f"{shown(url)} is no address") from error
    except TimeoutError as error:
        raise _Broken("cannot be reached (timed out)") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:
        if guard.refused:
            raise Unreachable(
                f"the server sends on to {shown(url)}, on this machine or its private network; "
                "name that address itself if it is meant"
            ) from error
        raise _Broken(f"cannot be reached ({_reason(error)})") from error


@dataclass
class _Guard:
    """Sees to it that a redirect does not lead from a public address to a private one.

    Asked for every connection, with the address that is really spoken to, so that no spelling of it
    and no name server that changes its mind gets past. Behind a proxy, which connects in our place,
    that is the proxy's to see to.
    """

    redirected: bool = False
    public: bool = False
    refused: bool = False
    by_proxy: bool = field(default_factory=lambda: bool(getproxies().keys() & {"http", "https"}))

    def socket(self, about: Any) -> socket.socket:
        family, kind, protocol, _, where = about
        is_public = _is_public(where[0])
        if not self.redirected:
            self.public = self.public or is_public
        elif self.public and not is_public and not self.by_proxy:
            self.refused = True
            raise OSError("a private address")
        return socket.socket(family, kind, protocol)


def _is_public(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_global
    except ValueError:
        return False


# ---------------------------------------------------------------- what an answer says


def _check_status(answer: aiohttp.ClientResponse, part: _Part) -> None:
    if answer.status < 400:
        return
    if answer.status == 416:
        part.forget()
    passing = answer.status in _PASSING or answer.status >= 500
    said = f"the server answered {answer.status} {(answer.reason or '')[:60]}".rstrip()
    raise (_Broken if passing else Unreachable)(said)


def _target(answer: aiohttp.ClientResponse) -> str:
    """Where a redirect leads."""
    place = answer.headers.get("Location", "")
    try:
        url = answer.url.join(URL(place))
    except ValueError as error:
        raise Unreachable(
            f"the server sends on to {shown(place)!r}, which is no address"
        ) from error
    if url.scheme not in ("http", "https") or not url.raw_host:
        raise Unreachable(f"the server sends on to {shown(str(url))!r}; http: or https: it must be")
    return str(url)


def _total(answer: aiohttp.ClientResponse, offset: int) -> int | None:
    """How large the whole file is, if the server says so."""
    if answer.content_length is None:
        return None
    return answer.content_length + (offset if answer.status == 206 else 0)


def _goes_on(answer: aiohttp.ClientResponse, part: _Part, offset: int) -> bool:
    """Whether this is what is missing of the same file; a server may well answer with a range of
    another one.
    """
    given = re.match(r"bytes ([0-9]{1,18})-", answer.headers.get("Content-Range", ""))
    return given is not None and int(given[1]) == offset and _version(answer) == part.version


def _version(answer: aiohttp.ClientResponse) -> str:
    """The ETag where it stands for these very bytes. A date does not: a file may change twice in a
    second.
    """
    tag = answer.headers.get("ETag", "")
    return tag if tag.startswith('"') and tag.isascii() else ""


def _reason(error: Exception) -> str:
    """In words that do not repeat the address, which may hold a password."""
    if isinstance(error, aiohttp.ClientConnectorError):
        code = error.os_error.errno
        return os.strerror(code) if code and code > 0 else in_brief(error.os_error)
    if isinstance(error, aiohttp.ClientResponseError):
        return in_brief(ValueError(error.message))
    return in_brief(error)
