"""The one error that is meant for people: the command line prints it without a traceback and exits with 2."""

import shlex
from collections.abc import Iterable
from difflib import get_close_matches


class RecurrenceError(ValueError):
    """Something outside the code is wrong: says where, what it must be, what it got, and the remedy."""

    exit_code = 2


def nearest(name: str, valid: Iterable[str]) -> str:
    """A hint that ends an "unknown name" message: the nearest valid name, then all of them."""
    valid = sorted(valid)
    close = nearest_name(name, valid)
    guess = f"did you mean {close!r}? " if close else ""
    return f"{guess}available: {', '.join(valid) or 'none'}"


def nearest_name(name: str, valid: Iterable[str]) -> str | None:
    """The valid name that looks most like `name`, if any does."""
    close = get_close_matches(name, list(valid), n=1, cutoff=0.5)
    return close[0] if close else None


def command(*words: object) -> str:
    """A command for a person to paste into a shell: whatever is in its words, each stays one word."""
    return shlex.join(map(str, words))
