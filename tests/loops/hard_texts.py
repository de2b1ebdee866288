"""Texts made to be hard for a search of repeats: each family at any length, the same every time."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Text = NDArray[np.uint8]
FIRST = 97


def few(symbols: int) -> Callable[[int], Text]:
    """Random over few symbols: everything stood before, at any lag."""
    return lambda size: (
        np.random.default_rng(symbols).integers(FIRST, FIRST + symbols, size).astype(np.uint8)
    )


def square_free(size: int) -> Text:
    """No run at all, but every stretch comes back nearby (the ternary Thue-Morse word)."""
    text = np.zeros(1, np.uint8)
    images = np.array([[0, 1, 2], [0, 2, 0], [1, 0, 0]])
    lengths = np.array([3, 2, 1])
    while len(text) < size:
        text = images[text][np.arange(3) < lengths[text][:, None]].astype(np.uint8)
    return text[:size] + FIRST


def ruler(size: int) -> Text:
    """The power of two in 1, 2, 3, ...: repeats at every scale, each broken."""
    return np.array(
        [FIRST + ((i & -i).bit_length() - 1) % 26 for i in range(1, size + 1)], np.uint8
    )


def fibonacci(size: int) -> Text:
    """As many runs as there can be, on every scale."""
    one, two = np.zeros(1, np.uint8), np.array([0, 1], np.uint8)
    while len(two) < size:
        one, two = two, np.concatenate([two, one])
    return two[:size] + FIRST


def forty_and_a_new_one(size: int) -> Text:
    """Forty equal tokens, then another one, over and over."""
    rows = np.full((size // 41 + 1, 41), FIRST, np.uint8)
    rows[:, -1] = FIRST + 1 + np.arange(len(rows)) % 24
    return rows.ravel()[:size]


def pieces(size: int, piece: Callable[[np.random.Generator, int], Text]) -> Text:
    rng = np.random.default_rng(0)
    made: list[Text] = []
    total = 0
    while total < size:
        made.append(piece(rng, len(made)).astype(np.uint8))
        total += len(made[-1])
    return np.concatenate(made)[:size]


def equal_and_random(size: int) -> Text:
    """39 equal tokens and up to eleven random ones: what costs the exact search most."""
    return pieces(
        size,
        lambda rng, _: np.append(np.full(39, FIRST), rng.integers(110, 123, rng.integers(1, 12))),
    )


def runs_of_every_scale(size: int) -> Text:
    """Three copies of units of 3, 6, 12, ... tokens."""
    return pieces(size, lambda rng, i: np.tile(rng.integers(FIRST, 123, 3 << i % 9), 3))


def near_at_every_lag(size: int) -> Text:
    """Beginnings of one unit, each of another length, a twelfth of it edited."""
    unit = np.random.default_rng(1).integers(FIRST, 123, 200)

    def piece(rng: np.random.Generator, _: int) -> Text:
        part = unit[: rng.integers(20, 200)].copy()
        edits = rng.random(len(part)) < 1 / 12
        part[edits] = rng.integers(FIRST, 123, edits.sum())
        return part

    return pieces(size, piece)


def drifting(size: int) -> Text:
    """A unit of 300 of which one token changes from copy to copy, for good."""
    unit = np.random.default_rng(2).integers(FIRST, 123, 300)

    def piece(rng: np.random.Generator, _: int) -> Text:
        unit[rng.integers(300)] = rng.integers(FIRST, 123)
        return unit.copy()

    return pieces(size, piece)


HARD: dict[str, Callable[[int], Text]] = {
    "two symbols": few(2),
    "three symbols": few(3),
    "five symbols": few(5),
    "square-free": square_free,
    "ruler": ruler,
    "fibonacci": fibonacci,
    "forty and a new one": forty_and_a_new_one,
    "equal and random": equal_and_random,
    "runs of every scale": runs_of_every_scale,
    "near at every lag": near_at_every_lag,
    "drifting": drifting,
}
