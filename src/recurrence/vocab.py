"""Vocab: which tokens there are and the id of each; built from tokens, kept as JSON. Knows no paths of the project."""

import reprlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurrence import files
from recurrence.errors import RecurrenceError, in_brief
from recurrence.params import Tokens, VocabRule
from recurrence.tokens import EOS, detokenize, line_count, token_lines, tokenize

UNK = "<unk>"
MOST_BYTES = 1 << 28
"""Of a vocabulary on disk: some ten million words."""


@dataclass(frozen=True)
class Vocab:
    """Tokens by id, specials first, and the rule by which text becomes such tokens."""

    tokens: tuple[str, ...]
    specials: tuple[str, ...]
    rule: Tokens

    @classmethod
    def build(cls, tokens: Iterable[str], rule: VocabRule, token_rule: Tokens) -> "Vocab":
        """The vocabulary of a stream of tokens: specials, then what occurs at least min_count times.

        max_size bounds the entries beside the specials (the most frequent stay). A token that is written like a
        special takes the special's id. Raises RecurrenceError where nothing but specials is left.
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

    @property
    def unit(self) -> str:
        """char or word."""
        return self.rule.unit

    @property
    def unk(self) -> int | None:
        """The id of <unk>, None where unknown tokens are an error."""
        return self.index.get(UNK) if UNK in self.specials else None

    @cached_property
    def index(self) -> dict[str, int]:
        """Token to id."""
        return {token: i for i, token in enumerate(self.tokens)}

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, tokens: Sequence[str]) -> NDArray[np.int32]:
        """Ids (int32) of tokens; unknown ones become <unk>, or raise RecurrenceError where there is no <unk>."""
        index = self.index
        if (
            self.unk is None
            and (unknown := next((t for t in tokens if t not in index), None)) is not None
        ):
            raise RecurrenceError(
                f"token {unknown!r} is not among the {len(self)} of the vocabulary, which has no <unk>; "
                "use text of the corpus, or add <unk> to the specials of its vocab block"
            )
        return np.fromiter(map(index.get, tokens, repeat(self.unk)), np.int32, len(tokens))

    def encode_text(self, text: str) -> NDArray[np.int32]:
        """Ids of a text (a prompt), tokenized as the corpus was, without adding <eos>."""
        return self.encode(tokenize(text, self.rule.model_copy(update={"eos": "none"})))

    def encode_part(
        self, text: str
    ) -> tuple[NDArray[np.unsignedinteger | np.int32], dict[str, float]]:
        """Ids of a whole part in the smallest type that holds the vocabulary, and what was counted on the way.

        Counts: tokens, characters (of the text that the tokens spell, so without <eos> where the unit is char), unk,
        unk_rate and lines. Goes line by line: the tokens of a large part are never held as strings.
        """
        pieces, characters = [np.zeros(0, self.id_type)], 0
        for tokens in token_lines(text, self.rule):
            pieces.append(self.encode(tokens).astype(self.id_type))
            characters += sum(map(len, tokens)) - (
                len(EOS) * tokens.count(EOS) if self.unit == "char" else 0
            )
        part = np.concatenate(pieces)
        if self.unit == "word":
            characters += max(len(part) - 1, 0)
        unk = 0 if self.unk is None else int(np.count_nonzero(part == self.unk))
        counts = {
            "tokens": len(part),
            "characters": characters,
            "unk": unk,
            "unk_rate": unk / len(part),
        }
        return part, counts | {"lines": line_count(text)}

    @property
    def id_type(self) -> type[np.uint8] | type[np.uint16] | type[np.int32]:
        """The smallest type of an id array: uint8, uint16 or int32."""
        return np.uint8 if len(self) <= 1 << 8 else np.uint16 if len(self) <= 1 << 16 else np.int32

    def decode(self, ids: Iterable[int]) -> str:
        """The text of ids; specials appear as they are written."""
        return detokenize([self.tokens[i] for i in ids], self.unit)

    def special_ids(self) -> list[int]:
        """Ids of the specials."""
        return [self.index[token] for token in self.specials]

    def save(self, path: Path) -> None:
        """Write as JSON: {tokens, specials, rule}."""
        files.write_json(
            path, {"tokens": self.tokens, "specials": self.specials, "rule": self.rule.model_dump()}
        )

    @classmethod
    def load(cls, path: Path) -> "Vocab":
        """Read what `save` wrote; anything else is a RecurrenceError."""
        tree = files.read_json(path, MOST_BYTES)
        try:
            tokens, specials = _texts(tree, "tokens"), _texts(tree, "specials")
            if unknown := set(specials) - set(tokens):
                raise ValueError(f"specials must be among its tokens, {min(unknown)!r} is not")
            return cls(tokens, specials, Tokens.model_validate(tree["rule"]))
        except (KeyError, TypeError, ValueError) as error:
            raise RecurrenceError(
                f"{path}: not a vocabulary ({in_brief(error)}); delete it and run `dvc repro`"
            ) from error


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
