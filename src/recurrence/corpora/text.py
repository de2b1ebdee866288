"""A corpus that is one text file."""

import codecs
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from recurrence.corpora.addresses import file_name
from recurrence.corpora.digests import check_file
from recurrence.corpora.fetch import Fetcher
from recurrence.errors import RecurrenceError, in_brief
from recurrence.params import Source

BLOCK = 1 << 20
"""Bytes that are decoded at a time."""
_NOT_FOR_FILES = {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"}
"""Python has them as encodings, but they are for names and source code; some take hours for a
text.
"""


def obtain(source: Source, folder: Path, fetcher: Fetcher) -> None:
    """Fetch the file; its digest must be one of the source's."""
    fetcher.get(
        source.addresses, folder, lambda path, where: check_file(path, source.digests, where)
    )


def read(source: Source, folder: Path) -> dict[str, Iterator[str]]:
    """The file's text as the part `whole`; raises RecurrenceError at its end where it is empty."""
    path = folder / file_name(source.addresses[0])
    return {"whole": _of_file(path, source.encoding)}


def _of_file(path: Path, encoding: str) -> Iterator[str]:
    has_text = False
    with path.open("rb") as file:
        for piece in pieces(file, encoding, path.name):
            has_text = has_text or not piece.isspace()
            yield piece
    if not has_text:
        raise RecurrenceError(f"{path.name}: is empty; give a file with some text")


def decode(content: bytes, encoding: str, where: str) -> str:
    """The text of all these bytes, as `pieces` gives it."""
    return "".join(pieces(io.BytesIO(content), encoding, where))


def pieces(file: IO[bytes], encoding: str, where: str) -> Iterator[str]:
    """Strictly decoded text, newlines as \\n, no byte order mark; raises RecurrenceError for what
    is not text.
    """
    begin = _decoder(encoding, where)
    newlines = io.IncrementalNewlineDecoder(None, translate=True)
    is_first, characters = True, 0
    for text in _decoded(file, begin, encoding, where):
        if (nul := text.find("\0")) >= 0:
            raise RecurrenceError(
                f"{where}: must be text, but character {characters + nul:,} is NUL, so it is "
                f"binary; "
                "give a text file"
            )
        characters += len(text)
        if is_first and text:
            text, is_first = text.removeprefix("\ufeff"), False
        if piece := newlines.decode(text):
            yield piece
    if last := newlines.decode("", final=True):
        yield last


def _decoder(encoding: str, where: str) -> codecs.IncrementalDecoder:
    if encoding.lower().replace("-", "_") in _NOT_FOR_FILES:
        raise RecurrenceError(f"{where}: source.encoding must be one of files, {encoding!r} is not")
    try:
        b"".decode(encoding)
        return codecs.getincrementaldecoder(encoding)()
    except (LookupError, ValueError) as error:
        raise RecurrenceError(
            f"{where}: source.encoding must be one that Python knows, got {encoding!r}"
        ) from error


def _decoded(
    file: IO[bytes], decoder: codecs.IncrementalDecoder, encoding: str, where: str
) -> Iterator[str]:
    before = 0
    """Bytes of the file before those that the decoder is given now, or kept from the last time."""
    while True:
        block = file.read(BLOCK)
        waiting = len(decoder.getstate()[0])
        try:
            yield decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            bad = before - waiting + error.start
            raise RecurrenceError(
                f"{where}: must be {encoding} text, but byte {bad:,} "
                f"(0x{error.object[error.start]:02x}) is not; "
                "convert the file, or name its encoding in the corpus's source block"
            ) from error
        except ValueError as error:
            raise RecurrenceError(
                f"{where}: must be {encoding} text, but is not ({in_brief(error)})"
            ) from error
        before += len(block)
        if not block:
            return
