"""What is continued: held-out windows of a corpus, and texts that a person gives."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurrence import params
from recurrence.decoding.loop.samples import Prompt
from recurrence.errors import RecurrenceError
from recurrence.tokens import tokenize
from recurrence.vocab import UNK, Vocab

MOST_NAMED = 8
"""Unknown tokens of a prompt that are named."""


def corpus_prompts(
    corpus: str, block: params.Prompts, valid_ids: NDArray[np.integer[Any]], vocab: Vocab
) -> list[Prompt]:
    """All prompts there are of a corpus, each at its prompt_id: the texts its block names, then
    windows of its validation ids. A first few of them are spread over the text, as all are."""
    try:
        texts = [encode_prompt(text, vocab) for text in block.texts]
        return texts + windows(valid_ids, block.prompt_tokens)
    except RecurrenceError as error:
        raise RecurrenceError(f"params.yaml: corpora.{corpus}.prompts: {error}") from error


def windows(ids: NDArray[np.integer[Any]], length: int) -> list[Prompt]:
    """Every window of `length` tokens, end to end, so that none shares a token with another.

    In the order of van der Corput (Nieuw Arch. Wisk. 19, 1935): the first, the middle one, those
    at the quarters, and so on. Raises RecurrenceError where the ids are too few for a window and
    what follows it.
    """
    if len(ids) <= length:
        raise RecurrenceError(
            f"prompt_tokens must be less than the {len(ids)} tokens of validation text, "
            f"got {length}"
        )
    count = len(ids) // length
    bits = (count - 1).bit_length()
    order = (int(f"{i:0{bits}b}"[::-1], 2) if bits else 0 for i in range(1 << bits))
    starts = [place * length for place in order if place < count]
    return [tuple(ids[start : start + length].tolist()) for start in starts]


def encode_prompt(text: str, vocab: Vocab) -> Prompt:
    """The ids of a text; RecurrenceError where it is empty, or wholly unknown to the vocabulary."""
    ids = tuple(vocab.encode_text(text).tolist())
    if not ids:
        raise RecurrenceError(
            f"prompt {text!r} is empty; give at least one {vocab.unit} to continue"
        )
    if all(i == vocab.unk for i in ids):
        known = [token for token in vocab.spellings if token not in vocab.specials][:8]
        raise RecurrenceError(
            f"prompt {text!r} is wholly unknown; use {vocab.unit}s of the corpus, such as "
            f"{', '.join(map(repr, known))}"
        )
    return ids


def unknown_in(text: str, vocab: Vocab) -> str | None:
    """What of a text the vocabulary does not have, in words; None where it has all."""
    if vocab.tokenizer is not None:
        return None
    tokens = tokenize(text, vocab.rule.model_copy(update={"eos": "none"}))
    unknown = [token for token in tokens if token not in vocab.index]
    if not unknown:
        return None
    named = list(map(repr, dict.fromkeys(unknown)))
    more = ", ..." if len(named) > MOST_NAMED else ""
    return (
        f"prompt: {len(unknown)} of {len(tokens)} {vocab.unit}s are not in the vocabulary, and "
        f"read as "
        f"{UNK}: {', '.join(named[:MOST_NAMED])}{more}"
    )


def prompts_digest(prompts: Sequence[Prompt]) -> str:
    """SHA-256, in hex, over all ids and where each prompt ends: equal for equal prompts alone."""
    return hashlib.sha256(
        "\n".join(" ".join(map(str, prompt)) for prompt in prompts).encode()
    ).hexdigest()
