"""Repetition in what a model predicts when it reads people's text: no sampling, so no loop that
feeds itself.

In: a text's ids, and the likeliest next token at each place but the first, given all before it.
Out: shares. Welleck et al., arXiv 1908.04319, with their length 128.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.integer[Any]]
Mask = NDArray[np.bool_]

WINDOW = 128


def repetition(predicted: Ints, ids: Ints, window: int = WINDOW) -> dict[str, float]:
    """The model's figures beside the text's own: rep_128, wrep_128, human_rep_128, unique; ids has
    one more entry.

    `unique` counts the different tokens among the predicted.
    """
    human = float(np.mean(recent(ids[1:], ids, window)))
    figures = {
        "rep": rep_l(predicted, ids, window),
        "wrep": wrep_l(predicted, ids, window),
        "human_rep": human,
    }
    return {f"{name}_{window}": value for name, value in figures.items()} | {
        "unique": len(np.unique(predicted))
    }


def rep_l(predicted: Ints, ids: Ints, window: int = WINDOW) -> float:
    """rep/l: the share of predictions that stand among the l tokens before their place."""
    return float(np.mean(recent(predicted, ids, window)))


def wrep_l(predicted: Ints, ids: Ints, window: int = WINDOW) -> float:
    """wrep/l: the share that do so and are wrong."""
    return float(np.mean(recent(predicted, ids, window) & (predicted != ids[1:])))


def recent(asked: Ints, ids: Ints, window: int) -> Mask:
    """Whether asked[i] is among the `window` tokens of ids before place i + 1; in n log n time,
    whatever the window.
    """
    size = len(ids)
    places = np.sort(
        ids.astype(np.int64) * size + np.arange(size)
    )  # token by token, each one's places ascending
    goal = asked.astype(np.int64) * size + np.arange(1, size)
    last = np.searchsorted(places, goal) - 1
    nearest = places[np.maximum(last, 0)]
    found: Mask = (last >= 0) & (
        nearest >= np.maximum(goal - window, asked.astype(np.int64) * size)
    )
    return found
