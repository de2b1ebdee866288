"""What is continued: held-out windows of a corpus, and texts that a person gives."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recurrence import params
from recurrence.decoding.loop.samples import Prompt
from recurrence.errors import RecurrenceError
from recurrence.vocab import Vocab


def corpus_prompts(
    corpus: str,
    block: params.Prompts,
    held_out: int,
    valid_ids: NDArray[np.integer[Any]],
    vocab: Vocab,
) -> list[Prompt]:
    """A corpus's prompts, by prompt_id: `held_out` windows of validation ids, then its texts."""
    try:
        prompts = windows(valid_ids, held_out, block.prompt_tokens)
        return prompts + [encode_prompt(text, vocab) for text in block.texts]
    except RecurrenceError as error:
        raise RecurrenceError(f"params.yaml: corpora.{corpus}.prompts: {error}") from error


def windows(ids: NDArray[np.integer[Any]], count: int, length: int) -> list[Prompt]:
    """`count` windows of `length` tokens, evenly spaced over the ids, the first at their beginning.

    Raises RecurrenceError where the ids are too few for a window and what follows it.
    """
    if count and len(ids) <= length:
        raise RecurrenceError(
            f"prompt_tokens must be less than the {len(ids)} tokens of validation text, "
            f"got {length}"
        )
    starts = [i * (len(ids) - length) // count for i in range(count)]
    return [tuple(ids[start : start + length].tolist()) for start in starts]


def encode_prompt(text: str, vocab: Vocab) -> Prompt:
    """The ids of a text; RecurrenceError where it is empty, or wholly unknown to the vocabulary."""
    ids = tuple(vocab.encode_text(text).tolist())
    if not ids:
        raise RecurrenceError(
            f"prompt {text!r} is empty; give at least one {vocab.unit} to continue"
        )
    if all(i == vocab.unk for i in ids):
        known = [token for token in vocab.tokens if token not in vocab.specials][:8]
        raise RecurrenceError(
            f"prompt {text!r} is wholly unknown; use {vocab.unit}s of the corpus, such as "
            f"{', '.join(map(repr, known))}"
        )
    return ids


def prompts_digest(prompts: Sequence[Prompt]) -> str:
    """SHA-256, in hex, over all ids and where each prompt ends: equal for equal prompts alone."""
    return hashlib.sha256(
        "\n".join(" ".join(map(str, prompt)) for prompt in prompts).encode()
    ).hexdigest()
