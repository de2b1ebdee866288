"""What a text holds: how often each token, and where its end has occurred before.

In come ids_BT, out come tensors over rows, vocabulary or matches. Nothing loops over rows, tokens or the vocabulary.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

#   B = rows, V = vocabulary, T = tokens so far, M = matches over all rows


def recent(history_BT: Tensor, last: int | None) -> Tensor:
    """The last tokens of a history, or all of them for None."""
    return history_BT if last is None else history_BT[:, -last:]


def counts(text_BT: Tensor, vocab_size: int) -> Tensor:
    """How often each token occurs, as float64 counts_BV."""
    zeros_BV = torch.zeros(len(text_BT), vocab_size, dtype=torch.float64, device=text_BT.device)
    return zeros_BV.scatter_add_(1, text_BT, torch.ones_like(text_BT, dtype=torch.float64))


def last_places(text_BT: Tensor, vocab_size: int) -> Tensor:
    """The place, counted from 1, where each token stands last, as place_BV; 0 where it is absent."""
    place_BT = torch.arange(1, text_BT.shape[1] + 1, device=text_BT.device).expand_as(text_BT)
    zeros_BV = place_BT.new_zeros(len(text_BT), vocab_size)
    return zeros_BV.scatter_reduce_(1, text_BT, place_BT, "amax")


@dataclass(frozen=True)
class Matches:
    """Where the last token of each row stands before, how far back the text agrees there, and what came next.

    Match m is in row `row_M[m]`; `length_M[m]` tokens agree; `next_M[m]` followed, at `place_M[m]` counted from 1.
    """

    row_M: Tensor
    length_M: Tensor
    next_M: Tensor
    place_M: Tensor
    shape: tuple[int, int]
    """(B, V)."""

    def most(self, value_M: Tensor) -> Tensor:
        """For each token the largest of the positive values of the matches that it followed, as BV; 0 where none."""
        flat = value_M.new_zeros(self.shape[0] * self.shape[1])
        return flat.scatter_reduce_(0, self._cell_M(), value_M, "amax").view(self.shape)

    def count(self, chosen_M: Tensor) -> Tensor:
        """For each token how many of the chosen matches it followed, as float64 BV."""
        flat = torch.zeros(
            self.shape[0] * self.shape[1], dtype=torch.float64, device=chosen_M.device
        )
        return flat.scatter_add_(0, self._cell_M(), chosen_M.double()).view(self.shape)

    def _cell_M(self) -> Tensor:
        return self.row_M * self.shape[1] + self.next_M


def matches(text_BT: Tensor, most: int, vocab_size: int) -> Matches:
    """All places where the last token stands before, each with the number of tokens, `most` at most, that agree."""
    rows, size = text_BT.shape
    row_M, end_M = (text_BT[:, :-1] == text_BT[:, -1:]).nonzero(as_tuple=True)
    length_M = torch.ones_like(end_M)
    alive = torch.arange(len(end_M), device=end_M.device)
    for back in range(1, most):
        # Few places agree for long, so those that still do are picked out rather than masked.
        alive = alive[end_M[alive] >= back]
        alive = alive[
            text_BT[row_M[alive], end_M[alive] - back] == text_BT[row_M[alive], size - 1 - back]
        ]
        if not len(alive):
            break
        length_M[alive] += 1
    return Matches(row_M, length_M, text_BT[row_M, end_M + 1], end_M + 2, (rows, vocab_size))
