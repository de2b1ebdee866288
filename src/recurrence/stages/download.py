"""download: a corpus's params block -> data/raw/<corpus>/, the files as they came, digests
checked.
"""

import os
from pathlib import Path

from recurrence import corpora, params, paths
from recurrence.console import say
from recurrence.corpora.fetch import MAX_BYTES, Fetcher
from recurrence.corpora.own import check_source
from recurrence.errors import RecurrenceError
from recurrence.files import atomic_path


def main(key: str) -> None:
    """Get the files of the corpus from the mirror (RECURRENCE_MIRROR), else from its addresses in
    order.
    """
    source = params.corpus(key).source
    root = paths.root()
    try:
        check_source(source, root)
    except RecurrenceError as error:
        raise RecurrenceError(f"params.yaml: corpora.{key}.source.{error}") from error
    fetcher = Fetcher(
        root,
        root / ".recurrence/partial",
        os.environ.get("RECURRENCE_MIRROR") or None,
        source.max_bytes or MAX_BYTES,
    )
    with atomic_path(paths.raw(key)) as folder:
        folder.mkdir()
        try:
            corpora.obtain(source, folder, fetcher)
        except RecurrenceError as error:
            raise RecurrenceError(f"corpora.{key}.source: {error}") from error
        got = ", ".join(map(_told, sorted(folder.iterdir())))
    say(f"download {key}: {got}")


def _told(path: Path) -> str:
    """A file or folder with its size."""
    if path.is_file():
        return f"{path.name} ({path.stat().st_size:,} bytes)"
    sizes = [each.stat().st_size for each in path.rglob("*") if each.is_file()]
    return f"{path.name}/ ({len(sizes):,} files, {sum(sizes):,} bytes)"
