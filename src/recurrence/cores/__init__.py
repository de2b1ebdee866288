"""One core per file; the file's name is the core's name.

A recurrent core exposes `Core(input_size, hidden_size, layers, dropout, **options)`, an nn.Module
as in the Protocol `Core` below. Its class may declare `stacks = True`: seeds of it may be computed
as one (model/stacked.py), each coming out as alone; a test holds it to that.

A baseline that counts exposes `Counted` instead, as in the Protocol `Counted` (see kneser_ney.py).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

#   B = lanes, T = time, E = input size, H = output size, L = layers, V = vocabulary

Ids = NDArray[np.integer[Any]]


class Core(Protocol):
    """Vectors in, vectors out, and a state that it carries: a tuple of tensors, each LBH."""

    @property
    def output_size(self) -> int:
        """H."""

    @property
    def state_shapes(self) -> Sequence[tuple[int, int]]:
        """(L, H) of each tensor of its state; none where it carries none."""

    def __call__(
        self, x_BTE: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """(output_BTH, next state)."""

    def modules(self) -> Iterator[nn.Module]:
        """As of every nn.Module."""


class Counted(Protocol):
    """A model of its own, which counts and does not learn by gradient."""

    vocab_size: int
    context: int
    """How many tokens it looks at, at least 1."""

    @classmethod
    def count(cls, ids: Ids, vocab_size: int, **options: Any) -> Self:
        """Train on a stream; raises RecurrenceError for an unknown or impossible option."""

    @classmethod
    def from_state(cls, tensors: Mapping[str, Tensor], vocab_size: int, **options: Any) -> Self:
        """The model whose `state_dict()` this was; raises KeyError where a tensor is missing."""

    def __call__(
        self, ids_BT: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Log-probabilities_BV of the token after each row; the state passes through."""
