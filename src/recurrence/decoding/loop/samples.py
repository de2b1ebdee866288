"""What goes in and what comes out of generating: prompts, and samples of them."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Self

import torch
from torch import Tensor

#   B = rows, T = tokens

Prompt = tuple[int, ...]


@dataclass(frozen=True)
class Samples:
    """What was generated, on the CPU.

    Row i's sample is the first `length_B[i]` of its ids (int64); the rest of them is 0.
    """

    ids_BT: Tensor
    logprob_B: Tensor
    """Sum of ln p of the sample's tokens under the model itself, before any filter; float64."""
    rescued_B: Tensor
    """Steps at which nothing was left to choose from; see `choice.rescue`."""
    length_B: Tensor

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """The rows of all parts, one after the other."""
        together = list(parts)
        return cls(
            *(torch.cat([getattr(part, each.name) for part in together]) for each in fields(cls))
        )

    def at(self, index_B: Tensor) -> "Samples":
        """The rows at these places."""
        return Samples(*(getattr(self, each.name)[index_B] for each in fields(self)))

    def rows(self) -> list[Tensor]:
        """The ids of each sample, cut where it ended."""
        lengths = self.length_B.tolist()
        return [ids_T[:length] for ids_T, length in zip(self.ids_BT, lengths, strict=True)]
