"""Gated recurrent unit by torch's fused kernel (Cho et al. 2014, arXiv 1406.1078).

    r = sigmoid(W_r x + U_r h),  z = sigmoid(W_z x + U_z h)
    n = tanh(W_n x + r * (U_n h)),  h' = (1 - z) * n + z * h
(biases on every product). torch applies r after the product with U_n, as cuDNN does; the paper
before it.
"""

from torch import nn

from recurrence.model.fused import FusedCore


class Core(FusedCore):
    """nn.GRU."""

    kind = nn.GRU
