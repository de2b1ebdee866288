"""A bar on the terminal while samples are judged, if there is much to read."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from recurrence.console import progress

BAR_BYTES = 4_000_000
"""Less is judged before a progress bar would be of use."""


@contextmanager
def watched(files: Sequence[str], rows_pass_by: bool) -> Iterator[Callable[[int], None]]:
    """Told of bytes that are done with, shows a bar on a terminal, unless there is little to read
    or rows pass by.
    """
    total = _total_bytes(files)
    shown = sys.stderr.isatty() and not (rows_pass_by and sys.stdout.isatty())
    pending, advance = 0, None
    with ExitStack() as stack:

        def tell(size: int) -> None:
            nonlocal pending, advance
            pending += size
            if shown and pending >= BAR_BYTES:
                flush()

        def flush() -> None:
            nonlocal pending, advance
            advance = advance or stack.enter_context(
                progress("looking for loops", total and round(total / 1e6, 1), "MB")
            )
            advance(pending / 1e6)
            pending = 0

        if shown and total and total >= BAR_BYTES:
            flush()
        yield tell
        if advance:
            flush()


def _total_bytes(files: Sequence[str]) -> int | None:
    """How much there is to read; None where that cannot be known before."""
    from recurrence.scan.places import walk

    if "-" in files:
        return None
    total = 0
    for file in files:
        for path in walk(file):
            if not path.is_file():
                return None
            total += path.stat().st_size
    return total
