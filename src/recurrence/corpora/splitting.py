"""The ordered split of a corpus into train and validation text. Nothing is shuffled.

The parts go to files as they are read, and a cut is made in the file of the whole: what is in
memory is a piece of a text, whatever its size.
"""

import math
import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple, TextIO

from recurrence.errors import RecurrenceError
from recurrence.params import Split, Tokens
from recurrence.tokens import pieces, token_lines

PARTS = ("train", "valid")
BLOCK = 1 << 20
"""Characters, or bytes, that are copied at a time."""
NEAR = 10_000
"""char_fraction: so many characters beyond the cut, and at most a tenth of what is left, an end of
a line or word is looked for.
"""


def split(
    texts: Mapping[str, Iterable[str]], rule: Split, tokens: Tokens, folder: Path
) -> dict[str, Path]:
    """Write train.txt and valid.txt of what `corpora.read` gives; one after the other they are the
    whole.

    line_fraction: ceil(fraction x newlines) lines go to train. line: that many. char_fraction:
    int(fraction x characters) characters, and what is left of the line, or of the word where the
    line does not end near. token_windows: int(fraction x windows) windows of tokens. given: the
    source's own parts. Raises RecurrenceError where the rule does not fit the source.
    """
    _check(list(texts), rule, tokens)
    files = {part: folder / f"{part}.txt" for part in PARTS}
    if rule.rule == "given":
        for part, text in texts.items():
            _write(files[part], text)
        return files
    (whole,) = texts.values()
    _write(files["train"], whole)
    if rule.rule == "token_windows":
        _by_windows(files, rule, tokens)
    else:
        _cut(files, _place_of_cut(files["train"], rule))
    return files


def first_lines(file: Path, most: int) -> None:
    """Keep only the first lines of a part."""
    end = 0
    with file.open("rb") as text:
        while most and (line := text.readline(BLOCK)):
            most -= line.endswith(b"\n")
            end += len(line)
    os.truncate(file, end)


class Size(NamedTuple):
    """How much text a file has."""

    lines: int
    characters: int
    is_blank: bool
    """Nothing but white space."""


def size(file: Path) -> Size:
    """Lines, the last one also where no newline ends it, and characters of a part."""
    newlines = 0
    characters = 0
    is_blank = True
    last = ""
    with _opened(file) as text:
        for block in _read(text):
            newlines += block.count("\n")
            characters += len(block)
            is_blank = is_blank and block.isspace()
            last = block[-1]
    return Size(newlines + (last != "\n"), characters, is_blank)


def _check(parts: list[str], rule: Split, tokens: Tokens) -> None:
    if rule.rule == "given":
        if set(parts) != set(PARTS):
            raise RecurrenceError(
                "split.rule: given needs a source with members.train and members.valid, "
                "or a dataset with parts of its own"
            )
        return
    if len(parts) > 1:
        raise RecurrenceError(
            f"split.rule: must be given where the source has its own parts, got {rule.rule}"
        )
    if rule.rule == "token_windows" and tokens.unit == "subword":
        raise RecurrenceError(
            "split.rule: token_windows is for characters and words, as subwords are learned from "
            "the train part; use char_fraction"
        )
    if rule.rule == "token_windows" and tokens.eos == "line" and tokens.unit == "word":
        raise RecurrenceError(
            "tokens.eos: line needs lines, which split.rule token_windows does not keep; use part "
            "or none"
        )


# ---------------------------------------------------------------- where to cut


def _place_of_cut(file: Path, rule: Split) -> int:
    """The byte with which the validation text begins."""
    if rule.rule == "char_fraction":
        return _after_characters(file, rule.fraction)
    lines = rule.line
    if lines is None:
        lines = math.ceil(rule.fraction * sum(block.count(b"\n") for block in _blocks(file)))
    return _after_lines(file, lines)


def _after_lines(file: Path, lines: int) -> int:
    """Where so many lines end; the end of the file where there are fewer."""
    place = 0
    for block in _blocks(file):
        count = block.count(b"\n")
        if count >= lines:
            at = 0
            for _ in range(lines):
                at = block.index(b"\n", at) + 1
            return place + at
        lines -= count
        place += len(block)
    return place


def _after_characters(file: Path, fraction: float) -> int:
    with _opened(file) as text:
        total = sum(map(len, _read(text)))
    left = math.floor(fraction * total)
    rest, place = total - left, 0
    with _opened(file) as text:
        while left:
            block = text.read(min(left, BLOCK))
            left -= len(block)
            place += len(block.encode())
        near = text.read(min(rest // 10, NEAR))
    return place + len(near[: _end_in(near)].encode())


def _end_in(text: str) -> int:
    """Behind the first newline, else behind the first white space, else 0."""
    if line := text.find("\n") + 1:
        return line
    return next((at for at, each in enumerate(text, 1) if each.isspace()), 0)


# ---------------------------------------------------------------- files


def _write(file: Path, text: Iterable[str]) -> None:
    with file.open("w", encoding="utf-8", newline="") as out:
        for piece in text:
            out.write(piece)


def _cut(files: dict[str, Path], place: int) -> None:
    """Move what stands behind a place of the train file to the other."""
    with files["train"].open("rb") as whole, files["valid"].open("wb") as rest:
        whole.seek(place)
        while block := whole.read(BLOCK):
            rest.write(block)
    os.truncate(files["train"], place)


def _by_windows(files: dict[str, Path], rule: Split, tokens: Tokens) -> None:
    assert rule.window is not None, "params.Split sees to it"
    whole = files["train"].rename(files["train"].with_name("whole.txt"))
    count = sum(1 for _ in _tokens(whole, tokens))
    windows = len(range(0, count - rule.window - 1, rule.window))
    cut = rule.window * int(rule.fraction * windows)
    stream = _tokens(whole, tokens)
    gap = " " if tokens.unit == "word" else ""
    _write(files["train"], _joined(islice(stream, cut), gap))
    _write(files["valid"], _joined(stream, gap))
    whole.unlink()


def _tokens(file: Path, rule: Tokens) -> Iterator[str]:
    with _opened(file) as text:
        plain = rule.model_copy(update={"eos": "none"})
        yield from chain.from_iterable(token_lines(pieces(text), plain))


def _joined(tokens: Iterable[str], gap: str) -> Iterator[str]:
    before = ""
    for token in tokens:
        yield before + token
        before = gap


def _opened(file: Path) -> TextIO:
    return file.open(encoding="utf-8", newline="\n")


def _read(text: TextIO) -> Iterator[str]:
    while block := text.read(BLOCK):
        yield block


def _blocks(file: Path) -> Iterator[bytes]:
    with file.open("rb") as content:
        while block := content.read(BLOCK):
            yield block
