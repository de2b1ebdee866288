"""Text from anywhere, with a verdict per sample: what `recurrence loops FILE...` reads and says.

A text file is one sample; of JSONL each line is one, a record with `text` or `tokens`; a folder is walked for both, and
`-` is standard input. What has no telling suffix is JSONL if its first line is such a record, else text. Samples are
read one at a time, so JSONL of any size takes the memory of its longest line.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from recurrence.errors import RecurrenceError
from recurrence.loops.runs import Ints
from recurrence.loops.verdict import DEFAULT_FLOORS, judge

TEXT = {".txt", ".text", ".md"}
JSONL = {".jsonl", ".ndjson"}


@dataclass(frozen=True)
class Sample:
    """One text to be judged, cut into tokens: characters (a str), words, or what a record gave as `tokens`."""

    id: str
    unit: str
    """char, word or token."""
    tokens: Sequence[str | int]

    def ids(self) -> Ints:
        """The tokens as numbers, equal where they are."""
        if isinstance(self.tokens, str):
            return np.frombuffer(self.tokens.encode("utf-32-le", "surrogatepass"), "<u4")
        numbers: dict[str | int, int] = {}
        return np.array([numbers.setdefault(token, len(numbers)) for token in self.tokens], np.int64)

    def spell(self, start: int, end: int) -> str | list[str | int]:
        """Some of the tokens as they are to be shown."""
        part = self.tokens[start:end]
        if self.unit == "token":
            return [_printable(token) if isinstance(token, str) else token for token in part]
        return _printable(part if isinstance(part, str) else " ".join(map(str, part)))


def verdict_row(sample: Sample, floor: int | None = None) -> dict[str, Any]:
    """The verdict on a sample, ready for JSON: None where there is no loop; `unit` is what repeats, as it is written.

    `floor` is the least evidence in tokens; default: DEFAULT_FLOORS of the sample's unit.
    """
    verdict = judge(sample.ids(), DEFAULT_FLOORS[sample.unit] if floor is None else floor)
    row = {"id": _printable(sample.id)} | vars(verdict)
    del row["attractor"]  # its ids mean nothing outside this sample
    if verdict.start is not None and verdict.period is not None:
        row["unit"] = sample.spell(verdict.start, verdict.start + verdict.period)
    return row


def read_samples(
    places: Iterable[str], stdin: BinaryIO, unit: str | None = None, lines: bool = False
) -> Iterator[Sample]:
    """The samples of files, folders and `-`, in order. RecurrenceError names the file, and in JSONL the line.

    `unit`: char, word or token; default: char for text, token for records that have only `tokens`. `lines`: each line
    of a text file is a sample.
    """
    for place in places:
        if place == "-":
            yield from _samples(place, stdin, unit, lines)
            continue
        for path in _walk(Path(place)):
            try:
                with path.open("rb") as file:
                    yield from _samples(str(path), file, unit, lines)
            except OSError as error:
                raise RecurrenceError(
                    f"{path}: cannot be read ({error.strerror}); name text files, JSONL files, folders, or - for stdin"
                ) from error


def _walk(place: Path) -> list[Path]:
    if not place.is_dir():
        return [place]
    inside = (path.relative_to(place) for path in place.rglob("*") if path.suffix in TEXT | JSONL and path.is_file())
    found = sorted(path for path in inside if not any(part.startswith(".") for part in path.parts))
    if not found:
        raise RecurrenceError(f"{place}: must hold files named {', '.join(sorted(TEXT | JSONL))}, has none")
    return [place / path for path in found]


def _samples(place: str, file: BinaryIO, unit: str | None, lines: bool) -> Iterator[Sample]:
    suffix, head = Path(place).suffix, []
    if suffix not in TEXT | JSONL:
        for line in file:  # up to the first that is not blank
            head.append(line)
            if line.strip():
                break
    if suffix in JSONL or (head and _is_record(head[-1])):
        yield from _of_lines(place, chain(head, file), lambda line, where: _of_record(line, where, unit))
    elif unit == "token":
        raise RecurrenceError(f"{place}: --unit token is for JSONL records with `tokens`, got text; use char or word")
    elif lines:
        yield from _of_lines(place, chain(head, file), lambda line, where: _of_text(line, where, unit))
    else:
        yield _of_text(_decoded(b"".join(head) + file.read(), place), place, unit)


def _of_lines(place: str, lines: Iterable[bytes], sample: Callable[[str, str], Sample]) -> Iterator[Sample]:
    """A sample per line that is not blank, named by its number."""
    for number, line in enumerate(lines, 1):
        if line.strip():
            where = f"{place}:{number}"
            yield sample(_decoded(line, where).rstrip("\r\n"), where)


def _of_text(text: str, name: str, unit: str | None) -> Sample:
    return Sample(name, "word", text.split()) if unit == "word" else Sample(name, "char", text)


def _of_record(line: str, where: str, unit: str | None) -> Sample:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RecurrenceError(f"{where}: must be one JSON record per line ({error}), got {line[:60]!r}") from error
    field = _field(record, unit)
    value = record.get(field) if isinstance(record, dict) else None
    name = str(record["id"]) if value is not None and record.get("id") is not None else where
    if field == "text" and isinstance(value, str):
        return _of_text(value, name, unit)
    if field == "tokens" and isinstance(value, list) and all(type(token) in (str, int) for token in value):
        return Sample(name, "token", value)
    rule = "`text`, a string" if field == "text" else "`tokens`, a list of whole numbers or strings"
    asked = f" (--unit {unit})" if unit else ""
    raise RecurrenceError(f"{where}: a record must have {rule}{asked}; got {line[:60]!r}")


def _field(record: Any, unit: str | None) -> str:
    """Which field of a record is to be read."""
    if unit is None:
        return "tokens" if isinstance(record, dict) and "tokens" in record and "text" not in record else "text"
    return "tokens" if unit == "token" else "text"


def _is_record(line: bytes) -> bool:
    text = line.decode("utf-8-sig", "replace")
    try:
        record = json.loads(text) if text.lstrip().startswith("{") else None
    except (ValueError, RecursionError):
        return False
    return isinstance(record, dict) and bool({"text", "tokens"} & record.keys())


def _decoded(data: bytes, where: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise RecurrenceError(
            f"{where}: must be UTF-8 text, got byte 0x{data[error.start]:02x} at {error.start}; convert it first"
        ) from error


def _printable(text: str) -> str:
    """The text with a question mark for what no encoding can write (half a surrogate pair, from JSON escapes)."""
    return text.encode("utf-8", "replace").decode()
