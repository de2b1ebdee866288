"""The numbers from 1 to 9,999 in English words: the one corpus that needs no source, since code can
write it.

The files are byte for byte those of fast.ai's `human_numbers` sample (Apache-2.0), whose digests
the params give.
"""

from collections.abc import Iterator
from pathlib import Path

from recurrence.corpora.digests import check_file
from recurrence.corpora.fetch import Fetcher
from recurrence.errors import RecurrenceError, nearest
from recurrence.params import Source

FILES = {"train.txt": range(1, 8000), "valid.txt": range(8001, 10000)}
# fmt: off
_UNITS = ("one", "two", "three", "four", "five", "six", "seven", "eight",
          "nine", "ten", "eleven", "twelve", "thirteen", "fourteen",
          "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
# fmt: on
_TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")


def spell(number: int) -> str:
    """A number from 1 to 9,999 in words, without "and" or hyphen."""
    if number >= 1000:
        return f"{spell(number // 1000)} thousand {spell(number % 1000)}".rstrip()
    if number >= 100:
        return f"{spell(number // 100)} hundred {spell(number % 100)}".rstrip()
    if number >= 20:
        return f"{_TENS[number // 10 - 2]} {spell(number % 10)}".rstrip()
    return _UNITS[number - 1] if number else ""


def obtain(source: Source, folder: Path, fetcher: Fetcher) -> None:
    """Write the two files (each line ends in a space) and hold them against the published
    digests.
    """
    for name, numbers in FILES.items():
        text = "".join(f"{spell(number)} \n" for number in numbers)
        (folder / name).write_text(text, encoding="ascii", newline="")
    for name, digest in source.member_digests.items():
        if name not in FILES:
            raise RecurrenceError(
                f"member_digests: no file {name!r} is written; {nearest(name, FILES)}"
            )
        check_file(folder / name, [digest], name)


def read(source: Source, folder: Path) -> dict[str, Iterator[str]]:
    """The lines of both files in order, joined by ` . `, as the part `whole`."""
    lines = [
        line.strip()
        for name in FILES
        for line in (folder / name).read_text(encoding="ascii").splitlines()
    ]
    return {"whole": iter([" . ".join(lines)])}
