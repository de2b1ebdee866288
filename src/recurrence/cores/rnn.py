"""Elman's network, h_t = tanh(W x_t + b + U h_{t-1} + c), by torch's fused kernel (Elman 1990)."""

from torch import nn

from recurrence.model.fused import FusedCore


class Core(FusedCore):
    """nn.RNN with tanh."""

    kind = nn.RNN
