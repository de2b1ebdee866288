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
        counts_V = tensors["counts"]
        if counts_V.dtype != torch.int64 or counts_V.shape != (vocab_size,) or counts_V.min() < 0:
            raise ValueError(f"counts must be {vocab_size} whole numbers of 64 bits, from 0 on")
        return cls(counts_V)

    @property
    def stored_counts(self) -> int:
        return len(self.counts)

    def distributions(self, ids_BT: Ids) -> Floats:
        return np.tile(self._p_V, (len(ids_BT), 1))

    def token_log_probs(self, ids: Ids) -> Floats:
        return np.asarray(np.log(self._p_V)[ids[1:]])

    def likeliest(self, ids: Ids) -> Ids:
        return np.full(len(ids) - 1, self._p_V.argmax())
