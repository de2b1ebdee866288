"""Dropout of whole embedding rows, and locked over time (Merity et al. 2017, arXiv 1708.02182)."""

import torch
from torch import Tensor, nn

#   B = lanes, T = time, H = features, V = vocabulary, E = embedding size


class LockedDropout(nn.Module):
    """One mask (B, 1, H) for all time steps of a forward, scaled by 1/(1-p) (Gal & Ghahramani 2016)."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x_BTH: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x_BTH
        return x_BTH * dropout_mask((x_BTH.shape[0], 1, x_BTH.shape[2]), self.p, x_BTH)


def dropout_mask(shape: tuple[int, ...], p: float, like: Tensor) -> Tensor:
    """Zeros with probability p, else 1/(1-p), with the device and dtype of `like`."""
    return torch.empty(shape, device=like.device, dtype=like.dtype).bernoulli_(1 - p).div_(1 - p)


def drop_rows(weight_VE: Tensor, p: float, training: bool) -> Tensor:
    """Whole rows of an embedding matrix dropped, so a dropped token is absent wherever it stands."""
    if not training or p == 0:
        return weight_VE
    return weight_VE * dropout_mask((weight_VE.shape[0], 1), p, weight_VE)
