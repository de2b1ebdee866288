"""RG-LRU in the recurrent block of Griffin and Hawk (De et al. 2024, arXiv 2402.19427).

    r = sigmoid(W_a x + b_a),  i = sigmoid(W_x x + b_x),  a = exp(-c softplus(lambda) r),  c = 8
    h' = a * h + sqrt(1 - a^2) * (i * x)

The gates see only their own head (block-diagonal matrices) and never h: a linear recurrence. Around
it the paper's block: x goes through a linear layer and a causal convolution, h is multiplied with
gelu(W_y x) and mixed by another linear layer. Only recurrent blocks: Hawk, not Griffin, whose every
third layer is local attention. The residual frame is model/blocks.py.
State of a layer: h, H numbers, and the last conv_width - 1 inputs of the convolution, H each.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recurrence.model.blocks import (
    BlockDiagonal,
    Carried,
    CausalConv,
    ResidualCore,
    by_head,
    head_size,
)
from recurrence.model.linear_recurrence import linear_recurrence
from recurrence.params import Dropout

#   B = lanes, T = time, H = hidden size

SHARPNESS = 8.0
"""c: how much a gate's way from 0 to 1 changes the decay."""
SLOWEST = (0.9, 0.999)
"""Between these the decay lies at first, where a recurrence gate is open."""
LEAST = 1e-12
"""Bounds the slope of the root where a is 1 to rounding."""


class RgLru(nn.Module):
    """The recurrence with its gates."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        each = head_size(size, heads)
        self.heads = heads
        self.input_gate = BlockDiagonal(heads, each)
        self.recurrence_gate = BlockDiagonal(heads, each)
        self.lambda_H = nn.Parameter(torch.empty(size))
        lowest, highest = (math.log(math.expm1(-math.log(a) / SHARPNESS)) for a in SLOWEST)
        nn.init.uniform_(self.lambda_H, highest, lowest)

    def forward(self, x_BTH: Tensor, h_BH: Tensor) -> Tensor:
        x_BTND = by_head(x_BTH, self.heads)
        i_BTH = torch.sigmoid(self.input_gate(x_BTND)).flatten(-2)
        r_BTH = torch.sigmoid(self.recurrence_gate(x_BTND)).flatten(-2)
        log_a_BTH = -SHARPNESS * F.softplus(self.lambda_H) * r_BTH
        rest_BTH = (-torch.expm1(2 * log_a_BTH)).clamp(min=LEAST)
        root_BTH = rest_BTH * rest_BTH.rsqrt()  # torch.sqrt rounds as the processor likes
        return linear_recurrence(log_a_BTH.exp(), root_BTH * i_BTH * x_BTH, h_BH)


class RecurrentBlock(nn.Module):
    """RG-LRU after a convolution, times a gate."""

    def __init__(self, size: int, heads: int, conv_width: int) -> None:
        super().__init__()
        self.gate = nn.Linear(size, size)
        self.input = nn.Linear(size, size)
        self.conv = CausalConv(size, conv_width)
        self.rg_lru = RgLru(size, heads)
        self.output = nn.Linear(size, size)
        self.state_shapes = ((1, size), *self.conv.state_shapes)

    def forward(self, x_BTH: Tensor, state: Carried) -> tuple[Tensor, Carried]:
        u_BTH, inputs = self.conv(self.input(x_BTH), state[1])
        h_BTH = self.rg_lru(u_BTH, state[0][0])
        gate_BTH = F.gelu(self.gate(x_BTH), approximate="tanh")
        return self.output(gate_BTH * h_BTH), (h_BTH[None, :, -1], inputs)


class Core(ResidualCore):
    """Layers of it, each with an MLP."""

    def __init__(  # noqa: PLR0913 (what every core takes, and three options)
        self,
        input_size: int,
        hidden_size: int,
        layers: int,
        dropout: Dropout,
        heads: int = 4,
        conv_width: int = 4,
        mlp_ratio: float = 2.0,
    ) -> None:
        mixers = [RecurrentBlock(hidden_size, heads, conv_width) for _ in range(layers)]
        super().__init__(input_size, hidden_size, mixers, dropout, mlp_ratio)
