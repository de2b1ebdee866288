"""Addresses of files, as params.yaml has them: what they name, and how they may be shown."""

import os
import re
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import url2pathname

from recurrence.errors import RecurrenceError

LONGEST_NAME = 255
"""Bytes that a file system takes."""
_LOGIN = re.compile(r"(?<=//)(?:.*:.*|[^/?#]*)@", re.DOTALL)
"""A password may hold any of / ? # @ where nobody has escaped it, so this takes all up to the last
@; a path that has an @ after a port is hidden with it.
"""
_QUERY = re.compile(r"\?[^#]*")


def shown(address: str) -> str:
    """The address without what may be secret: a login, and the values of a query (many are
    keys).
    """
    if "//" not in address:
        return address
    return _QUERY.sub("?...", _LOGIN.sub("***@", address, count=1))


def file_name(address: str) -> str:
    """The last component of an address or path; raises RecurrenceError where that cannot name a
    file.
    """
    path = _split(address).path if local_path(address) is None else address
    name = unquote(path).rsplit("/", 1)[-1]
    if name in ("", ".", "..") or "\\" in name or "\0" in name:
        raise RecurrenceError(f"{shown(address)}: must end in the name of a file")
    if len(os.fsencode(name)) > LONGEST_NAME:
        raise RecurrenceError(
            f"{shown(address)}: must end in the name of a file, of at most {LONGEST_NAME} bytes"
        )
    return name


def local_path(address: str) -> Path | None:
    """The path that an address without a scheme, or with file:, means; None for http(s),
    RecurrenceError for others.
    """
    parts = _split(address)
    scheme = parts.scheme.lower()
    if scheme in ("http", "https"):
        if not parts.hostname:
            raise RecurrenceError(f"{shown(address)}: must name a host")
        return None
    if scheme == "file":
        return _path(address, url2pathname(parts.path))
    if "://" in address:
        raise RecurrenceError(
            f"{shown(address)}: must be a path, or an address with http:, https: or file:"
        )
    return _path(address, address)


def _split(address: str) -> SplitResult:
    try:
        os.fsencode(address)
        parts = urlsplit(address)
        _ = parts.port  # read only here, and checked only when read
    except ValueError as error:
        raise RecurrenceError(
            f"{shown(address)}: must be an address or a path ({error})"
        ) from error
    return parts


def _path(address: str, path: str) -> Path:
    if "\0" in path:
        raise RecurrenceError(f"{shown(address)}: must be a path, which has no NUL character")
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise RecurrenceError(f"{shown(address)}: must be a path ({error})") from error
