"""A corpus that is one text file."""

from pathlib import Path

from recurrence.corpora.addresses import file_name
from recurrence.corpora.digests import check_file
from recurrence.corpora.fetch import Fetcher
from recurrence.errors import RecurrenceError
from recurrence.params import Source

_NOT_FOR_FILES = {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"}
"""Python has them as encodings, but they are for names and source code; some take hours for a text."""


def obtain(source: Source, folder: Path, fetcher: Fetcher) -> None:
    """Fetch the file; its digest must be one of the source's."""
    fetcher.get(
        source.addresses, folder, lambda path, where: check_file(path, source.digests, where)
    )


def read(source: Source, folder: Path) -> dict[str, str]:
    """The file's text as the part `whole`."""
    path = folder / file_name(source.addresses[0])
    text = decode(path.read_bytes(), source.encoding, path.name)
    if not text.strip():
        raise RecurrenceError(f"{path.name}: is empty; give a file with some text")
    return {"whole": text}


def decode(content: bytes, encoding: str, where: str) -> str:
    """Strictly decoded text, newlines as \\n, no byte order mark; raises RecurrenceError for what is not text."""
    if encoding.lower().replace("-", "_") in _NOT_FOR_FILES:
        raise RecurrenceError(f"{where}: source.encoding must be one of files, {encoding!r} is not")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise RecurrenceError(
            f"{where}: must be {encoding} text, but byte {error.start:,} (0x{content[error.start]:02x}) is not; "
            "convert the file, or name its encoding in the corpus's source block"
        ) from error
    except (LookupError, ValueError) as error:
        raise RecurrenceError(
            f"{where}: source.encoding must be one that Python knows, got {encoding!r}"
        ) from error
    if (nul := text.find("\0")) >= 0:
        raise RecurrenceError(
            f"{where}: must be text, but character {nul:,} is NUL, so it is binary; give a text file"
        )
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
