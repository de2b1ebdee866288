"""The one error that is meant for people: the command line prints it without a traceback and exits
with 2.
"""

import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches


class RecurrenceError(ValueError):
    """Something outside the code is wrong: says where, what it must be, what it got, and the
    remedy.
    """

    exit_code = 2


LONGEST_REASON = 200
"""Characters of what a library says."""
MOST_NAMES = 25
"""Valid names that a message lists; of more, only the nearest."""
FEW = 8
"""That many of them."""
LONGEST_NAME = 100
"""A longer one is nobody's misspelling, and comparing it takes its time."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """A hint that ends an "unknown name" message: the nearest valid name, then all; of many, the
    nearest few.
    """
    valid = sorted(valid)
    close = nearest_name(name, valid)
    guess = f"did you mean {close!r}? " if close else ""
    if len(valid) <= MOST_NAMES:
        return f"{guess}available: {', '.join(valid) or 'none'}"
    few = get_close_matches(name[:LONGEST_NAME], valid, n=FEW, cutoff=0.0)
    return f"{guess}nearest: {', '.join(few)}; there are {len(valid):,}"


def nearest_name(name: str, valid: Iterable[str]) -> str | None:
    """The valid name that looks most like `name`, if any does."""
    if len(name) > LONGEST_NAME:
        return None
    close = get_close_matches(name, list(valid), n=1, cutoff=0.5)
    return close[0] if close else None


def command(*words: object) -> str:
    """A command for a person to paste into a shell: whatever is in its words, each stays one
    word.
    """
    return shlex.join(map(str, words))


def in_brief(error: Exception) -> str:
    """What a library says, in one line of bounded length, for the brackets of a message of ours."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}..."


@contextmanager
def refusals_named() -> Iterator[None]:
    """Within, what the system refuses of a file or folder raises RecurrenceError, which names it
    and the reason.
    """
    try:
        yield
    except OSError as error:
        if error.filename is None or not error.strerror:
            raise
        place = str(error.filename)
        if len(place) > LONGEST_REASON:
            place = f"{place[:LONGEST_REASON]}..."
        raise RecurrenceError(
            f"{place}: {error.strerror}; look after that place, then run the same again"
        ) from error
