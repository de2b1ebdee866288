"""Addresses as people and servers may write them: followed, or refused in words that show no
password.
"""

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fuzzing import few, many, refused_or_done
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from recurrence.corpora import http
from recurrence.corpora.addresses import shown
from recurrence.corpora.fetch import Fetcher
from recurrence.corpora.http import Unreachable

SECRET = "s3cr3t"
PIECES = [
    *(
        "http:",
        "https:",
        "file:",
        "ftp:",
        "HTTP:",
        "//",
        "/",
        "\\",
        "[",
        "]",
        "::1",
        ":",
        "@",
        "?",
        "#",
        "%",
    ),
    *(
        "%00",
        "%2e%2e",
        "..",
        "~",
        "~root",
        "\0",
        " ",
        "\n",
        "\x1b",
        "é",
        "\u2028",
        "\ud800",
        "a" * 300,
    ),
    *(
        "127.0.0.1",
        "0x7f.1",
        "example.invalid",
        "a" * 64 + ".org",
        "xn--",
        "xn--a.org",
        "b.txt",
        "80",
        "99999",
    ),
    *("user:", SECRET, "key=", "&", "-1", "１", "%zz", "/dev/zero", "."),
]
addresses = st.lists(st.sampled_from(PIECES), min_size=1, max_size=9).map("".join)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are looked up as ever, up to the question itself; nothing is connected to."""

    def lookup(host: Any, *_: Any, **__: Any) -> Any:
        if isinstance(host, str):
            host.encode("idna")
        raise socket.gaierror(socket.EAI_NONAME, "not known")

    def refused(*_: Any) -> Any:
        raise OSError("no network here")

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    monkeypatch.setattr(http._Guard, "socket", refused)
    monkeypatch.setattr(http, "PAUSE_S", 0.0)


def follow(folder: Path, address: str) -> None:
    """As the stage `download` does it, with the address as a corpus's own, as a mirror, and as a
    redirect.
    """
    (folder / "out").mkdir(exist_ok=True)
    fetch = Fetcher(folder, folder / "partial", address)
    refused_or_done(lambda: Fetcher(folder, folder).get([address], folder / "out", anything))
    refused_or_done(lambda: fetch.get(["http://127.0.0.1/b.txt"], folder / "out", anything))
    answer: Any = SimpleNamespace(url=URL("http://example.org/a"), headers={"Location": address})
    try:
        http._target(answer)
    except Unreachable:
        return


def anything(path: Path, where: str) -> None:
    """Accept whatever came."""


@few
@given(address=addresses)
@pytest.mark.usefixtures("no_network")
def test_an_address_is_followed_or_refused(tmp_path: Path, address: str) -> None:
    follow(tmp_path, address)


@pytest.mark.nightly
@many
@given(address=addresses)
@pytest.mark.usefixtures("no_network")
def test_an_address_is_followed_or_refused_for_minutes(tmp_path: Path, address: str) -> None:
    follow(tmp_path, address)


logins = st.text(st.sampled_from("ab:@/?#%[]. "), max_size=6)


def no_password_in(before: str, after: str, rest: str) -> None:
    address = f"https://user:{before}{SECRET}{after}@example.org/{rest}"
    assert SECRET not in shown(address), address


@few
@given(logins, logins, st.sampled_from(["", "b.txt", "b@1.txt", "b.txt?x=1#y"]))
def test_no_password_is_shown(before: str, after: str, rest: str) -> None:
    no_password_in(before, after, rest)


@pytest.mark.nightly
@many
@given(logins, logins, st.sampled_from(["", "b.txt", "b@1.txt", "b.txt?x=1#y"]))
def test_no_password_is_shown_for_minutes(before: str, after: str, rest: str) -> None:
    no_password_in(before, after, rest)
