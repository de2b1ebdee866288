"""A stream of bytes -> its records, by the form it is in: text, lines, JSONL, JSON, CSV, TSV,
Parquet.

The form is told by the file's suffix, else by what stands in it. A record comes as soon as it is
read.
"""

import codecs
import json
from collections.abc import Iterable, Iterator
from io import BufferedReader, BytesIO
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from recurrence.errors import RecurrenceError, in_brief
from recurrence.scan import encodings
from recurrence.scan.elements import Elements
from recurrence.scan.places import PACKED, suffix_of
from recurrence.scan.records import is_known
from recurrence.scan.skips import Skips
from recurrence.scan.tables import parquet_rows, rows_of

JSONL, TABLES = (".jsonl", ".ndjson"), {".csv": ",", ".tsv": "\t"}
TEXT = (".txt", ".text", ".md")
_PARQUET = b"PAR1"
_CHUNK = 1 << 16


class Raw(NamedTuple):
    """A record as it was read, or the error that it is none."""

    where: str
    """The file, with the line or the number of the record, from 1."""
    number: int | None
    """None: the record is the whole file."""
    value: Any
    is_text: bool = False
    """Whether it is a text as it stands, and no record that has one."""


class Form(NamedTuple):
    """How a file is to be read."""

    place: str
    skips: Skips
    lines: bool = False
    """Each line of a text is a record."""
    named: bool = False
    """A field is named, so that files need none that is known."""
    encoding: str | None = None

    def records(self, stream: BufferedReader) -> Iterator[Raw]:
        """The records of a file. RecurrenceError where it cannot be read, or not to its end."""
        head, suffix = stream.peek(encodings.SNIFFED), suffix_of(self.place)
        if suffix == ".parquet" or head.startswith(_PARQUET):
            return self._numbered(parquet_rows(self._seekable(stream), self.place))
        form = self
        if self.encoding is None:
            encodings.insist_on_text(head, self.place)
            form = self._replace(encoding=encodings.marked(head))
        if suffix in JSONL:
            return form._json_lines(stream)
        if suffix in TABLES:
            return form._table(stream, TABLES[suffix])
        if suffix == ".json":
            return form._json(stream)
        if suffix in TEXT:
            return form._text(stream)
        return form._by_content(stream)

    def _seekable(self, stream: BufferedReader) -> Path | BytesIO:
        """Parquet is read from its end."""
        path = Path(self.place)
        packed = path.suffix.lower() in PACKED or not path.is_file()
        return BytesIO(stream.read()) if packed else path

    def _by_content(self, stream: BufferedReader) -> Iterator[Raw]:
        """JSONL if the first line is a record, JSON if an array of records begins there; else a
        text.
        """
        head: list[bytes] = []
        for line in stream:  # up to the first that is not blank
            head.append(line)
            if line.strip():
                break
        first = encodings.decode(head[-1], self.encoding).text.strip() if head else ""
        if first.startswith("{") and _is_record(first):
            return self._json_lines(chain(head, stream))
        if first.startswith(("[{", '["')) or first == "[":
            return self._json(stream, b"".join(head))
        return self._text(stream, b"".join(head))

    def _decoded_lines(self, lines: Iterable[bytes]) -> Iterator[str]:
        for text, note, _ in encodings.lines_of(lines, self.encoding):
            if note:
                self.skips.note(self.place, note)
            yield text

    # ------------------------------------------------------------ text

    def _text(self, stream: BufferedReader, head: bytes = b"") -> Iterator[Raw]:
        if self.lines:
            whole = chain(head.splitlines(keepends=True), stream)
            for number, line in enumerate(self._decoded_lines(whole), 1):
                if line.strip():
                    yield Raw(f"{self.place}:{number}", number, line.rstrip("\r\n"), is_text=True)
            return
        data = head + stream.read()
        text, note, _ = encodings.decode(data, self.encoding)
        del data  # as large as the text
        if note:
            self.skips.note(self.place, note)
        yield self._whole(text)

    def _whole(self, text: str) -> Raw:
        return Raw(self.place, None, text, is_text=True)

    def _rather_text(self, text: str, what: str) -> Raw:
        """A file of data that has no field that is known is judged as it stands: people generate
        such.
        """
        self.skips.note(self.place, f"has no {what} of a known name; judged as one text")
        return self._whole(text)

    # ------------------------------------------------------------ records

    def _numbered(self, values: Iterable[Any]) -> Iterator[Raw]:
        for number, value in enumerate(values, 1):
            yield Raw(f"{self.place}#{number}", number, value)

    def _json_lines(self, lines: Iterable[bytes]) -> Iterator[Raw]:
        for number, line in enumerate(encodings.lines_of(lines, self.encoding), 1):
            if not line.text.strip():
                continue
            where = f"{self.place}:{number}"
            if line.damaged:  # JSON is UTF-8
                yield Raw(where, number, RecurrenceError(f"{where}: {line.note}, so it is no JSON"))
                continue
            if line.note:
                self.skips.note(self.place, line.note)
            yield Raw(where, number, _record(line.text.rstrip("\r\n"), where))

    def _table(self, stream: BufferedReader, separator: str) -> Iterator[Raw]:
        lines = _Kept(self._decoded_lines(stream))
        rows = rows_of(lines, self.place, separator)
        first = next(rows, None)
        if first is None or self.named or is_known(first):
            lines.keep = False
            yield from self._numbered(chain([first] if first else [], rows))
        else:
            yield self._rather_text("".join(chain(lines.kept, lines)), "column")

    def _json(self, stream: BufferedReader, head: bytes = b"") -> Iterator[Raw]:
        elements = Elements(self._chunks(stream, head))
        if elements.is_array() and self._has_records(elements):
            try:
                yield from self._numbered(elements)
            except ValueError as error:
                raise RecurrenceError(f"{self.place}: no JSON from there on ({error})") from error
            return
        text = elements.text()
        value = _record(text, self.place)
        if isinstance(value, RecurrenceError):
            yield self._whole(text)
        elif self.named or is_known(value):
            yield Raw(self.place, None, value)
        elif within := _within(value):
            yield from self._numbered(within)
        else:
            yield self._rather_text(text, "field")

    def _has_records(self, elements: Elements) -> bool:
        try:
            first = elements.first()
        except ValueError:
            return False
        if isinstance(first, int) or isinstance(first, dict) and "role" in first:
            return False  # tokens, or a conversation: one record
        return self.named or is_known(first)

    def _chunks(self, stream: BufferedReader, head: bytes) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder(self.encoding or "utf-8-sig")("replace")
        yield decoder.decode(head)
        while data := stream.read1(_CHUNK):
            yield decoder.decode(data)
        yield decoder.decode(b"", final=True)


class _Kept:
    """Lines, of which those are kept that were read until it is known what they are."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.kept: list[str] = []
        self.keep = True

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            if self.keep:
                self.kept.append(line)
            yield line


def _record(text: str, where: str) -> Any:
    """The value of a text of JSON, or the error that it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        return RecurrenceError(
            f"{where}: must be one JSON record per line ({in_brief(error)}), got {text[:60]!r}"
        )


def _is_record(text: str) -> bool:
    return is_known(_record(text, ""))


def _within(value: Any) -> list[Any]:
    """The records that an object holds in one of its lists, such as `data` or `results`."""
    lists = value.values() if isinstance(value, dict) else ()
    return next(
        (each for each in lists if isinstance(each, list) and each and is_known(each[0])), []
    )
