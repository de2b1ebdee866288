"""Elman's network unrolled by hand: h_t = tanh(W x_t + b + U h_{t-1} + c), one step after another.

The notebook's check of the fused kernel: with the weights of rnn.py it gives the same outputs to
rounding.
"""

import torch
from torch import Tensor, nn

from recurrence.params import Dropout

#   B = lanes, T = time, E = input size, H = hidden size


class Core(nn.Module):
    """One layer of nn.RNNCell in a loop over time."""

    def __init__(self, input_size: int, hidden_size: int, layers: int, dropout: Dropout) -> None:
        super().__init__()
        if layers != 1:
            raise ValueError(f"layers must be 1 for a core unrolled by hand, got {layers}")
        self.output_size = hidden_size
        self.state_shapes = ((1, hidden_size),)
        self.cell = nn.RNNCell(input_size, hidden_size)

    def forward(
        self, x_BTE: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        h_BH = state[0][0]
        outputs = []
        for x_BE in x_BTE.unbind(1):
            h_BH = self.cell(x_BE, h_BH)
            outputs.append(h_BH)
        return torch.stack(outputs, 1), (h_BH[None],)
