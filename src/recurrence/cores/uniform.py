"""Every token equally likely: 1/V. The floor below which a model knows nothing."""

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from torch import Tensor

from recurrence.model.counting import CountedModel, Floats, Ids, check_options


class Counted(CountedModel):
    """p = 1/V. Its likeliest token is id 0, the lowest of equals."""

    @classmethod
    def count(cls, ids: Ids, vocab_size: int, **options: Any) -> Self:
        """Looks at nothing but the size of the vocabulary."""
        check_options("uniform", options)
        return cls(vocab_size)

    @classmethod
    def from_state(cls, tensors: Mapping[str, Tensor], vocab_size: int, **options: Any) -> Self:
        return cls.count(np.empty(0, np.int64), vocab_size, **options)

    def distributions(self, ids_BT: Ids) -> Floats:
        return np.full((len(ids_BT), self.vocab_size), 1 / self.vocab_size)

    def token_log_probs(self, ids: Ids) -> Floats:
        return np.full(len(ids) - 1, -np.log(self.vocab_size))

    def likeliest(self, ids: Ids) -> Ids:
        return np.zeros(len(ids) - 1, np.int64)
