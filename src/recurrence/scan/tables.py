"""Tables -> records: CSV, TSV and Parquet, a row at a time."""

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from recurrence.errors import RecurrenceError
from recurrence.scan.names import CONVERSATIONS, TOKENS

_LISTS = {*CONVERSATIONS, *TOKENS}
"""Columns that may hold a list."""
_ROWS_AT_ONCE = 64
"""Rows of Parquet that are taken out of a row group at a time."""


def rows_of(lines: Iterable[str], place: str, separator: str) -> Iterator[dict[str, Any]]:
    """The rows of a table whose first line names its columns. RecurrenceError where it is no
    table.
    """
    csv.field_size_limit(sys.maxsize)
    table = csv.reader(lines, delimiter=separator)
    try:
        names = next(table, None)
        if not names:
            return
        for row in table:
            if row:
                cells = zip(names, row, strict=False)
                yield {name: _value(cell) if name in _LISTS else cell for name, cell in cells}
    except csv.Error as error:
        raise RecurrenceError(f"{place}: line {table.line_num}: no table ({error})") from error


def _value(cell: str) -> Any:
    """The list that a cell holds, as JSON; else the cell."""
    try:
        value = json.loads(cell) if cell.lstrip().startswith("[") else cell
    except (ValueError, RecursionError):
        return cell
    return value


def parquet_rows(file: BinaryIO | Path, place: str) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file. RecurrenceError where pyarrow is missing or the file is
    broken.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise RecurrenceError(
            f"{place}: Parquet files need pyarrow: pip install 'recurrence-lab[files]'"
        ) from error
    try:
        with pyarrow.parquet.ParquetFile(file) as table:
            for batch in table.iter_batches(_ROWS_AT_ONCE, use_threads=False):
                yield from batch.to_pylist()
    except (pyarrow.ArrowException, OSError) as error:
        raise RecurrenceError(f"{place}: no Parquet file, or a broken one ({error})") from error
