"""Downloads go on where they were broken off, against a server on loopback that misbehaves on
request.
"""

import errno
import itertools
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from recurrence.corpora import http
from recurrence.corpora.http import Unreachable, download

CONTENT = bytes(range(256)) * 40
MOST = 1 << 20


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
    careless: bool = False
    """Gives ranges of whatever it has now."""
    lie: int = 0
    """Shift of the range given against the one asked for."""
    redirects: list[str] = field(default_factory=list)
    """Places to send on to, one per request, before any content."""
    body: Iterable[bytes] | None = None
    """What to send instead of the content, without saying how much it is."""
    reason: str | None = None
    asked: list[str | None] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    site: Site

    def do_GET(self) -> None:
        site = self.site
        wanted = self.headers.get("Range")
        site.asked.append(wanted)
        if site.statuses:
            self.send_error(site.statuses.pop(0), site.reason)
            return
        if site.redirects:
            self.send_response(302)
            self.send_header("Location", site.redirects.pop(0))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if site.body is not None:
            self.send_response(200)
            self.end_headers()
            with suppress(OSError):  # nobody listens any more
                for piece in site.body:
                    self.wfile.write(piece)
            return
        start = 0
        if wanted and site.ranges and (site.careless or self.headers["If-Range"] == site.version):
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


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "PAUSE_S", 0.0)
    monkeypatch.setattr(http, "LEAST_BYTES", 100)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def served(host: str) -> Iterator[Site]:
    site = Site()
    with ThreadingHTTPServer((host, 0), type("Mine", (Handler,), {"site": site})) as server:
        site.address = f"http://{host}:{server.server_port}/book.txt"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield site
        server.shutdown()
        thread.join()


@pytest.fixture
def site() -> Iterator[Site]:
    with served("127.0.0.1") as site:
        yield site


@pytest.fixture
def inside() -> Iterator[Site]:
    """A second one, at another address of this machine."""
    with served("127.0.0.2") as site:
        yield site


def get(site: Site, folder: Path) -> bytes:
    return download(site.address, "book.txt", folder, MOST).read_bytes()


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
            download(address, "book.txt", tmp_path, MOST)


def test_silence_is_not_waited_for_long(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(http, "PAUSE_S", 0.0)
    monkeypatch.setattr(http, "SILENCE_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/book.txt"
        with pytest.raises(Unreachable, match="timed out"):
            download(address, "book.txt", tmp_path, MOST)


def test_a_full_disk_is_no_fault_of_the_server(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match="No space left"):
        download(site.address, "book.txt", tmp_path, MOST)
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


# ---------------------------------------------------------------- servers that mean no good


@pytest.mark.parametrize("declared", [True, False])
def test_more_than_it_may_be_is_given_up_and_nothing_of_it_kept(
    site: Site, tmp_path: Path, declared: bool
) -> None:
    if not declared:
        site.body = itertools.repeat(bytes(1000))  # without end
    with pytest.raises(Unreachable, match="larger than 9,000 bytes; .*source.max_bytes"):
        download(site.address, "book.txt", tmp_path, 9000)
    assert len(site.asked) == 1
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".version"]


def test_a_server_that_gives_a_byte_now_and_then_is_given_up(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "WINDOW_S", 0.2)

    def dripping() -> Iterator[bytes]:
        for _ in range(100):
            time.sleep(0.03)
            yield b"x"

    site.body = dripping()
    with pytest.raises(Unreachable, match="too slow: [0-9]+ bytes in 0.2 s"):
        get(site, tmp_path)
    assert len(site.asked) == 1


def test_a_connection_that_breaks_after_every_few_bytes_is_given_up(
    site: Site, tmp_path: Path
) -> None:
    site.drops = [http.LEAST_BYTES - 1] * 1000
    with pytest.raises(Unreachable, match="the connection ended after"):
        get(site, tmp_path)
    assert len(site.asked) == http.ATTEMPTS


def test_an_answer_whose_head_has_no_end_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "ANSWER_S", 0.2)

    def drip(server: socket.socket) -> None:
        for _ in range(http.ATTEMPTS):
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                for _ in range(100):
                    connection.sendall(b"X-More: and more\r\n")
                    time.sleep(0.02)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=drip, args=(server,))
        thread.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/book.txt"
        with pytest.raises(Unreachable, match="timed out"):
            download(address, "book.txt", tmp_path, MOST)
        thread.join()


def test_a_range_of_another_edition_is_not_put_behind_the_first(site: Site, tmp_path: Path) -> None:
    """A server that takes no notice of If-Range, and a file that changes on it."""
    site.drops, site.careless = [3000] + [0] * http.ATTEMPTS, True
    with pytest.raises(Unreachable):
        get(site, tmp_path)
    site.drops, site.content, site.version = [], CONTENT[::-1], '"2"'
    assert get(site, tmp_path) == CONTENT[::-1]


@pytest.mark.parametrize("version", ['W/"1"', "1"])
def test_a_version_that_does_not_stand_for_the_very_bytes_is_not_gone_on_with(
    site: Site, tmp_path: Path, version: str
) -> None:
    site.drops, site.version = [3000], version
    assert get(site, tmp_path) == CONTENT
    assert site.asked == [None, None]


def test_redirects_are_followed_a_few_times(site: Site, tmp_path: Path) -> None:
    site.redirects = [f"{site.address}?{i}" for i in range(http.REDIRECTS)]
    assert get(site, tmp_path) == CONTENT
    site.redirects = [site.address] * 99
    with pytest.raises(Unreachable, match="from place to place, more than 5 times"):
        get(site, tmp_path / "again")


def test_a_public_server_cannot_send_on_to_this_machine(
    site: Site, inside: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "_is_public", lambda host: host == "127.0.0.1")
    site.redirects = [inside.address.replace("://", "://user:secret@")]
    with pytest.raises(Unreachable, match="sends on to http://.*, on this machine") as caught:
        get(site, tmp_path)
    assert "secret" not in str(caught.value)
    assert (len(site.asked), inside.asked) == (1, [])


def test_a_server_of_the_same_network_may_send_on(site: Site, inside: Site, tmp_path: Path) -> None:
    site.redirects = [inside.address]
    assert get(site, tmp_path) == CONTENT


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fe80::1%eth0"]
)
def test_private_addresses(host: str) -> None:
    assert not http._is_public(host)


@pytest.mark.parametrize("host", ["127.1", "0x7f.1", "2130706433", "localhost", ""])
def test_what_is_no_plain_address_is_not_taken_for_a_public_one(host: str) -> None:
    assert not http._is_public(host)


@pytest.mark.parametrize("host", ["93.184.216.34", "2606:2800:220:1::1"])
def test_public_addresses(host: str) -> None:
    assert http._is_public(host)


@pytest.mark.parametrize(
    "place",
    [
        "http://[::1",
        "file:///etc/passwd",
        "ftp://a/b",
        "http://a:b/",
        f"http://{'a' * 300}.org/x",
    ],
)
def test_a_redirect_to_what_is_no_address_is_said(site: Site, tmp_path: Path, place: str) -> None:
    site.redirects = [place] * http.ATTEMPTS
    with pytest.raises(Unreachable):
        get(site, tmp_path)


def test_of_what_a_server_says_little_is_repeated(site: Site, tmp_path: Path) -> None:
    site.statuses, site.reason = [404], "no " * 1000
    with pytest.raises(Unreachable) as caught:
        get(site, tmp_path)
    assert len(str(caught.value)) < 150
