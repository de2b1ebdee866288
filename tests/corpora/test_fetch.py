"""A file comes from the first place that has it right; what was wrong with the others is said."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from recurrence.corpora import http
from recurrence.corpora.addresses import file_name, local_path, shown
from recurrence.corpora.digests import check_bytes, check_file
from recurrence.corpora.fetch import Fetcher
from recurrence.corpora.http import Unreachable
from recurrence.errors import RecurrenceError

PUBLIC = "https://example.org/texts/book.txt"
SECOND = "https://example.net/copy-of-book"


def anything(path: Path, where: str) -> None:
    """Accept whatever came."""


def only(content: bytes) -> Callable[[Path, str], None]:
    return lambda path, where: check_file(
        path, [f"sha256:{hashlib.sha256(content).hexdigest()}"], where
    )


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Addresses and what they give; all others refuse."""
    pages: dict[str, bytes] = {}

    def download(address: str, title: str, folder: Path, most_bytes: int) -> Path:
        if address not in pages:
            raise Unreachable("the server answered 404 Not Found")
        (folder / "part").write_bytes(pages[address])
        return folder / "part"

    monkeypatch.setattr(http, "download", download)
    return pages


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "out").mkdir()
    return tmp_path / "out"


def test_the_public_address_is_used_where_there_is_no_mirror(
    web: dict[str, bytes], folder: Path
) -> None:
    web[PUBLIC] = b"public"
    assert (
        Fetcher(folder.parent, folder.parent).get([PUBLIC, SECOND], folder, anything)
        == folder / "book.txt"
    )
    assert (folder / "book.txt").read_bytes() == b"public"


@pytest.mark.parametrize("kind", ["folder", "relative", "file", "base address"])
def test_the_mirror_comes_first(web: dict[str, bytes], folder: Path, kind: str) -> None:
    root = folder.parent
    (root / "mirror").mkdir()
    (root / "mirror/book.txt").write_bytes(b"mirrored")
    web |= {PUBLIC: b"public", "http://127.0.0.1/m/book.txt": b"mirrored"}
    mirrors = {
        "folder": str(root / "mirror"),
        "relative": "mirror",
        "file": (root / "mirror").as_uri(),
        "base address": "http://127.0.0.1/m/",
    }
    Fetcher(root, root, mirrors[kind]).get([PUBLIC], folder, anything)
    assert (folder / "book.txt").read_bytes() == b"mirrored"


def test_a_mirror_without_the_file_is_passed_over(web: dict[str, bytes], folder: Path) -> None:
    web[PUBLIC] = b"public"
    Fetcher(folder.parent, folder.parent, "/nowhere").get([PUBLIC], folder, anything)
    assert (folder / "book.txt").read_bytes() == b"public"


def test_a_mirror_of_another_kind_is_named_and_passed_over(
    web: dict[str, bytes], folder: Path
) -> None:
    with pytest.raises(
        RecurrenceError,
        match="\n  ftp://m/book.txt: must be a path, or an address with http:.*\n  https",
    ):
        Fetcher(folder.parent, folder.parent, "ftp://m/").get([PUBLIC], folder, anything)


def test_the_mirror_is_not_asked_for_a_file_of_ones_own(folder: Path) -> None:
    """A mirror may well have another file of the same name."""
    root = folder.parent
    for name in ("mirror", "mine"):
        (root / name).mkdir()
        (root / name / "book.txt").write_text(name)
    Fetcher(root, root, str(root / "mirror")).get(["mine/book.txt"], folder, anything)
    assert (folder / "book.txt").read_text() == "mine"


def test_further_addresses_follow_in_order_under_the_first_name(
    web: dict[str, bytes], folder: Path
) -> None:
    web[SECOND] = b"second"
    Fetcher(folder.parent, folder.parent).get([PUBLIC, SECOND], folder, anything)
    assert [p.name for p in folder.iterdir()] == ["book.txt"]


def test_a_file_with_a_wrong_digest_gives_way_to_the_next(
    web: dict[str, bytes], folder: Path
) -> None:
    web |= {PUBLIC: b"bad", SECOND: b"good"}
    Fetcher(folder.parent, folder.parent).get([PUBLIC, SECOND], folder, only(b"good"))
    assert (folder / "book.txt").read_bytes() == b"good"


def test_in_the_end_all_that_was_tried_is_told_and_nothing_is_left(
    web: dict[str, bytes], folder: Path
) -> None:
    web[PUBLIC] = b"bad"
    with pytest.raises(RecurrenceError) as caught:
        Fetcher(folder.parent, folder.parent, "/nowhere").get(
            [PUBLIC, SECOND], folder, only(b"good")
        )
    assert str(caught.value).split("\n") == [
        "no place gives a good book.txt:",
        "  /nowhere/book.txt: No such file or directory",
        f"  {PUBLIC}: wrong digest: expected sha256:{hashlib.sha256(b'good').hexdigest()}, "
        f"got sha256:{hashlib.sha256(b'bad').hexdigest()}",
        f"  {SECOND}: the server answered 404 Not Found",
        "check the addresses, the digests and the connection, or let RECURRENCE_MIRROR name a "
        "folder or base address "
        "that has book.txt",
    ]
    assert list(folder.iterdir()) == []


def test_a_missing_file_of_ones_own_tells_where_paths_start(folder: Path) -> None:
    with pytest.raises(RecurrenceError, match=f"a relative one starts at {folder.parent}"):
        Fetcher(folder.parent, folder.parent).get(["texts/mine.txt"], folder, anything)


def test_a_folder_is_no_file(folder: Path) -> None:
    with pytest.raises(RecurrenceError, match="out: Is a directory"):
        Fetcher(folder.parent, folder.parent).get(["out"], folder, anything)


@pytest.mark.parametrize(
    ("address", "name"),
    [
        (PUBLIC, "book.txt"),
        ("https://example.org/a%20b.txt?version=2#top", "a b.txt"),
        ("texts/my book.txt", "my book.txt"),
        ("file:///texts/book.txt", "book.txt"),
    ],
)
def test_file_name(address: str, name: str) -> None:
    assert file_name(address) == name


@pytest.mark.parametrize(
    "address", ["https://example.org/", "https://example.org", "https://e.org/a/..%5Cb", "a/.."]
)
def test_an_address_must_end_in_a_file_name(address: str) -> None:
    with pytest.raises(RecurrenceError, match="must end in the name of a file"):
        file_name(address)


def test_other_schemes_are_refused() -> None:
    with pytest.raises(
        RecurrenceError, match="s3://bucket/book.txt: must be a path, or an address with http:"
    ):
        local_path("s3://bucket/book.txt")


def test_any_accepted_digest_will_do() -> None:
    md5 = f"md5:{hashlib.md5(b'x').hexdigest()}"
    check_bytes(b"x", [f"sha256:{'0' * 64}", md5], "here")
    check_bytes(b"x", [], "here")
    with pytest.raises(RecurrenceError, match=f"^here: wrong digest: expected {md5}, got md5:"):
        check_bytes(b"y", [md5], "here")


@pytest.mark.parametrize(
    "address",
    [
        "http://[::1",
        "http://[::1]extra/b.txt",
        "http://a:port/b.txt",
        "http:///b.txt",
        "~nobody-of-this-name/b.txt",
        "a\0b/c.txt",
        "https://e.org/" + "a" * 300,
        "https://e.org/%00",
    ],
)
def test_what_is_no_address_is_named(folder: Path, address: str) -> None:
    with pytest.raises(RecurrenceError, match="must |is no address"):
        Fetcher(folder.parent, folder.parent).get([address], folder, anything)


@pytest.mark.parametrize(
    ("address", "seen"),
    [
        ("https://user:secret@e.org/b.txt", "https://***@e.org/b.txt"),
        ("https://secret@e.org/b.txt", "https://***@e.org/b.txt"),
        ("https://user:se/cret@e.org/b.txt", "https://***@e.org/b.txt"),
        ("https://user:se@cr#et@e.org/b.txt", "https://***@e.org/b.txt"),
        ("https://e.org/b@1.txt?key=secret#top", "https://e.org/b@1.txt?...#top"),
        ("https://e.org:80/b.txt", "https://e.org:80/b.txt"),
        ("texts/b?.txt", "texts/b?.txt"),
    ],
)
def test_no_password_is_shown(address: str, seen: str) -> None:
    assert shown(address) == seen


def test_no_password_is_in_what_was_tried(web: dict[str, bytes], folder: Path) -> None:
    secret = "http://user:secret@127.0.0.1:1/b.txt?key=secret"
    web[secret] = b"bad"
    with pytest.raises(RecurrenceError) as caught:
        Fetcher(folder.parent, folder.parent, "https://me:secret@m.org").get(
            [secret, "ftp://user:secret@e.org/b.txt"], folder, only(b"good")
        )
    assert "secret" not in str(caught.value)
    assert str(caught.value).count("***@") >= 3


def test_a_device_is_no_file(folder: Path) -> None:
    with pytest.raises(RecurrenceError, match="/dev/zero: must be a file, is a device or a pipe"):
        Fetcher(folder.parent, folder.parent).get(["/dev/zero"], folder, anything)
