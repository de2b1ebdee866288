"""One text to be judged, cut into tokens that are numbers: characters, words, tokens of any
tokeniser, or events.
"""

import re
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.integer[Any]]

Token = TypeVar("Token", bound=Hashable)

_CODES = {"latin-1": "<u1", "utf-16-le": "<u2", "utf-32-le": "<u4"}
"""Encodings in which a text may have one number per character, the smallest first."""
_CHARACTERS_AT_ONCE = 1 << 20
"""So much of a text is in words at a time: as str objects, they take ten times the memory of their
text.
"""
_SPACE = re.compile(r"\s")


class Origin(NamedTuple):
    """Where a sample was read."""

    file: str
    record: int | None = None
    """Its line in JSONL, its row or element elsewhere, counted from 1; None: the file is the
    sample.
    """
    part: str | None = None
    """Which part of its record it is, such as `choices[0].reasoning`; None: there is one alone."""
    group: str | None = None
    """What the record has in the field that samples are grouped by."""


@dataclass(frozen=True)
class Sample:
    """One text to be judged, as numbers that are equal where its tokens are."""

    id: str
    unit: str
    """What the tokens are: char, word, token (what a record gave as tokens) or event (of an agent's
    trace).
    """
    ids: Ints
    names: Sequence[str | int] | None = None
    """The token of each id; None: the ids are code points."""
    origin: Origin = Origin("")

    def spell(self, start: int, end: int) -> str | list[str | int]:
        """Some of the tokens as they are written: a text, or a list of tokens or events."""
        part = self.ids[start:end]
        if self.names is None:
            return _text(part)
        tokens = [self.names[i] for i in part.tolist()]
        return " ".join(map(str, tokens)) if self.unit == "word" else tokens

    def text(self) -> str | None:
        """The whole, words with a space between them; None where it is tokens or events."""
        spelled = self.spell(0, len(self.ids)) if self.unit in ("char", "word") else None
        return spelled if isinstance(spelled, str) else None


def of_text(text: str, name: str, unit: str | None = None, origin: Origin | None = None) -> Sample:
    """A text as a sample of characters, or of words (which white space parts)."""
    origin = origin or Origin(name)
    if unit == "word":
        return Sample(name, "word", *_words(text), origin)
    return Sample(name, "char", _characters(text), origin=origin)


def of_tokens(tokens: Iterable[str | int], name: str, origin: Origin | None = None) -> Sample:
    """Tokens of any tokeniser, numbers or strings, as a sample."""
    numbers = _Numbers[str | int]()
    ids = np.fromiter(map(numbers.__getitem__, tokens), np.int32)
    return Sample(name, "token", ids, list(numbers), origin or Origin(name))


def of_events(events: Iterable[Hashable], name: str, origin: Origin | None = None) -> Sample:
    """What happened, as a sample; an event is spelled by its own str()."""
    numbers = _Numbers[Hashable]()
    ids = np.fromiter(map(numbers.__getitem__, events), np.int32)
    return Sample(name, "event", ids, list(map(str, numbers)), origin or Origin(name))


class _Numbers(dict[Token, int]):
    """Token -> number, a new one for each token that is new."""

    def __missing__(self, token: Token) -> int:
        self[token] = number = len(self)
        return number


def _characters(text: str) -> Ints:
    """Code points, as narrow as they go; a lone surrogate (from JSON escapes) is a character like
    any.
    """
    for encoding, kind in _CODES.items():
        try:
            codes = np.frombuffer(text.encode(encoding, "surrogatepass"), kind)
        except UnicodeEncodeError:
            continue
        if len(codes) == len(text):
            return codes
    raise AssertionError("unreachable: UTF-32 has one number per character")


def _text(codes: Ints) -> str:
    encoding = next(encoding for encoding, kind in _CODES.items() if codes.dtype == kind)
    return codes.tobytes().decode(encoding, "surrogatepass")


def _words(text: str) -> tuple[Ints, list[str | int]]:
    """The words' numbers, and each number's word."""
    numbers, parts, start = _Numbers[str | int](), [np.zeros(0, np.int32)], 0
    while start < len(text):
        space = _SPACE.search(text, start + _CHARACTERS_AT_ONCE)
        end = space.start() if space else len(text)
        parts.append(np.fromiter(map(numbers.__getitem__, text[start:end].split()), np.int32))
        start = end
    return np.concatenate(parts), list(numbers)
