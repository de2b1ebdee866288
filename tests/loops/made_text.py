"""Text as people write it, made up: sentences of invented words, as frequent as Zipf says."""

import numpy as np


def prose(seed: int, words: int) -> str:
    """About so many words, the same for the same seed."""
    rng = np.random.default_rng(seed)
    letters, weights = list("etaoinshrdlucmfwypgb"), np.arange(20, 0, -1.0)
    sizes = rng.integers(2, 10, 2_000)
    known = ["".join(rng.choice(letters, size, p=weights / weights.sum())) for size in sizes]
    chances = 1 / np.arange(3, len(known) + 3)
    drawn = rng.choice(len(known), words, p=chances / chances.sum())
    ends = np.where(rng.random(words) < 0.1, ".", np.where(rng.random(words) < 0.1, ",", ""))
    return " ".join(known[word] + end for word, end in zip(drawn, ends, strict=True))


def chars(text: str) -> np.ndarray:
    """Its characters as ids."""
    return np.frombuffer(text.encode("utf-32-le"), np.uint32)


def words(text: str | list[str]) -> np.ndarray:
    """Its words as ids."""
    return np.unique(text.split() if isinstance(text, str) else text, return_inverse=True)[1]
