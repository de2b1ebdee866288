"""Text to tokens and back: characters or words. Knows neither files nor vocabularies."""

import io
from collections.abc import Iterator, Sequence
from itertools import chain

import regex

from recurrence.params import Tokens

EOS = "<eos>"

# Words of raw prose: punctuation stands alone, contractions fall apart as in the treebanks (did|n't, it|'s), repeated
# marks stay together, and what is already a token (<eos>, n't, 's) stays one, so that joining the tokens by spaces and
# splitting again changes nothing. The first line takes most words at once; the others matter only before a mark.
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


def tokenize(text: str, rule: Tokens) -> list[str]:
    """All tokens of a whole part, `<eos>` included where the rule puts it."""
    return list(chain.from_iterable(token_lines(text, rule)))


def token_lines(text: str, rule: Tokens) -> Iterator[list[str]]:
    """The same tokens line by line, so that a large part need not be held as a list of strings."""
    for line in io.StringIO(text, newline="\n"):
        tokens = _split(line.lower() if rule.lower else line, rule)
        if rule.eos == "line":
            tokens.append(EOS)
        yield tokens
    if rule.eos == "part":
        yield [EOS]


def line_count(text: str) -> int:
    """Lines of a text, the last one also where no newline ends it."""
    return text.count("\n") + (not text.endswith("\n"))


def detokenize(tokens: Sequence[str], unit: str) -> str:
    """Characters side by side, words with one space between them; specials as they are written."""
    return ("" if unit == "char" else " ").join(tokens)


def _split(line: str, rule: Tokens) -> list[str]:
    if rule.unit == "char":
        return list(line if rule.newlines == "keep" else line.removesuffix("\n"))
    if rule.words == "space":
        return line.split()
    words: list[str] = _PROSE.findall(line)
    return words
