"""What a text holds: how often each token, and where its end has occurred before.

In come ids_BT, out come tensors over rows, vocabulary or matches. Nothing loops over rows, tokens
or the vocabulary. Ids outside the vocabulary (placeholders, which some models have) are tokens of
the text like others, and stand in no result, as they cannot come next.
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
    ones_BT = torch.ones_like(text_BT, dtype=torch.float64)
    cells = ones_BT.new_zeros(len(text_BT), vocab_size + 1)
    return cells.scatter_add_(1, _cell(text_BT, vocab_size), ones_BT)[:, :-1]


def last_places(text_BT: Tensor, vocab_size: int) -> Tensor:
    """Where each token stands last, counted from 1, as place_BV; 0 where it is absent."""
    place_BT = torch.arange(1, text_BT.shape[1] + 1, device=text_BT.device).expand_as(text_BT)
    cells = place_BT.new_zeros(len(text_BT), vocab_size + 1)
    return cells.scatter_reduce_(1, _cell(text_BT, vocab_size), place_BT, "amax")[:, :-1]


@dataclass(frozen=True)
class Matches:
    """Where each row's last token stands before, how far the text agrees there, and what came next.

    Match m is in row `row_M[m]`; `length_M[m]` tokens agree; `next_M[m]` followed, at `place_M[m]`
    counted from 1.
    """

    row_M: Tensor
    length_M: Tensor
    next_M: Tensor
    place_M: Tensor
    shape: tuple[int, int]
    """(B, V)."""

    def most(self, value_M: Tensor) -> Tensor:
        """For each token the largest positive value of the matches it followed, as BV; else 0."""
        cells = value_M.new_zeros(self.shape[0] * (self.shape[1] + 1))
        cells.scatter_reduce_(0, self._cell_M(), value_M, "amax")
        return cells.view(self.shape[0], -1)[:, :-1]

    def count(self, chosen_M: Tensor) -> Tensor:
        """For each token how many of the chosen matches it followed, as float64 BV."""
        ones_M = chosen_M.double()
        cells = ones_M.new_zeros(self.shape[0] * (self.shape[1] + 1))
        cells.scatter_add_(0, self._cell_M(), ones_M)
        return cells.view(self.shape[0], -1)[:, :-1]

    def _cell_M(self) -> Tensor:
        return self.row_M * (self.shape[1] + 1) + _cell(self.next_M, self.shape[1])


def matches(text_BT: Tensor, most: int, vocab_size: int) -> Matches:
    """All places where the last token stands before; at most `most` tokens are compared at each."""
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


def _cell(ids: Tensor, vocab_size: int) -> Tensor:
    """The column of each id; one past the vocabulary for those outside it."""
    return ids.where((ids >= 0) & (ids < vocab_size), vocab_size)
