"""Bytes -> text: by byte order mark, else UTF-8, else a guess that is named. What is no text is
refused.

The verdict hardly depends on the guess: what is equal in bytes is equal in any encoding of one byte
a character.
"""

import codecs
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from recurrence.errors import RecurrenceError
from recurrence.scan.skips import NotText

SNIFFED = 1 << 16
"""So many bytes at the beginning tell what a file is."""
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as UTF-16's mark does
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_CONTROL = bytes({*range(32)} - {*b"\t\n\v\f\r\x1b"})
"""What text has little of."""
_UTF8 = ("utf-8", "utf-8-sig")
_LEGACY = "windows-1252"
"""The encoding that is guessed: what most text is that is not UTF-8 (latin-1, with quotes and
dashes).
"""


class Decoded(NamedTuple):
    """A text, and what is to be said of how it was read; None: as it says itself."""

    text: str
    note: str | None = None
    damaged: bool = False
    """Some of it is lost."""


def marked(head: bytes) -> str | None:
    """The encoding that a byte order mark says, or that the zero bytes of ASCII in UTF-16 do."""
    for mark, encoding in _MARKS:
        if head.startswith(mark):
            return encoding
    pairs = head[: len(head) // 2 * 2]
    even, odd = pairs[::2].count(0), pairs[1::2].count(0)
    if len(pairs) >= 8 and max(even, odd) > len(pairs) / 4 and min(even, odd) < len(pairs) / 40:
        return "utf-16-be" if even > odd else "utf-16-le"
    return None


def insist_on_text(head: bytes, place: str) -> None:
    """NotText if these first bytes of a file are of no text."""
    if marked(head):
        return
    if b"\0" in head[:8192]:
        raise NotText(f"{place}: a binary file (it holds zero bytes), no text")
    controls = len(head) - len(head.translate(None, _CONTROL))
    is_utf8 = decode(head).note is None or decode(head).damaged
    if controls > len(head) // 20 and not is_utf8:
        raise NotText(f"{place}: a binary file (it holds control characters), no text")


def known(encoding: str) -> str:
    """The name of an encoding, if Python has it."""
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)
    except LookupError as error:
        raise RecurrenceError(
            f"--encoding {encoding}: must be an encoding that Python has, such as utf-8, utf-16, "
            f"windows-1252, gb18030, shift_jis or koi8-r"
        ) from error
    return name


def decode(data: bytes, encoding: str | None = None) -> Decoded:
    """The text of a whole file or line; `encoding`: the one asked for."""
    return _decoded(data, encoding or marked(data[:SNIFFED]) or "utf-8")


def _decoded(data: bytes, encoding: str) -> Decoded:
    if encoding in _UTF8:
        data, encoding = data.removeprefix(codecs.BOM_UTF8), "utf-8"
    try:
        return Decoded(data.decode(encoding))
    except UnicodeDecodeError as error:
        if encoding == "utf-8":
            return _damaged(data, error)
        text = data.decode(encoding, "replace")
        note = f"byte {error.start:,} is no {encoding}; such are read as U+FFFD"
        return Decoded(text, note, damaged=True)


def _damaged(data: bytes, error: UnicodeDecodeError) -> Decoded:
    """UTF-8 that was cut or damaged, or another encoding."""
    text = data.decode("utf-8", "replace")
    if error.end == len(data) and error.reason == "unexpected end of data":
        return Decoded(text, "ends inside a character, which is read as U+FFFD", damaged=True)
    bad = text.count("\ufffd")
    good = sum(character > "\x7f" for character in text) - bad
    if good > bad:
        note = f"{bad:,} place{'s are' if bad > 1 else ' is'} no UTF-8, and read as U+FFFD"
        return Decoded(text, note, damaged=True)
    note = f"is no UTF-8; read as {_LEGACY}, a guess; --encoding names another"
    return Decoded(data.decode(_LEGACY, "replace"), note)


def lines_of(file: Iterable[bytes], encoding: str | None = None) -> Iterator[Decoded]:
    """The lines of a stream, their ends included, each decoded for itself."""
    if encoding and encoding not in _UTF8:
        yield from map(Decoded, _wide_lines(file, encoding))
        return
    for line in file:
        yield _decoded(line, "utf-8")


def _wide_lines(file: Iterable[bytes], encoding: str) -> Iterator[str]:
    """Lines of an encoding in which a line feed may be more than a byte, or part of a character."""
    decoder, rest = codecs.getincrementaldecoder(encoding)("replace"), ""
    for line in file:
        rest += decoder.decode(line)
        *whole, rest = rest.split("\n")
        yield from (f"{text}\n" for text in whole)
    rest += decoder.decode(b"", final=True)
    if rest:
        yield rest
