"""Text from anywhere, cut into samples: what `recurrence loops FILE...` reads.

A text file is one sample; of JSONL each line, of a table each row, of a JSON array each element has
one or more. They are read one at a time: a file of any size takes the memory of its longest record.
What cannot be read is skipped.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recurrence.errors import RecurrenceError
from recurrence.scan.fields import Field
from recurrence.scan.forms import Form, Raw
from recurrence.scan.places import BROKEN, Counted, Readable, unpacked, unreadable, walk
from recurrence.scan.records import Part, parts_of
from recurrence.scan.samples import Origin, Sample, of_events, of_text, of_tokens
from recurrence.scan.skips import NotText, Skips

Tell = Callable[[int], None]
"""Told how many more bytes are read and done with."""
_LONG_WORD = 40
"""Characters of a word, on average, from which on they are no words."""
_PLACE = re.compile(r"\[\d+\]")
_BLANKS = re.compile(r"\s{100}")
_IDS = ("id", "sample_id", "custom_id", "request_id", "doc_id")
"""What a record may be called by."""


@dataclass(frozen=True)
class Asked:
    """What is to be read of files and records."""

    unit: str | None = None
    """char, word, token or event; None: char for texts, token where a record has only tokens, and
    event for traces.
    """
    lines: bool = False
    """Each line of a text file is a sample."""
    field: Field | None = None
    """Where in a record its texts or tokens stand; None: found by themselves."""
    by: Field | None = None
    """What samples are grouped by: a field of the record, or `file` or `part`."""
    encoding: str | None = None
    """Of all files; None: told from each."""


def read_samples(
    places: Iterable[str],
    stdin: Readable,
    asked: Asked | None = None,
    skips: Skips | None = None,
    tell: Tell = lambda _: None,
) -> Iterator[Sample]:
    """The samples of files, folders and `-`, in order. What cannot be read is skipped, and counted
    in `skips`.

    `tell` hears of the bytes of a sample when the next one is asked for. RecurrenceError where
    `skips` is strict.
    """
    asked, skips = asked or Asked(), skips or Skips()
    for place in places:
        if place == "-":
            yield from _File("-", asked, skips, tell).samples(stdin)
            continue
        for path in walk(place, skips):
            one = _File(str(path), asked, skips, tell, inside=str(path) != str(Path(place)))
            try:
                with path.open("rb", buffering=0) as file:
                    yield from one.samples(file)
            except OSError as error:
                skips.skip("file", unreadable(path, error))


@dataclass
class _File:
    """One file to be read."""

    place: str
    asked: Asked
    skips: Skips
    tell: Tell
    inside: bool = False
    """Of a folder, where what is no text is left out."""

    def samples(self, file: Readable) -> Iterator[Sample]:
        """Its samples, up to where it cannot be read."""
        counted, told = Counted(file), 0
        try:
            for sample in self._samples(counted):
                yield sample
                self.tell(counted.taken - told)
                told = counted.taken
        except RecurrenceError as error:
            if isinstance(error, NotText) and self.inside:
                self.skips.leave(self.place, str(error).removeprefix(f"{self.place}: "))
            else:
                self.skips.skip("file", error)
        except BROKEN as error:
            self.skips.skip("file", unreadable(self.place, error))
        self.tell(counted.taken - told)

    def _samples(self, counted: Counted) -> Iterator[Sample]:
        asked = self.asked
        named = asked.field is not None
        form = Form(self.place, self.skips, asked.lines, named, asked.encoding)
        for raw in form.records(unpacked(counted, self.place)):
            if raw.is_text and asked.unit in ("token", "event"):
                raise RecurrenceError(
                    f"{self.place}: --unit {asked.unit} is for records (JSONL, JSON, tables), got "
                    f"text; "
                    f"use char or word"
                )
            try:
                parts = self._parts(raw)
            except RecurrenceError as error:
                self.skips.skip("record", error)
                continue
            for part in parts:
                yield self._sample(raw, part, alone=len(parts) == 1)

    def _parts(self, raw: Raw) -> list[Part]:
        """What is to be judged of a record. RecurrenceError names its place."""
        if raw.is_text:
            return [Part("", "text", raw.value)]
        if isinstance(raw.value, RecurrenceError):
            raise raw.value
        try:
            return parts_of(raw.value, self.asked.unit, self.asked.field)
        except RecurrenceError as error:
            raise RecurrenceError(f"{raw.where}: a record {error}") from error

    def _sample(self, raw: Raw, part: Part, alone: bool) -> Sample:
        path = None if alone else part.path
        origin = Origin(self.place, raw.number, path, self._group(raw, part))
        name = _name(raw) if alone else f"{_name(raw)}/{part.path}"
        if part.form == "text":
            if self.asked.unit == "word" and (unseen := _unseen(part.value)):
                self.skips.note(raw.where, unseen)
            return of_text(part.value, name, self.asked.unit, origin)
        if part.form == "token":
            return of_tokens(part.value, name, origin)
        return of_events(part.value, name, origin)

    def _group(self, raw: Raw, part: Part) -> str | None:
        by = self.asked.by
        if by is None:
            return None
        value: Any = None if raw.is_text else by.value(raw.value)
        if value is None and by.written in ("file", "part"):
            value = self.place if by.written == "file" else _PLACE.sub("[]", part.path)
        return None if value is None else str(value)


def _unseen(text: str) -> str | None:
    """What words do not see of a text, in words."""
    words = len(text.split())
    if words * _LONG_WORD < len(text.strip()):
        return (
            f"{len(text):,} characters in {words:,} words, which white space parts; use --unit char"
        )
    if _BLANKS.search(text):
        return "has long stretches of white space, which words do not see; use --unit char"
    return None


def _name(raw: Raw) -> str:
    """What a record calls itself, else where it stands."""
    if isinstance(raw.value, dict):
        for name in _IDS:
            if isinstance(raw.value.get(name), str | int):
                return str(raw.value[name])
    return raw.where
