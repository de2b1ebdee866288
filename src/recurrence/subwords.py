"""Subword tokens: a tokenizer of Hugging Face's `tokenizers`, loaded or trained. Knows neither
files nor vocabularies.

A text is tokenized line by line, so that no token spans two lines and a text of any size takes the
memory of a line. Those that are trained here are of bytes (as GPT-2's are): every text has tokens,
and they spell it exactly. BPE gives the same bytes each time; a unigram model does not: the library
adds up its floating-point sums in another order in every process.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from recurrence.errors import RecurrenceError, in_brief

if TYPE_CHECKING:
    from tokenizers import Tokenizer

LEAST = 256
"""Entries of a trained vocabulary beside its specials: each byte is one."""


def train(
    lines: Iterable[str], kind: str, entries: int, least_count: int, specials: Sequence[str]
) -> str:
    """A tokenizer.json of at most `entries` subwords and the specials, which get the first ids.

    `kind`: bpe (Sennrich et al., ACL 2016) or unigram (Kudo, ACL 2018). BPE joins pairs that occur
    at least `least_count` times. Raises RecurrenceError where there are fewer entries than bytes.
    """
    if entries < LEAST:
        raise RecurrenceError(
            f"vocab.max_size: must be at least {LEAST} for subwords, one for each byte, got "
            f"{entries}"
        )
    library = _library()
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # one order of counting
    common = {
        "vocab_size": entries + len(specials),
        "special_tokens": list(specials),
        "initial_alphabet": sorted(library.pre_tokenizers.ByteLevel.alphabet()),
        "show_progress": False,
    }
    if kind == "bpe":
        made = library.Tokenizer(library.models.BPE())
        trainer = library.trainers.BpeTrainer(min_frequency=least_count, **common)
    else:
        made = library.Tokenizer(library.models.Unigram())
        trainer = library.trainers.UnigramTrainer(**common)
    made.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = library.decoders.ByteLevel()
    made.train_from_iterator(lines, trainer)
    text: str = made.to_str()
    return text


def loaded(text: str, specials: Sequence[str], where: str) -> str:
    """The tokenizer.json of somebody else with these specials, which get ids at its end where it
    has them not.

    What it cuts or fills up to a length is left out. Raises RecurrenceError for what is no
    tokenizer.json.
    """
    library = _library()
    try:
        given = library.Tokenizer.from_str(text)
    except Exception as error:  # the library raises nothing narrower
        raise RecurrenceError(
            f"{where}: must be a tokenizer.json of Hugging Face's tokenizers ({in_brief(error)})"
        ) from error
    given.no_truncation()
    given.no_padding()
    given.add_special_tokens([name for name in specials if given.token_to_id(name) is None])
    text = given.to_str()
    return text


class Subwords:
    """A tokenizer, from its tokenizer.json."""

    def __init__(self, text: str) -> None:
        self._tokenizer: Tokenizer = _library().Tokenizer.from_str(text)

    @property
    def tokens(self) -> tuple[str, ...]:
        """By id, as the tokenizer writes them: `Ġthe` is ` the` in bytes."""
        named = {i: token for token, i in self._tokenizer.get_vocab(with_added_tokens=True).items()}
        return tuple(named.get(i, f"<unused {i}>") for i in range(max(named, default=-1) + 1))

    @property
    def specials(self) -> tuple[str, ...]:
        """Those that it says are special."""
        added = self._tokenizer.get_added_tokens_decoder()
        return tuple(token.content for _, token in sorted(added.items()) if token.special)

    def encode(self, lines: Sequence[str]) -> list[list[int]]:
        """The ids of each line, without what the tokenizer would put around it."""
        found = self._tokenizer.encode_batch(list(lines), add_special_tokens=False)
        return [each.ids for each in found]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of ids, specials as they are written; bytes that are no whole character are
        U+FFFD.
        """
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=False)
        return text

    def spoken(self, ids: Iterable[int]) -> Iterator[tuple[int, str]]:
        """Each id as it comes, and the text that it adds: none until a character has all of its
        bytes.
        """
        from tokenizers.decoders import DecodeStream

        stream = DecodeStream(skip_special_tokens=False)
        for i in ids:
            yield i, stream.step(self._tokenizer, i) or ""


@lru_cache(maxsize=4)
def of(text: str) -> Subwords:
    """The tokenizer of a tokenizer.json, built once."""
    return Subwords(text)


def _library() -> Any:
    try:
        import tokenizers
        import tokenizers.decoders
        import tokenizers.models
        import tokenizers.pre_tokenizers
        import tokenizers.trainers
    except ImportError as error:
        raise RecurrenceError(
            "tokens.unit: subword needs tokenizers: pip install 'recurrence-lab[tokenizers]'"
        ) from error
    return tokenizers
