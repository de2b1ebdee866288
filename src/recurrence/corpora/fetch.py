"""A file from the first place that has it whole: the mirror, then each address in order.

Knows nothing of corpora; what makes a file acceptable is a function that the caller gives.
"""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit
from urllib.request import url2pathname

from recurrence.corpora.http import Unreachable, download
from recurrence.errors import RecurrenceError


@dataclass(frozen=True)
class Fetcher:
    """Where files may come from, and where unfinished ones wait."""

    root: Path
    """Relative local paths start here."""
    partial: Path
    """Folder of unfinished downloads, which the next run goes on with."""
    mirror: str | None = None
    """A folder or base address that is asked first for whatever has a public address."""

    def get(
        self, addresses: Sequence[str], folder: Path, accept: Callable[[Path, str], None]
    ) -> Path:
        """Put the file into `folder` under the name that its first address ends in, and return its path.

        `accept(path, where)` raises RecurrenceError for a file that is not the right one: it is removed, and the next
        place tried. When no place is left, raises RecurrenceError with all that was tried.
        """
        target = folder / file_name(addresses[0])
        tried = []
        for place in self._places(addresses):
            try:
                self._bring(place, target)
                accept(target, place)
                return target
            except (Unreachable, RecurrenceError) as error:
                target.unlink(missing_ok=True)
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

    def _bring(self, place: str, target: Path) -> None:
        path = local_path(place)
        if path is None:
            shutil.move(download(place, file_name(place), self.partial), target)
            return
        try:
            with (self.root / path).open("rb"):
                pass
        except OSError as error:
            raise Unreachable(error.strerror) from error
        shutil.copyfile(self.root / path, target)

    def _remedy(self, addresses: Sequence[str]) -> str:
        if local_path(addresses[0]) is not None:
            return f"mend the path; a relative one starts at {self.root}"
        return (
            "check the addresses, the digests and the connection, "
            f"or let RECURRENCE_MIRROR name a folder or base address that has {file_name(addresses[0])}"
        )


def file_name(address: str) -> str:
    """The last component of an address or path; raises RecurrenceError where that cannot name a file."""
    path = urlsplit(address).path if local_path(address) is None else address
    name = unquote(path).rsplit("/", 1)[-1]
    if name in ("", ".", "..") or "\\" in name or "\0" in name:
        raise RecurrenceError(f"{address}: must end in the name of a file")
    return name


def local_path(address: str) -> Path | None:
    """The path that an address without a scheme, or with file:, means; None for http(s), RecurrenceError for others."""
    scheme = urlsplit(address).scheme.lower()
    if scheme in ("http", "https"):
        return None
    if scheme == "file":
        return Path(url2pathname(urlsplit(address).path))
    if "://" in address:
        raise RecurrenceError(
            f"{address}: must be a path, or an address with http:, https: or file:"
        )
    return Path(address).expanduser()
