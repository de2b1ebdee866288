"""Text to tokens and back: characters or words. Knows no vocabularies."""

import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TextIO

import regex

from recurrence.errors import RecurrenceError
from recurrence.params import Tokens

EOS = "<eos>"
PIECE = 1 << 20
"""Characters of a line that are held at once."""
_LONGEST_WORD = 10_000
"""So far back from its end a piece is searched for white space at which to cut it."""

# Words of raw prose: punctuation stands alone, contractions fall apart as in the treebanks
# (did|n't, it|'s), repeated marks stay together, and what is already a token (<eos>, n't, 's) stays
# one, so that joining the tokens by spaces and splitting again changes nothing. The first line
# takes most words at once; the others matter only before a mark.
_PROSE = regex.compile(
    r"""
      \w++(?!['’.,:])
    | \p{L}+(?=n['’]t\b) | n['’]t\b | ['’](?:s|m|d|re|ve|ll)\b
    | \d+(?:[.,:]\d+)*+(?!\w)
    | (?:\p{L}\.){2,}
    | \w+
    | <(?:unk|pad|eos)>
    | \.+ | -+ | !+ | \?+ | \*+ | =+ | [^\w\s]
    """,
    regex.VERBOSE | regex.IGNORECASE,
)


def pieces(file: TextIO, most: int = PIECE) -> Iterator[str]:
    """The lines of a text, newlines included; one of more than `most` characters in several pieces.

    Only `\\n` ends a line, so the file must be opened with newline="\\n". A long line is cut after
    white space, so that its words stay whole, but for a word of more than 10,000 characters.
    """
    rest = ""
    while part := file.readline(most):
        part, rest = rest + part, ""
        if len(part) >= most and not part.endswith("\n"):
            cut = _after_space(part)
            part, rest = part[:cut], part[cut:]
        yield part
    if rest:
        yield rest


def text_pieces(path: Path) -> Iterator[str]:
    """The pieces of a text that a stage wrote; RecurrenceError, at once, where it is not there."""
    if not path.is_file():
        raise RecurrenceError(f"{path}: no such file; run the stage that writes it (`dvc repro`)")
    return _pieces_of(path)


def _pieces_of(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8", newline="\n") as file:
        yield from pieces(file)


def _after_space(text: str) -> int:
    """Where the last white space near the end of a text ends; its whole length where there is
    none.
    """
    first = max(len(text) - _LONGEST_WORD, 0)
    return next((end for end in range(len(text), first, -1) if text[end - 1].isspace()), len(text))


def tokenize(text: str, rule: Tokens) -> list[str]:
    """All tokens of a whole part, `<eos>` included where the rule puts it."""
    return list(chain.from_iterable(token_lines(pieces(io.StringIO(text, newline="\n")), rule)))


def token_lines(lines: Iterable[str], rule: Tokens) -> Iterator[list[str]]:
    """The same tokens piece by piece, of lines or pieces of lines, so that a large part is never
    held as strings.
    """
    for text, ends in cleaned(lines, rule):
        tokens = _split(text, rule)
        if ends:
            tokens.append(EOS)
        yield tokens


def cleaned(lines: Iterable[str], rule: Tokens) -> Iterator[tuple[str, bool]]:
    """Each piece in the case and with the newline that the rule wants, and whether an <eos> follows
    it.
    """
    is_open = False
    for line in lines:
        is_open = not line.endswith("\n")
        text = line.lower() if rule.lower else line
        if rule.newlines == "drop":
            text = text.removesuffix("\n")
        yield text, rule.eos == "line" and not is_open
    if rule.eos == "part" or (rule.eos == "line" and is_open):
        yield "", True


def detokenize(tokens: Sequence[str], unit: str) -> str:
    """Characters and subwords side by side, words with one space between them; specials as they are
    written.
    """
    return (" " if unit == "word" else "").join(tokens)


def _split(line: str, rule: Tokens) -> list[str]:
    if rule.unit == "char":
        return list(line)
    if rule.words == "space":
        return line.split()
    words: list[str] = _PROSE.findall(line)
    return words
