"""Dropout: plain, of whole embedding rows, and locked over time (Merity et al. 2017, arXiv
1708.02182).

Comes in: a tensor. Comes out: the same with a part of it zero and the rest larger. All masks are
drawn here.
"""

import torch
from torch import Tensor, nn

#   B = lanes, T = time, H = features, V = vocabulary, E = embedding size


class Dropout(nn.Dropout):
    """nn.Dropout, its masks drawn sooner."""

    def forward(self, x: Tensor) -> Tensor:
        return drop(x, self.p) if self.training else x


class LockedDropout(nn.Module):
    """One mask (B, 1, H) for all time steps of a forward, scaled by 1/(1-p) (Gal & Ghahramani
    2016).
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x_BTH: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x_BTH
        return x_BTH * dropout_mask(x_BTH.new_empty(x_BTH.shape[0], 1, x_BTH.shape[2]), self.p)


def drop(x: Tensor, p: float) -> Tensor:
    """Plain dropout; on the CPU torch's own, bit for bit."""
    return x * dropout_mask(torch.empty_like(x), p) if p else x


def dropout_mask(blank: Tensor, p: float, generator: torch.Generator | None = None) -> Tensor:
    """Zeros with probability p, else 1/(1-p), shaped and laid out like `blank`, whose values do not
    matter.

    On the CPU, where a mask of a recurrent matrix can take a tenth of a step, these are the draws
    that bernoulli_ would make, bit for bit, in less than half its time.
    """
    if blank.is_cpu:
        drawn = torch.empty_like(blank, dtype=torch.float64).uniform_(generator=generator)
        kept = (drawn < 1 - p).to(blank.dtype)
    else:
        kept = torch.empty_like(blank).bernoulli_(1 - p, generator=generator)
    return kept.div_(1 - p)


def drop_rows(weight_VE: Tensor, p: float, training: bool) -> Tensor:
    """Whole rows of an embedding matrix dropped, so a dropped token is absent wherever it
    stands.
    """
    if not training or p == 0:
        return weight_VE
    return weight_VE * dropout_mask(weight_VE.new_empty(len(weight_VE), 1), p)
