"""Relative frequency in the training part, whatever came before: p(w) = (c(w) + 1) / (N + V).

Adding one to every count (Laplace) keeps a token that was never seen from having probability 0.
"""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from recurrence.model.counting import CountedModel, Floats, Ids, check_options


class Counted(CountedModel):
    """Token frequencies with one added to each count."""

    counts: Tensor

    def __init__(self, counts_V: Tensor) -> None:
        super().__init__(len(counts_V))
        self.register_buffer("counts", counts_V)
        smoothed = counts_V.cpu().numpy() + 1.0
        self._p_V = smoothed / smoothed.sum()

    @classmethod
    def count(cls, ids: Ids, vocab_size: int, **options: Any) -> Self:
        check_options("unigram", options)
        return cls(torch.from_numpy(np.bincount(ids, minlength=vocab_size)))

    @classmethod
    def from_state(cls, tensors: Mapping[str, Tensor], vocab_size: int, **options: Any) -> Self:
        check_options("unigram", options)
        return cls(tensors["counts"])

    @property
    def stored_counts(self) -> int:
        return len(self.counts)

    def distributions(self, ids_BT: Ids) -> Floats:
        return np.tile(self._p_V, (len(ids_BT), 1))

    def token_log_probs(self, ids: Ids) -> Floats:
        return np.asarray(np.log(self._p_V)[ids[1:]])

    def likeliest(self, ids: Ids) -> Ids:
        return np.full(len(ids) - 1, self._p_V.argmax())
