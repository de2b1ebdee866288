"""A text file is decoded strictly, and what is no text is refused with the place."""

from pathlib import Path

import pytest

from recurrence.corpora import text
from recurrence.corpora.fetch import Fetcher
from recurrence.corpora.text import decode
from recurrence.errors import RecurrenceError
from recurrence.params import Source


def source(**fields: object) -> Source:
    return Source.model_validate({"kind": "text", "addresses": ["mine/my.txt"], **fields})


def write(tmp_path: Path, content: bytes) -> Path:
    (tmp_path / "my.txt").write_bytes(content)
    return tmp_path


def test_a_file_of_ones_own_is_obtained_and_read(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    write(tmp_path / "mine", "näh\n".encode())
    (tmp_path / "raw").mkdir()
    text.obtain(source(), tmp_path / "raw", Fetcher(tmp_path, tmp_path))
    assert "".join(text.read(source(), tmp_path / "raw")["whole"]) == "näh\n"


def test_a_wrong_digest_stops_it(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    write(tmp_path / "mine", b"x")
    (tmp_path / "raw").mkdir()
    with pytest.raises(
        RecurrenceError, match="mine/my.txt: wrong digest: expected md5:0+, got md5:9dd4e461"
    ):
        text.obtain(
            source(digests=[f"md5:{'0' * 32}"]), tmp_path / "raw", Fetcher(tmp_path, tmp_path)
        )
    assert list((tmp_path / "raw").iterdir()) == []


@pytest.mark.parametrize(
    ("content", "encoding", "expected"),
    [
        (b"one\r\ntwo\rthree\n", "utf-8", "one\ntwo\nthree\n"),
        (b"\xef\xbb\xbfone", "utf-8", "one"),
        ("é".encode("latin-1"), "latin-1", "é"),
        ("é\n".encode("utf-16"), "utf-16", "é\n"),
        ("a\u2028b\x85c".encode(), "utf-8", "a\u2028b\x85c"),
    ],
)
def test_decoding(content: bytes, encoding: str, expected: str) -> None:
    assert decode(content, encoding, "my.txt") == expected


def test_bytes_in_another_encoding_are_placed() -> None:
    with pytest.raises(
        RecurrenceError,
        match=r"^my.txt: must be utf-8 text, but byte 1,203 \(0xe9\) is not; convert",
    ):
        decode(b"a" * 1203 + b"\xe9t\xe9", "utf-8", "my.txt")


def test_a_binary_file_is_called_binary() -> None:
    with pytest.raises(
        RecurrenceError, match="my.txt: must be text, but character 3 is NUL, so it is binary"
    ):
        decode(b"abc\0def", "utf-8", "my.txt")


def test_an_unknown_encoding_is_named() -> None:
    with pytest.raises(
        RecurrenceError, match="source.encoding must be one that Python knows, got 'utf-9'"
    ):
        decode(b"abc", "utf-9", "my.txt")


@pytest.mark.parametrize("content", [b"", b" \n\n"])
def test_an_empty_file_is_called_empty(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(RecurrenceError, match="^my.txt: is empty"):
        list(text.read(source(), write(tmp_path, content))["whole"])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "shift_jis"])
def test_blocks_may_end_within_a_character_or_a_newline(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text, "BLOCK", 3)
    content = "日本語\r\nb\r日\n".encode(encoding)
    assert decode(content, encoding, "my.txt") == "日本語\nb\n日\n"


def test_a_bad_byte_is_placed_in_whichever_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "BLOCK", 4)
    with pytest.raises(RecurrenceError, match=r"byte 9 \(0xff\)"):
        decode("aaäbäb".encode() + b"a\xffa", "utf-8", "my.txt")
    with pytest.raises(RecurrenceError, match=r"byte 4 \(0xc3\)"):
        decode(b"aaaa\xc3", "utf-8", "my.txt")
    with pytest.raises(RecurrenceError, match="character 6 is NUL"):
        decode(b"aaaaaa\0", "utf-8", "my.txt")
