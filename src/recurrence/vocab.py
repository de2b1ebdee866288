"""Vocab: which tokens there are and the id of each; built from tokens, kept as JSON. Knows no paths
of the project.
"""

import io
import json
import reprlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurrence import files, subwords
from recurrence.errors import RecurrenceError, in_brief
from recurrence.params import Tokens, VocabRule
from recurrence.tokens import EOS, PIECE, cleaned, detokenize, pieces, token_lines

UNK = "<unk>"
MOST_BYTES = 1 << 28
"""Of a vocabulary on disk: some ten million words."""
TOGETHER = 1 << 16
"""Tokens that are turned into ids at once."""
LINES = 256
"""Lines that are cut into subwords at once."""
Line = tuple[str, bool]
"""A text, and whether an <eos> follows it."""
Ids = NDArray[np.unsignedinteger[Any] | np.int32]


@dataclass
class Counts:
    """What is counted of a part while its ids are made."""

    tokens: int = 0
    characters: int = 0
    """Of the text that the tokens spell; without <eos> where they stand side by side."""
    unk: int = 0
    newlines: int = 0
    ends: bool = False
    """The text so far ends in a newline."""

    @property
    def tree(self) -> dict[str, float]:
        """Tokens, characters, unk, unk_rate and lines."""
        return {
            "tokens": self.tokens,
            "characters": self.characters,
            "unk": self.unk,
            "unk_rate": self.unk / max(self.tokens, 1),
            "lines": self.newlines + (not self.ends),
        }


@dataclass(frozen=True)
class Vocab:
    """Tokens by id, specials first, and the rule by which text becomes such tokens."""

    tokens: tuple[str, ...]
    specials: tuple[str, ...]
    rule: Tokens
    tokenizer: str | None = field(default=None, repr=False)
    """subword: the tokenizer.json."""

    @classmethod
    def build(cls, tokens: Iterable[str], rule: VocabRule, token_rule: Tokens) -> "Vocab":
        """The vocabulary of a stream of tokens: specials, then what occurs at least min_count
        times.

        max_size bounds the entries beside the specials (the most frequent stay). A token that is
        written like a special takes the special's id. Raises RecurrenceError where nothing but
        specials is left.
        """
        counts = Counter(tokens)
        kept = [t for t, n in counts.items() if n >= rule.min_count and t not in rule.specials]
        if not kept:
            raise RecurrenceError(
                f"vocab.min_count: must leave some tokens, but none occurs {rule.min_count} times"
            )
        entries = sorted(kept, key=lambda t: (-counts[t], t))[: rule.max_size]
        if rule.order == "sorted":
            entries.sort()
        elif rule.order == "first_use":
            chosen = set(entries)
            entries = [token for token in kept if token in chosen]
        return cls(rule.specials + tuple(entries), rule.specials, token_rule)

    @classmethod
    def of_subwords(cls, tokenizer: str, token_rule: Tokens) -> "Vocab":
        """The vocabulary of a tokenizer.json; its specials are those that it says are special."""
        known = subwords.of(tokenizer)
        return cls(known.tokens, known.specials, token_rule, tokenizer)

    @property
    def unit(self) -> str:
        """char, word or subword."""
        return self.rule.unit

    @property
    def detected_as(self) -> str:
        """The unit as loops/ calls it, where tokens of any tokenizer are `token`."""
        return "token" if self.unit == "subword" else self.unit

    @cached_property
    def spellings(self) -> tuple[str, ...]:
        """The text of each token by itself; of a subword that is part of a character, U+FFFD."""
        if self.tokenizer is None:
            return self.tokens
        known = subwords.of(self.tokenizer)
        return tuple(known.decode([i]) for i in range(len(self)))

    @property
    def unk(self) -> int | None:
        """The id of <unk>, None where unknown tokens are an error."""
        return self.index.get(UNK) if UNK in self.specials else None

    @cached_property
    def index(self) -> dict[str, int]:
        """Token to id."""
        return {token: i for i, token in enumerate(self.tokens)}

    @cached_property
    def by_spelling(self) -> dict[str, int]:
        """Text of a token to its id; of several that are spelled alike the first."""
        return {text: i for i, text in reversed(list(enumerate(self.spellings)))}

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, tokens: Sequence[str]) -> NDArray[np.int32]:
        """Ids (int32) of tokens; unknown ones become <unk>, or raise RecurrenceError where there is
        no <unk>.
        """
        index = self.index
        if (
            self.unk is None
            and (unknown := next((t for t in tokens if t not in index), None)) is not None
        ):
            raise RecurrenceError(
                f"token {unknown!r} is not among the {len(self)} of the vocabulary, which has no "
                f"<unk>; "
                "use text of the corpus, or add <unk> to the specials of its vocab block"
            )
        return np.fromiter(map(index.get, tokens, repeat(self.unk)), np.int32, len(tokens))

    def encode_text(self, text: str) -> NDArray[np.int32]:
        """Ids of a text (a prompt), tokenized as the corpus was, without adding <eos>."""
        rule = self.rule.model_copy(update={"eos": "none"})
        found = [ids for ids, _ in self._lines(_lines_of(text), rule)]
        return np.concatenate([np.zeros(0, np.int32), *found])

    def encode_part(self, text: str) -> tuple[Ids, dict[str, float]]:
        """Ids of a whole text in the smallest type that holds the vocabulary, and what was counted
        on the way.
        """
        counts = Counts()
        found = list(self.encode_lines(_lines_of(text), counts))
        return np.concatenate([np.zeros(0, self.id_type), *found]), counts.tree

    def encode_lines(self, lines: Iterable[str], counts: Counts) -> Iterator[Ids]:
        """The ids of a part some lines at a time, in the smallest type that holds the vocabulary;
        `counts` grows with them.
        """
        for ids, characters in self._lines(_counted(lines, counts), self.rule):
            if self.unit == "word" and counts.tokens and len(ids):
                counts.characters += 1  # the space before the first
            counts.characters += characters
            counts.tokens += len(ids)
            if self.unk is not None:
                counts.unk += int(np.count_nonzero(ids == self.unk))
            yield ids.astype(self.id_type)

    def _lines(self, lines: Iterable[str], rule: Tokens) -> Iterator[tuple[NDArray[np.int32], int]]:
        """Ids of some lines at a time, and the characters of the text that they spell."""
        if self.tokenizer is not None:
            yield from self._subword_lines(lines, rule)
            return
        if self.unit == "char":
            yield from self._char_lines(lines, rule)
            return
        for tokens in _together(token_lines(lines, rule)):
            characters = sum(map(len, tokens)) + max(len(tokens) - 1, 0)
            yield self.encode(tokens), characters

    def _char_lines(
        self, lines: Iterable[str], rule: Tokens
    ) -> Iterator[tuple[NDArray[np.int32], int]]:
        for batch in _batched(cleaned(lines, rule)):
            text = "".join(text for text, _ in batch)
            ids = self._encode_characters(text)
            places = np.cumsum([len(text) for text, _ in batch])
            ends = places[[ends for _, ends in batch]]
            if len(ends):
                ids = np.insert(ids, ends, self.encode([EOS])[0])
            yield ids, len(text)

    def _encode_characters(self, text: str) -> NDArray[np.int32]:
        """What `encode` gives for the characters of a text, without an object for each."""
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        ids = self._by_code[np.minimum(codes, len(self._by_code) - 1)]
        if ids.size and ids.min() < 0:
            if self.unk is None:
                return self.encode(list(text))  # which names what is unknown
            ids[ids < 0] = self.unk
        return ids

    @cached_property
    def _by_code(self) -> NDArray[np.int32]:
        """Code point to id, -1 for what is unknown and at the end for all beyond."""
        known = {ord(token): i for token, i in self.index.items() if len(token) == 1}
        table = np.full(max(known, default=-1) + 2, -1, np.int32)
        table[list(known)] = list(known.values())
        return table

    def _subword_lines(
        self, lines: Iterable[str], rule: Tokens
    ) -> Iterator[tuple[NDArray[np.int32], int]]:
        assert self.tokenizer is not None
        known = subwords.of(self.tokenizer)
        for batch in _batched(cleaned(lines, rule)):
            ids: list[int] = []
            for (_, ends), found in zip(
                batch, known.encode([text for text, _ in batch]), strict=True
            ):
                ids += found
                if ends:
                    ids.append(self._id_of_eos())
            yield np.array(ids, np.int32), sum(len(text) for text, _ in batch)

    def _id_of_eos(self) -> int:
        if EOS not in self.index:
            raise RecurrenceError(
                f"tokens.eos: needs {EOS} among the specials of the vocab block, which has it not"
            )
        return self.index[EOS]

    @property
    def id_type(self) -> type[np.uint8] | type[np.uint16] | type[np.int32]:
        """The smallest type of an id array: uint8, uint16 or int32."""
        return np.uint8 if len(self) <= 1 << 8 else np.uint16 if len(self) <= 1 << 16 else np.int32

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids; specials appear as they are written."""
        if self.tokenizer is not None:
            return subwords.of(self.tokenizer).decode([int(i) for i in ids])
        return detokenize([self.tokens[i] for i in ids], self.unit)

    def spoken(self, ids: Iterable[int]) -> Iterator[tuple[int, str]]:
        """Each id as it comes, with the text that it adds: that of a character with its last
        byte.
        """
        if self.tokenizer is not None:
            yield from subwords.of(self.tokenizer).spoken(ids)
            return
        for i in ids:
            yield i, self.decode([i])

    def special_ids(self) -> list[int]:
        """Ids of the specials."""
        return [self.index[token] for token in self.specials]

    def save(self, path: Path) -> None:
        """Write as JSON: {tokens, specials, rule}, of subwords also the tokenizer.json as
        `tokenizer`.
        """
        tree = {"tokens": self.tokens, "specials": self.specials, "rule": self.rule.model_dump()}
        if self.tokenizer is not None:
            tree["tokenizer"] = json.loads(self.tokenizer)
        files.write_json(path, tree)

    @classmethod
    def load(cls, path: Path) -> "Vocab":
        """Read what `save` wrote; anything else is a RecurrenceError."""
        tree = files.read_json(path, MOST_BYTES)
        try:
            tokens, specials = _texts(tree, "tokens"), _texts(tree, "specials")
            if unknown := set(specials) - set(tokens):
                raise ValueError(f"specials must be among its tokens, {min(unknown)!r} is not")
            rule = Tokens.model_validate(tree["rule"])
            if rule.unit != "subword":
                return cls(tokens, specials, rule)
            return cls(tokens, specials, rule, json.dumps(tree["tokenizer"], ensure_ascii=False))
        except (KeyError, TypeError, ValueError) as error:
            raise RecurrenceError(
                f"{path}: not a vocabulary ({in_brief(error)}); delete it and run `dvc repro`"
            ) from error


def _together(lines: Iterable[list[str]]) -> Iterator[list[str]]:
    """Tokens of as many lines as make up TOGETHER."""
    held: list[str] = []
    for tokens in lines:
        held += tokens
        if len(held) >= TOGETHER:
            yield held
            held = []
    if held:
        yield held


def _batched(lines: Iterable[Line]) -> Iterator[list[Line]]:
    """Up to LINES lines at a time, and not many more characters than one piece of a line may
    have.
    """
    batch: list[Line] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line[0])
        if len(batch) >= LINES or size >= PIECE:
            yield batch
            batch = []
            size = 0
    if batch:
        yield batch


def _lines_of(text: str) -> Iterator[str]:
    return pieces(io.StringIO(text, newline="\n"))


def _counted(lines: Iterable[str], counts: Counts) -> Iterator[str]:
    for line in lines:
        counts.newlines += line.count("\n")
        counts.ends = line.endswith("\n")
        yield line


def _texts(tree: Any, name: str) -> tuple[str, ...]:
    """A list of different texts; raises ValueError for anything else."""
    values = tree[name]
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise ValueError(f"{name} must be a list of texts")
    if len(set(values)) < len(values):
        twice = next(value for value, count in Counter(values).items() if count > 1)
        raise ValueError(
            f"{name} must differ from one another, {reprlib.repr(twice)} is there twice"
        )
    return tuple(values)
