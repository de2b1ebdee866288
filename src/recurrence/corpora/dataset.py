"""A corpus that is a dataset of Hugging Face's `datasets`, as `save_to_disk` left it in a
folder.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from recurrence.console import progress
from recurrence.corpora.addresses import file_name
from recurrence.corpora.documents import obtain, record
from recurrence.errors import RecurrenceError, in_brief
from recurrence.params import Source

__all__ = ["obtain", "read"]

ROWS = 256
"""Rows that are read at a time."""
HELD_OUT = ("validation", "valid", "dev", "test")
"""Names of the part that becomes `valid`, the first that there is."""


def read(source: Source, folder: Path) -> dict[str, Iterator[str]]:
    """`train` and the held-out part of a dataset that has both, else all of it as `whole`; rows in
    their order.

    Raises RecurrenceError where it is no dataset, or has parts of other names alone.
    """
    place = folder / file_name(source.addresses[0])
    given = _load(place)
    if not hasattr(given, "keys"):
        return {"whole": _documents(source, given, place.name)}
    names = list(given.keys())
    held_out = next((name for name in HELD_OUT if name in names), None)
    if "train" in names and held_out:
        parts = {"train": "train", "valid": held_out}
    elif len(names) == 1:
        parts = {"whole": names[0]}
    else:
        raise RecurrenceError(
            f"{place.name}: must have the parts train and one of {', '.join(HELD_OUT)}, or a "
            f"single part, has {', '.join(names)}"
        )
    return {
        part: _documents(source, given[name], f"{place.name}/{name}")
        for part, name in parts.items()
    }


def _load(place: Path) -> Any:
    try:
        import datasets
    except ImportError as error:
        raise RecurrenceError(
            f"{place.name}: a dataset needs datasets: pip install 'recurrence-lab[datasets]'"
        ) from error
    try:
        return datasets.load_from_disk(str(place))
    except Exception as error:  # as many kinds as there are ways to be broken
        raise RecurrenceError(
            f"{place.name}: must be a folder that save_to_disk of Hugging Face's datasets wrote "
            f"({in_brief(error)})"
        ) from error


def _documents(source: Source, rows: Any, where: str) -> Iterator[str]:
    has_text = False
    columns = list(rows.column_names)
    with progress(f"read {where}", len(rows), "rows") as advance:
        for start in range(0, len(rows), ROWS):
            batch = rows[start : start + ROWS]
            count = len(batch[columns[0]]) if columns else 0
            for at in range(count):
                row = {name: batch[name][at] for name in columns}
                for piece in record(source, row, f"{where}#{start + at + 1}"):
                    has_text = has_text or not piece.isspace()
                    yield piece
            advance(count)
    if not has_text:
        raise RecurrenceError(f"{where}: has no text; give one with some")
