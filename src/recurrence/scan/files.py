"""Text from anywhere, cut into samples of tokens: what `recurrence loops FILE...` reads.

A text file is one sample; of JSONL each line is one, a record with `text` or `tokens`; a folder is walked for both, and
`-` is standard input. What has no telling suffix is JSONL if its first line is such a record, else text. Samples are
read one at a time, so JSONL of any size takes the memory of its longest line, and a text file some bytes per character.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from recurrence.errors import RecurrenceError

Ints = NDArray[np.integer[Any]]
TEXT = {".txt", ".text", ".md"}
JSONL = {".jsonl", ".ndjson"}
Tell = Callable[[int], None]
"""Told how many more bytes are read and done with."""

_CODES = {"latin-1": "<u1", "utf-16-le": "<u2", "utf-32-le": "<u4"}
"""Encodings in which a text may have one number per character, the smallest first."""
_CHARACTERS_AT_ONCE = 1 << 20
"""So much of a text is in words at a time: as str objects, they take ten times the memory of their text."""
_SPACE = re.compile(r"\s")


@dataclass(frozen=True)
class Sample:
    """One text to be judged, as numbers that are equal where its tokens are."""

    id: str
    unit: str
    """What the tokens are: char, word or token (what a record gave as `tokens`)."""
    ids: Ints
    names: Sequence[str | int] | None = None
    """The token of each id; None: the ids are code points."""

    def spell(self, start: int, end: int) -> str | list[str | int]:
        """Some of the tokens as they are written: a text, or a list of what `tokens` held."""
        part = self.ids[start:end]
        if self.names is None:
            return _text(part)
        tokens = [self.names[i] for i in part.tolist()]
        return tokens if self.unit == "token" else " ".join(map(str, tokens))

    def text(self) -> str | None:
        """The whole, words with a space between them; None where it is tokens."""
        spelled = self.spell(0, len(self.ids)) if self.unit != "token" else None
        return spelled if isinstance(spelled, str) else None


def of_text(text: str, name: str, unit: str | None = None) -> Sample:
    """A text as a sample of characters, or of words (which white space parts)."""
    return (
        Sample(name, "word", *_words(text))
        if unit == "word"
        else Sample(name, "char", _characters(text))
    )


def of_tokens(tokens: Iterable[str | int], name: str) -> Sample:
    """Tokens of any tokeniser, numbers or strings, as a sample."""
    numbers = _Numbers()
    ids = np.fromiter(map(numbers.__getitem__, tokens), np.int32)
    return Sample(name, "token", ids, list(numbers))


class _Numbers(dict[str | int, int]):
    """Token -> number, a new one for each token that is new."""

    def __missing__(self, token: str | int) -> int:
        self[token] = number = len(self)
        return number


def _characters(text: str) -> Ints:
    """Code points, as narrow as they go; a lone surrogate (from JSON escapes) is a character like any."""
    for encoding, kind in _CODES.items():
        try:
            codes = np.frombuffer(text.encode(encoding, "surrogatepass"), kind)
        except UnicodeEncodeError:
            continue
        if len(codes) == len(text):
            return codes
    raise AssertionError("unreachable: UTF-32 has one number per character")


def _text(codes: Ints) -> str:
    encoding = next(encoding for encoding, kind in _CODES.items() if codes.dtype == kind)
    return codes.tobytes().decode(encoding, "surrogatepass")


def _words(text: str) -> tuple[Ints, list[str | int]]:
    """The words' numbers, and each number's word."""
    numbers, parts, start = _Numbers(), [np.zeros(0, np.int32)], 0
    while start < len(text):
        space = _SPACE.search(text, start + _CHARACTERS_AT_ONCE)
        end = space.start() if space else len(text)
        parts.append(np.fromiter(map(numbers.__getitem__, text[start:end].split()), np.int32))
        start = end
    return np.concatenate(parts), list(numbers)


# ---------------------------------------------------------------- reading


def read_samples(
    places: Iterable[str],
    stdin: BinaryIO,
    unit: str | None = None,
    lines: bool = False,
    tell: Tell = lambda _: None,
) -> Iterator[Sample]:
    """The samples of files, folders and `-`, in order. RecurrenceError names the file, and in JSONL the line.

    `unit`: char, word or token; default: char for text, token for records that have only `tokens`. `lines`: each line
    of a text file is a sample. `tell` hears of the bytes of a sample when the next one is asked for.
    """
    for place in places:
        if place == "-":
            yield from _samples(place, stdin, unit, lines, tell)
            continue
        for path in walk(place):
            try:
                with path.open("rb") as file:
                    yield from _samples(str(path), file, unit, lines, tell)
            except OSError as error:
                raise RecurrenceError(
                    f"{path}: cannot be read ({error.strerror}); name text files, JSONL files, folders, or - for stdin"
                ) from error


def walk(place: str) -> list[Path]:
    """The file itself, or those of a folder that hold text or JSONL by their suffix, hidden ones left out."""
    folder = Path(place)
    if not folder.is_dir():
        return [folder]
    inside = (
        path.relative_to(folder)
        for path in folder.rglob("*")
        if path.suffix in TEXT | JSONL and path.is_file()
    )
    found = sorted(path for path in inside if not any(part.startswith(".") for part in path.parts))
    if not found:
        raise RecurrenceError(
            f"{place}: must hold files named {', '.join(sorted(TEXT | JSONL))}, has none"
        )
    return [folder / path for path in found]


def _samples(
    place: str, file: BinaryIO, unit: str | None, lines: bool, tell: Tell
) -> Iterator[Sample]:
    suffix, head = Path(place).suffix, []
    if suffix not in TEXT | JSONL:
        for line in file:  # up to the first that is not blank
            head.append(line)
            if line.strip():
                break
    if suffix in JSONL or (head and _is_record(head[-1])):
        yield from _of_lines(
            place, chain(head, file), lambda line, where: _of_record(line, where, unit), tell
        )
    elif unit == "token":
        raise RecurrenceError(
            f"{place}: --unit token is for JSONL records with `tokens`, got text; use char or word"
        )
    elif lines:
        yield from _of_lines(
            place, chain(head, file), lambda line, where: of_text(line, where, unit), tell
        )
    else:
        head.append(file.read())
        size, text = sum(map(len, head)), _decoded(b"".join(head), place)
        head.clear()  # the bytes are as large as the text
        yield of_text(text, place, unit)
        tell(size)


def _of_lines(
    place: str, lines: Iterable[bytes], sample: Callable[[str, str], Sample], tell: Tell
) -> Iterator[Sample]:
    """A sample per line that is not blank, named by its number."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            where = f"{place}:{number}"
            yield sample(_decoded(line, where).rstrip("\r\n"), where)
        tell(len(line))


def _of_record(line: str, where: str, unit: str | None) -> Sample:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RecurrenceError(
            f"{where}: must be one JSON record per line ({error}), got {line[:60]!r}"
        ) from error
    field = _field(record, unit)
    value = record.get(field) if isinstance(record, dict) else None
    name = str(record["id"]) if value is not None and record.get("id") is not None else where
    if field == "text" and isinstance(value, str):
        return of_text(value, name, unit)
    if field == "tokens" and isinstance(value, list) and set(map(type, value)) <= {str, int}:
        return of_tokens(value, name)
    rule = "`text`, a string" if field == "text" else "`tokens`, a list of whole numbers or strings"
    asked = f" (--unit {unit})" if unit else ""
    raise RecurrenceError(f"{where}: a record must have {rule}{asked}; got {line[:60]!r}")


def _field(record: Any, unit: str | None) -> str:
    """Which field of a record is to be read."""
    if unit is None:
        return (
            "tokens"
            if isinstance(record, dict) and "tokens" in record and "text" not in record
            else "text"
        )
    return "tokens" if unit == "token" else "text"


def _is_record(line: bytes) -> bool:
    text = line.decode("utf-8-sig", "replace")
    try:
        record = json.loads(text) if text.lstrip().startswith("{") else None
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and bool({"text", "tokens"} & record.keys())


def _decoded(data: bytes, where: str) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise RecurrenceError(
            f"{where}: must be UTF-8 text, got UTF-16; convert it first: iconv -f utf-16 -t utf-8"
        )
    if b"\0" in data[:8192]:
        raise RecurrenceError(
            f"{where}: must be UTF-8 text, got a binary file (it holds zero bytes); leave it out"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecurrenceError(
            f"{where}: must be UTF-8 text, got byte 0x{data[error.start]:02x} at {error.start}; convert it first"
        ) from error
