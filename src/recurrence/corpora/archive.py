"""A corpus that is an archive of text files."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from recurrence.console import progress
from recurrence.corpora.addresses import file_name
from recurrence.corpora.digests import check_bytes, check_file
from recurrence.corpora.fetch import Fetcher
from recurrence.corpora.members import members
from recurrence.corpora.text import decode
from recurrence.errors import RecurrenceError
from recurrence.params import Source

_WILD = re.compile(r"[*?\[]")


def obtain(source: Source, folder: Path, fetcher: Fetcher) -> None:
    """Fetch the archive; its digest, and those of the members that have one, must be right."""

    def accept(path: Path, where: str) -> None:
        check_file(path, source.digests, where)
        if source.member_digests:
            _check_members(path, source.member_digests)

    fetcher.get(source.addresses, folder, accept)


def read(source: Source, folder: Path) -> dict[str, Iterator[str]]:
    """The parts, each from the members that its pattern matches.

    A pattern without wildcards names a file, taken as it is. One with wildcards names documents:
    each becomes one line (newlines and `<br />` turn into spaces, unless source.newlines says
    keep), ordered by the number that the file's name begins with, then by folder, so that any
    beginning mixes the folders evenly. Raises RecurrenceError where nothing matches, or one member
    twice.
    """
    path = folder / file_name(source.addresses[0])
    found: dict[str, list[tuple[str, str]]] = {part: [] for part in source.members}
    with progress(f"read {path.name}", None, "files") as advance:
        for name, content in members(path):
            advance(1)
            parts = [part for part, pattern in source.members.items() if fnmatchcase(name, pattern)]
            if len(parts) > 1:
                raise RecurrenceError(
                    f"source.members: {name!r} must belong to one part, but {' and '.join(parts)} "
                    f"match"
                )
            if parts:
                found[parts[0]].append(
                    (name, decode(content(), source.encoding, f"{path.name}: {name}"))
                )
    for part, pattern in source.members.items():
        if not found[part]:
            raise RecurrenceError(
                f"source.members.{part}: no member of {path.name} matches {pattern!r}"
            )
    return {
        part: _joined(found[part], pattern, source.newlines)
        for part, pattern in source.members.items()
    }


def _joined(documents: list[tuple[str, str]], pattern: str, newlines: str | None) -> Iterator[str]:
    if not _WILD.search(pattern):
        return (text for _, text in documents)
    texts = (text for _, text in sorted(documents, key=_order))
    if newlines == "keep":
        return (text if text.endswith("\n") else f"{text}\n" for text in texts)
    return (f"{_line(text)}\n" for text in texts)


def _line(text: str) -> str:
    return text.replace("<br />", " ").replace("\n", " ").strip()


def _order(document: tuple[str, str]) -> tuple[int, str, str]:
    path = PurePosixPath(document[0])
    number = re.match(r"\d+", path.name)
    return int(number.group()) if number else -1, str(path.parent), path.name


def _check_members(path: Path, digests: dict[str, str]) -> None:
    missing = dict(digests)
    for name, content in members(path):
        if name in missing:
            check_bytes(content(), [missing.pop(name)], f"{path.name}: {name}")
    if missing:
        raise RecurrenceError(f"{path.name}: must have the members {', '.join(missing)}")
