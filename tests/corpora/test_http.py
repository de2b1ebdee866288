"""Downloads go on where they were broken off, against a server on loopback that misbehaves on request."""

import errno
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from recurrence.corpora import http
from recurrence.corpora.http import Unreachable, download

CONTENT = bytes(range(256)) * 40


@dataclass
class Site:
    """One file, what the server does wrong with it, and the ranges it was asked for."""

    address: str = ""
    content: bytes = CONTENT
    version: str | None = '"1"'
    drops: list[int] = field(default_factory=list)
    """Bytes to give before the connection ends, one entry per request."""
    statuses: list[int] = field(default_factory=list)
    """Errors to answer, one per request, before any content."""
    ranges: bool = True
    lie: int = 0
    """Shift of the range given against the one asked for."""
    asked: list[str | None] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        site = self.site
        wanted = self.headers.get("Range")
        site.asked.append(wanted)
        if site.statuses:
            self.send_error(site.statuses.pop(0))
            return
        start = 0
        if wanted and site.ranges and self.headers.get("If-Range") == site.version:
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) + site.lie
            self.send_response(206)
            self.send_header(
                "Content-Range", f"bytes {start}-{len(site.content) - 1}/{len(site.content)}"
            )
        else:
            self.send_response(200)
        if site.version:
            self.send_header("ETag", site.version)
        self.send_header("Content-Length", str(len(site.content) - start))
        self.end_headers()
        self.wfile.write(site.content[start:][: site.drops.pop(0) if site.drops else None])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(http, "PAUSE_S", 0.0)
    monkeypatch.setattr(http, "CHUNK_BYTES", 1000)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    site = Site()
    with ThreadingHTTPServer(("127.0.0.1", 0), type("Mine", (Handler,), {"site": site})) as server:
        site.address = f"http://127.0.0.1:{server.server_port}/book.txt"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield site
        server.shutdown()
        thread.join()


def get(site: Site, folder: Path) -> bytes:
    return download(site.address, "book.txt", folder).read_bytes()


def test_a_file_comes_whole_and_is_announced(
    site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert get(site, tmp_path / "new") == CONTENT
    assert capsys.readouterr().err == "download book.txt: 0.01024 MB in 0:00:00\n"


def test_a_broken_connection_is_taken_up_again(site: Site, tmp_path: Path) -> None:
    site.drops = [3000, 2500]
    assert get(site, tmp_path) == CONTENT
    assert site.asked == [None, "bytes=3000-", "bytes=5500-"]


def test_a_later_run_goes_on_where_an_earlier_one_ended(site: Site, tmp_path: Path) -> None:
    site.drops = [3000] + [0] * http.ATTEMPTS
    with pytest.raises(Unreachable, match="the connection ended after 3,000 of 10,240 bytes"):
        get(site, tmp_path)
    site.drops, site.asked = [], []
    assert get(site, tmp_path) == CONTENT
    assert site.asked == ["bytes=3000-"]


def test_as_long_as_something_comes_it_goes_on(site: Site, tmp_path: Path) -> None:
    site.drops = [100] * 3 * http.ATTEMPTS
    assert get(site, tmp_path) == CONTENT


def test_a_server_without_ranges_starts_anew(site: Site, tmp_path: Path) -> None:
    site.drops, site.ranges = [3000], False
    assert get(site, tmp_path) == CONTENT


def test_a_file_that_changed_meanwhile_is_not_patched_together(site: Site, tmp_path: Path) -> None:
    site.drops = [3000] + [0] * http.ATTEMPTS
    with pytest.raises(Unreachable):
        get(site, tmp_path)
    site.drops, site.content, site.version = [], b"another edition", '"2"'
    assert get(site, tmp_path) == b"another edition"


def test_without_a_version_nothing_is_resumed(site: Site, tmp_path: Path) -> None:
    site.drops, site.version = [3000], None
    assert get(site, tmp_path) == CONTENT
    assert site.asked == [None, None]


def test_another_range_than_the_one_asked_for_is_not_taken(site: Site, tmp_path: Path) -> None:
    site.drops, site.lie = [3000], 7
    assert get(site, tmp_path) == CONTENT
    assert site.asked == [None, "bytes=3000-", None]


def test_a_part_that_is_too_long_starts_anew(site: Site, tmp_path: Path) -> None:
    get(site, tmp_path)
    site.statuses, site.asked = [416], []
    assert get(site, tmp_path) == CONTENT
    assert site.asked == [f"bytes={len(CONTENT)}-", None]


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_error_is_tried_again(site: Site, tmp_path: Path, status: int) -> None:
    site.statuses = [status] * (http.ATTEMPTS - 1)
    assert get(site, tmp_path) == CONTENT


@pytest.mark.parametrize("status", [403, 404])
def test_a_final_answer_is_taken_at_once(site: Site, tmp_path: Path, status: int) -> None:
    site.statuses = [status]
    with pytest.raises(Unreachable, match=f"the server answered {status}"):
        get(site, tmp_path)
    assert len(site.asked) == 1


def test_an_error_that_stays_is_reported_after_the_last_attempt(site: Site, tmp_path: Path) -> None:
    site.statuses = [503] * 10
    with pytest.raises(Unreachable, match="the server answered 503"):
        get(site, tmp_path)
    assert len(site.asked) == http.ATTEMPTS


def test_a_refused_connection_is_reported(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(http, "PAUSE_S", 0.0)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but not listening
        address = f"http://127.0.0.1:{taken.getsockname()[1]}/book.txt"
        with pytest.raises(Unreachable, match="cannot be reached .*refused"):
            download(address, "book.txt", tmp_path)


def test_silence_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(http, "PAUSE_S", 0.0)
    monkeypatch.setattr(http, "TIMEOUT_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/book.txt"
        with pytest.raises(Unreachable, match="timed out"):
            download(address, "book.txt", tmp_path)


def test_a_full_disk_is_no_fault_of_the_server(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match="No space left"):
        download(site.address, "book.txt", tmp_path)
    assert len(site.asked) == 1


def test_each_further_pause_is_twice_as_long(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr(http, "PAUSE_S", 0.5)
    monkeypatch.setattr(http.time, "sleep", pauses.append)
    site.statuses = [500, 500]
    get(site, tmp_path)
    assert pauses == [0.5, 1.0]
