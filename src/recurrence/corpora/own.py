"""The files of a corpus of one's own: those of its addresses that are local paths."""

import os
from pathlib import Path
from shlex import quote

from recurrence.corpora.addresses import local_path
from recurrence.errors import RecurrenceError
from recurrence.params import Source, Tokens

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


def check_source(source: Source, root: Path) -> None:
    """Refuse a file that lies where dvc would not see that it changes."""
    for address, path in own_files(source, root).items():
        check_place("addresses", address, path, root)


def tokenizer_file(tokens: Tokens, root: Path) -> Path | None:
    """The tokenizer.json that the tokens are of; None where there is none, RecurrenceError where it
    lies elsewhere.
    """
    if tokens.tokenizer is None:
        return None
    path = Path(os.path.normpath(root / Path(tokens.tokenizer).expanduser()))
    check_place("subwords", tokens.tokenizer, path, root)
    return path


def check_place(field: str, given: str, path: Path, root: Path) -> None:
    """Refuse a file of one's own outside FOLDER; the error names the field and the remedy."""
    home = root / FOLDER
    if home not in path.parents:
        raise RecurrenceError(
            f"{field}: a file of your own must lie in {FOLDER}/, where dvc sees that it "
            f"changes, got {given}; move it there, or: "
            f"ln -s {quote(str(path))} {quote(str(home))}/"
        )
