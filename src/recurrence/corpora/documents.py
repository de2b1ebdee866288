"""A corpus of files as people have them: a text, JSONL, JSON, CSV, TSV or Parquet file, packed or
not, or a folder.

The forms are read by scan/, as for `recurrence loops`; what counts as a record's text is told here,
since a corpus is not what a model wrote. Whatever cannot be read ends the stage: nothing is left
out of a corpus without a word.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from recurrence.console import progress, say
from recurrence.corpora.addresses import file_name
from recurrence.corpora.digests import check_file
from recurrence.corpora.fetch import Fetcher
from recurrence.corpora.text import pieces
from recurrence.errors import RecurrenceError, nearest
from recurrence.params import Source
from recurrence.scan.encodings import SNIFFED, insist_on_text
from recurrence.scan.fields import Field
from recurrence.scan.forms import JSONL, TABLES, Form
from recurrence.scan.names import TEXTS
from recurrence.scan.places import BROKEN, Counted, suffix_of, unpacked, unreadable, walk
from recurrence.scan.skips import NotText, Skips

RECORDS = (*JSONL, *TABLES, ".json", ".parquet")
"""Suffixes of files that hold records."""
MOST_NAMED = 3
"""Files left out of a folder that are named."""


def obtain(source: Source, folder: Path, fetcher: Fetcher) -> None:
    """Fetch the file, whose digest must be one of the source's, or copy the folder, which has
    none.
    """

    def accept(path: Path, where: str) -> None:
        if path.is_file():
            check_file(path, source.digests, where)
        elif source.digests:
            raise RecurrenceError(f"{where}: a folder has no digest; leave source.digests out")

    fetcher.get(source.addresses, folder, accept, folders=True)


def read(source: Source, folder: Path) -> dict[str, Iterator[str]]:
    """The documents of the file, or of all files of the folder in the order of their names, as the
    part `whole`.

    Each document ends with a newline. Raises RecurrenceError, at the latest at the end, where there
    is no text.
    """
    return {"whole": _documents(source, folder / file_name(source.addresses[0]))}


def _documents(source: Source, place: Path) -> Iterator[str]:
    skips, has_text = Skips(strict=True), False
    with progress(f"read {place.name}", None, "files") as advance:
        for path in walk(str(place), skips):
            where = path.relative_to(place.parent).as_posix()
            try:
                for piece in _of_file(source, path, where):
                    has_text = has_text or not piece.isspace()
                    yield piece
            except NotText as error:
                if path == place:
                    raise
                skips.leave(where, str(error).removeprefix(f"{where}: "))
            except RecurrenceError as error:  # the reader of forms names the whole path
                raise RecurrenceError(str(error).replace(str(path), where)) from error
            except BROKEN as error:
                raise unreadable(where, error) from error
            advance(1)
    if not has_text:
        raise RecurrenceError(f"{place.name}: is empty; give files with some text")
    for line in list(skips.lines())[: 1 + MOST_NAMED]:
        say(line)


def _of_file(source: Source, path: Path, where: str) -> Iterator[str]:
    with path.open("rb", buffering=0) as file:
        stream = unpacked(Counted(file), where)
        if suffix_of(where) not in RECORDS:
            insist_on_text(stream.peek(SNIFFED), where)
            yield from _ended(
                pieces(stream, source.encoding, where), keep=source.newlines != "space"
            )
            return
        form = Form(str(path), Skips(strict=True), named=True, encoding=_encoding(source))
        for raw in form.records(stream):
            if isinstance(raw.value, RecurrenceError):
                raise raw.value
            yield from record(source, raw.value, raw.where)
        if noted := list(form.skips.lines()):
            raise RecurrenceError(
                f"{noted[0]}; convert the file, or name its encoding in the corpus's source block"
            )


def _encoding(source: Source) -> str | None:
    """None has the form look for a byte order mark, and then take UTF-8."""
    return None if source.encoding.lower() in ("utf-8", "utf8") else source.encoding


# ---------------------------------------------------------------- records


def record(source: Source, value: Any, where: str) -> Iterator[str]:
    """The text of a record as a document; none where it is null or blank. Raises RecurrenceError
    where it has none.
    """
    find = partial(_named, source.field) if source.field else _found
    for text in find(value, where):
        if text.strip():
            clean = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "\ufffd")
            clean = clean.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
            yield from _ended(iter([clean]), keep=source.newlines == "keep")


def _named(field: str, value: Any, where: str) -> list[str]:
    """The texts at a field; `[]` in it may lead to several."""
    found = [each for _, each in Field.parse(field, "source.field").values(value)]
    if not found:
        names = ", ".join(map(str, value)) if isinstance(value, dict) else type(value).__name__
        raise RecurrenceError(f"{where}: must have {field} (source.field), has {names}")
    for each in found:
        if each is not None and not isinstance(each, str):
            raise RecurrenceError(f"{where}: {field} must be text, is {str(each)[:40]!r}")
    return [each for each in found if each is not None]


def _found(value: Any, where: str) -> list[str]:
    """The text under a usual name, or the only text that there is."""
    if isinstance(value, str):
        return [value]
    if not isinstance(value, dict):
        raise RecurrenceError(f"{where}: must be a record or a text, is {str(value)[:40]!r}")
    for name in TEXTS:
        if isinstance(value.get(name), str):
            return [value[name]]
    texts = {name: each for name, each in value.items() if isinstance(each, str)}
    if len(texts) == 1:
        return list(texts.values())
    if any(name in value and value[name] is None for name in TEXTS):
        return []
    raise RecurrenceError(
        f"{where}: in which field is the text? Name it as source.field; {nearest('text', value)}"
    )


# ---------------------------------------------------------------- documents


def _ended(document: Iterator[str], keep: bool) -> Iterator[str]:
    """A document with a newline at its end; unless they are kept, others in it are spaces."""
    last = "\n"
    for piece in document if keep else _on_a_line(document):
        yield piece
        last = piece[-1:] or last
    if last != "\n" or not keep:
        yield "\n"


def _on_a_line(document: Iterator[str]) -> Iterator[str]:
    """Without white space at its ends, newlines as spaces."""
    begun, held = False, ""
    for piece in document:
        text = held + piece.replace("\n", " ")
        if not begun:
            text = text.lstrip()
        kept = text.rstrip()
        held = text[len(kept) :]
        if kept:
            begun = True
            yield kept
