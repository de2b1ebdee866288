"""CountedModel: what the models that count, and do not learn by gradient, have in common. Knows
ids, not text.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recurrence.errors import RecurrenceError, nearest

#   B = rows, T = tokens of context, V = vocabulary, N = tokens of a stream

Ids = NDArray[np.integer[Any]]
Floats = NDArray[np.float64]


class CountedModel(nn.Module, ABC):
    """Predicts from counts, with the interface of a window LanguageModel; computes on the CPU in
    float64.

    All that was counted is in `state_dict()`; `context` is how many tokens are looked at, at least
    1.
    """

    def __init__(self, vocab_size: int, context: int = 1) -> None:
        super().__init__()
        self.vocab_size = vocab_size
        self.context = context
        self.eval()

    @classmethod
    @abstractmethod
    def count(cls, ids: Ids, vocab_size: int, **options: Any) -> Self:
        """Train on a stream; raises RecurrenceError for an unknown or impossible option."""

    @classmethod
    @abstractmethod
    def from_state(cls, tensors: Mapping[str, Tensor], vocab_size: int, **options: Any) -> Self:
        """The model whose `state_dict()` this was; raises KeyError where a tensor is missing,
        ValueError where one cannot be of such a model.
        """

    @abstractmethod
    def distributions(self, ids_BT: Ids) -> Floats:
        """p_BV of the token after each row; contexts may be shorter than `context`, longer ones are
        cut.
        """

    @abstractmethod
    def token_log_probs(self, ids: Ids) -> Floats:
        """ln p of every token of a stream but the first (N - 1), each from at most `context` tokens
        before it.
        """

    @abstractmethod
    def likeliest(self, ids: Ids) -> Ids:
        """The most probable token at the same N - 1 places; of equals the lowest id."""

    @property
    def stored_counts(self) -> int:
        """How many counts are kept: the size of a model that has no weights."""
        return 0

    def initial_state(self, lanes: int) -> tuple[Tensor, ...]:
        """Empty: nothing is carried."""
        return ()

    def forward(
        self, ids_BT: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Log-probabilities (float32) of the token after each row, on the device of the ids; state
        passes through.
        """
        logits_BV = torch.from_numpy(np.log(self.distributions(ids_BT.cpu().numpy())))
        return logits_BV.to(ids_BT.device, torch.float32), state


def check_options(core: str, options: Iterable[str], known: Iterable[str] = ()) -> None:
    """Raise RecurrenceError for the first option that the core does not have."""
    for name in options:
        if name not in known:
            raise RecurrenceError(f"options: core {core!r} has no {name!r}; {nearest(name, known)}")
