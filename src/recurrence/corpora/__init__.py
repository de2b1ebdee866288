"""How a kind of source becomes text: a text file, files of any form, a dataset, an archive, the
built-in human numbers.

Each kind is a module with `obtain` (get the files into a folder, digests checked) and `read` (the
folder's text: the parts `train` and `valid` where the source gives them, else the single part
`whole`). A part comes in pieces of any length, as it is read; only an archive's is held as a whole.
"""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from recurrence.corpora import archive, dataset, documents, human_numbers, text
from recurrence.corpora.fetch import Fetcher
from recurrence.errors import RecurrenceError
from recurrence.params import Source

KINDS: dict[str, ModuleType] = {
    "text": text,
    "files": documents,
    "dataset": dataset,
    "archive": archive,
    "human_numbers": human_numbers,
}


def obtain(source: Source, folder: Path, fetcher: Fetcher) -> None:
    """Put the files of a corpus into `folder`, as they come from the source; raises
    RecurrenceError.
    """
    KINDS[source.kind].obtain(source, folder, fetcher)


def read(source: Source, folder: Path) -> dict[str, Iterator[str]]:
    """The text of an obtained corpus in pieces: {"train", "valid"} or {"whole"}, newlines as \\n.

    Raises RecurrenceError, also while the pieces are read.
    """
    if not folder.is_dir():
        raise RecurrenceError(f"{folder}: no such folder; run the download stage (`dvc repro`)")
    parts: dict[str, Iterator[str]] = KINDS[source.kind].read(source, folder)
    return parts
