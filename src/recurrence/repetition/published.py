"""Rules by which others find repetition, as they were published, blind spots and all: to be held
beside our own.

In: token ids, or text. Out: whether the rule says that it repeats. All but Whisper's look at the
end of a sample only.
"""

import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Ints = NDArray[np.integer[Any]]


def holtzman_paper(ids: ArrayLike) -> bool:
    """A phrase of at least two tokens stands at least three times in a row at the end (arXiv
    1904.09751, section 4).
    """
    ids = np.asarray(ids)
    sizes = range(2, len(ids) // 3 + 1)
    return any(
        ids[-1] == ids[-1 - n] and np.array_equal(ids[-2 * n :], ids[-3 * n : -n]) for n in sizes
    )


def holtzman_code(ids: ArrayLike, largest: int = 90, eos: int | None = None) -> bool:
    """The code that came with the same paper (ari-holtzman/degen, metrics/repetition.py).

    Of the phrases of 1 to `largest` tokens that end the sample, the one that stands there most
    often in a row counts, the shortest of equals: it must come at least twice, and more than 50
    times where it has fewer than 3 tokens. So a unit that ends in a doubled token escapes
    (abccabcc: c and abcc both come twice), and so does ab 30 times. One `eos` at the end is
    dropped.
    """
    ids = np.asarray(ids)
    if len(ids) and ids[-1] == eos:
        ids = ids[:-1]
    copies = [1 + _kept_up(ids, n) // n for n in range(1, min(largest, len(ids)) + 1)]
    most = max(copies, default=1)
    return most > 1 and (copies.index(most) + 1 >= 3 or most > 50)


def _kept_up(ids: Ints, lag: int) -> int:
    """How many tokens at the end equal the one `lag` before."""
    differs = (ids[lag:] != ids[: len(ids) - lag])[::-1]
    return int(differs.argmax()) if differs.any() else len(differs)


def vllm_repetition(
    ids: ArrayLike, max_pattern: int = 20, min_pattern: int = 1, min_count: int = 3
) -> bool:
    """vLLM's repetition_detection: the last `min_count` stretches of some allowed length are equal.

    vLLM asks after every token and stops there; this asks once, at the end. With min_count below 2
    it is off.
    """
    ids = np.asarray(ids)
    sizes = range(max(min_pattern, 1), min(max_pattern, len(ids) // max(min_count, 1)) + 1)
    return min_count >= 2 and any(
        _kept_up(ids[-n * min_count :], n) == n * (min_count - 1) for n in sizes
    )


def whisper_zlib(text: str, limit: float = 2.4) -> bool:
    """Whisper's compression ratio: zlib makes the text more than `limit` times shorter
    (openai/whisper).
    """
    plain = text.encode("utf-8", "surrogatepass")
    return len(plain) / len(zlib.compress(plain)) > limit


PUBLISHED: dict[str, Callable[[ArrayLike, str], bool]] = {
    "holtzman_paper": lambda ids, text: holtzman_paper(ids),
    "holtzman_code": lambda ids, text: holtzman_code(ids),
    "vllm_repetition": lambda ids, text: vllm_repetition(ids),
    "whisper_zlib": lambda ids, text: whisper_zlib(text),
}
"""What each rule says of a sample, by its ids and its text."""
