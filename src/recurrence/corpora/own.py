"""The files of a corpus of one's own: those of its addresses that are local paths."""

import os
from pathlib import Path
from shlex import quote

from recurrence.corpora.addresses import local_path
from recurrence.errors import RecurrenceError
from recurrence.params import Source

FOLDER = "texts"
"""Where they lie, from the project's root; dvc watches it."""


def own_files(source: Source, root: Path) -> dict[str, Path]:
    """By address."""
    found = {address: local_path(address) for address in source.addresses}
    return {
        address: Path(os.path.normpath(root / path))  # as written: a link in the folder is in it
        for address, path in found.items()
        if path is not None
    }


def check_place(source: Source, root: Path) -> None:
    """Refuse a file that lies where dvc would not see that it changes."""
    home = root / FOLDER
    for address, path in own_files(source, root).items():
        if home not in path.parents:
            raise RecurrenceError(
                f"addresses: a file of your own must lie in {FOLDER}/, where dvc sees that it "
                f"changes, got {address}; move it there, or: "
                f"ln -s {quote(str(path))} {quote(str(home))}/"
            )
