"""A file from the first place that has it whole: the mirror, then each address in order.

Knows nothing of corpora; what makes a file acceptable is a function that the caller gives.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from recurrence.corpora.addresses import file_name, local_path, shown
from recurrence.errors import RecurrenceError

MAX_BYTES = 4 << 30
"""Of a download, where params.yaml says nothing else."""


@dataclass(frozen=True)
class Fetcher:
    """Where files may come from, and where unfinished ones wait."""

    root: Path
    """Relative local paths start here."""
    partial: Path
    """Folder of unfinished downloads, which the next run goes on with."""
    mirror: str | None = None
    """A folder or base address that is asked first for whatever has a public address."""
    max_bytes: int = MAX_BYTES
    """A download is given up where it has more."""

    def get(
        self,
        addresses: Sequence[str],
        folder: Path,
        accept: Callable[[Path, str], None],
        folders: bool = False,
    ) -> Path:
        """Put the file into `folder` under the name that its first address ends in, and return its
        path.

        With `folders` it may be a folder of this machine as well, of which all that is not hidden
        is copied. `accept(path, where)` raises RecurrenceError for a file that is not the right
        one: it is removed, and the next place tried. When no place is left, raises RecurrenceError
        with all that was tried.
        """
        target = folder / file_name(addresses[0])
        tried = []
        for place in self._places(addresses):
            try:
                self._bring(place, target, folders)
                accept(target, shown(place))
                return target
            except RecurrenceError as error:
                _remove(target)
                place = shown(place)
                tried.append(f"\n  {place}: {str(error).removeprefix(f'{place}: ')}")
        raise RecurrenceError(
            f"no place gives a good {target.name}:{''.join(tried)}\n{self._remedy(addresses)}"
        )

    def _places(self, addresses: Sequence[str]) -> list[str]:
        if self.mirror is None or local_path(addresses[0]) is not None:
            return list(addresses)
        name = file_name(addresses[0])
        is_address = "://" in self.mirror
        return [
            f"{self.mirror.rstrip('/')}/{quote(name)}"
            if is_address
            else str(Path(self.mirror, name)),
            *addresses,
        ]

    def _bring(self, place: str, target: Path, folders: bool) -> None:
        path = local_path(place)
        if path is None:
            shutil.move(self._download(place), target)
            return
        source = self.root / path
        if folders and source.is_dir():
            _copy_folder(source, target, place)
            return
        try:
            if source.exists() and not source.is_dir() and not source.is_file():
                raise RecurrenceError(f"{place}: must be a file, is a device or a pipe")
            with source.open("rb"):
                pass
        except OSError as error:
            raise RecurrenceError(f"{place}: {error.strerror}") from error
        shutil.copyfile(source, target)

    def _download(self, place: str) -> Path:
        try:
            from recurrence.corpora.http import Unreachable, download
        except ImportError as error:
            raise RecurrenceError(
                "downloads need aiohttp; pip install 'recurrence-lab[lab]' (make run does)"
            ) from error
        try:
            return download(place, file_name(place), self.partial, self.max_bytes)
        except Unreachable as error:
            raise RecurrenceError(f"{shown(place)}: {error}") from error

    def _remedy(self, addresses: Sequence[str]) -> str:
        if local_path(addresses[0]) is not None:
            return f"mend the path; a relative one starts at {self.root}"
        return (
            "check the addresses, the digests and the connection, "
            f"or let RECURRENCE_MIRROR name a folder or base address that has "
            f"{file_name(addresses[0])}"
        )


def _copy_folder(source: Path, target: Path, place: str) -> None:
    """Copy the files of a folder, links to files as what they lead to; links to folders are left
    out (one may lead back).
    """
    count = 0
    for inside in sorted(source.rglob("[!.]*")):
        name = inside.relative_to(source)
        if inside.is_file() and not any(part.startswith(".") for part in name.parts):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(inside, target / name)
            count += 1
    if not count:
        raise RecurrenceError(f"{place}: a folder without files; put some texts into it")


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
