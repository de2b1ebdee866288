"""Folding: a text without what does not make it news: case, how lines are wrapped, which number
stands there.

In: tokens. Out: fewer, folded ones, and where each stood. Letters lose their case, white space
becomes one blank, a number one 0, and a row of one and the same sign (a rule, leaders, indentation)
one sign. So `Step 9:` and `step 10:` are equal, and rows that people fill with signs have no
length.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from recurrence.loops.fingerprints import Flags, Ints

_TABLE = 1 << 16
"""Characters that are looked up; others stay as they are."""
HEAVY = 2.5
"""What a character of a dense script weighs."""
_DENSE = ((0x1100, 0x11FF), (0x2E80, 0x9FFF), (0xA960, 0xA97F), (0xAC00, 0xD7FF), (0xF900, 0xFAFF))
"""Scripts of which a character says as much as two or three letters: Hangul, kana, Han."""


def fold_characters(codes: Ints) -> tuple[Ints, Flags]:
    """Code points folded, and which of them stay."""
    letters, lower = _tables()
    if codes.dtype == np.uint8:
        folded = np.frombuffer(
            codes.tobytes().translate(lower[:256].astype(np.uint8).tobytes()), np.uint8
        )
        rows = folded < 0x61
    else:
        known = np.minimum(codes, _TABLE - 1)
        folded = np.where(codes < _TABLE, lower[known], codes).astype(codes.dtype)
        rows = ~letters[np.minimum(folded, _TABLE - 1)]
    kept = np.ones(len(codes), np.bool_)
    kept[1:] = (folded[1:] != folded[:-1]) | ~rows[1:]
    return folded, kept


def fold_names(names: Sequence[str | int]) -> NDArray[np.int64]:
    """Per token its number once it is folded: those whose names differ in case and numbers alone
    have the same one.
    """
    known: dict[str, int] = {}
    return np.array([known.setdefault(_folded_name(name), len(known)) for name in names], np.int64)


def dense(codes: Ints) -> Flags:
    """Which characters are of a dense script."""
    found: Flags = np.zeros(len(codes), np.bool_)
    if codes.dtype != np.uint8:
        for first, last in _DENSE:
            found |= (codes >= first) & (codes <= last)
    return found


def _folded_name(name: str | int) -> str:
    if isinstance(name, int):
        return str(name)
    folded, kept = fold_characters(np.array([ord(character) for character in name], np.uint32))
    return "".join(map(chr, folded[kept].tolist()))


@lru_cache(maxsize=1)
def _tables() -> tuple[Flags, NDArray[np.uint32]]:
    """Per character whether it is a letter, and what it is folded to."""
    lower = np.arange(_TABLE, dtype=np.uint32)
    letters = np.zeros(_TABLE, np.bool_)
    for code in range(_TABLE):
        character = chr(code)
        letters[code] = character.isalpha()
        if character.isspace():
            lower[code] = 0x20
        elif character.isdecimal():
            lower[code] = 0x30
        elif character.isupper() and len(small := character.lower()) == 1:
            lower[code] = ord(small) if (ord(small) > 255) == (code > 255) else code
    letters[_TABLE - 1] = True
    return letters, lower
