"""Gated recurrent unit with its equations written out and unrolled by hand.

    r = sigmoid(W_r x + U_r h),  z = sigmoid(W_z x + U_z h)
    n = tanh(W_n x + r * (U_n h)),  h' = (1 - z) * n + z * h
The notebook's check of the fused kernel: with the weights of gru.py it gives the same outputs to
rounding.
"""

import torch
from torch import Tensor, nn

from recurrence.params import Dropout

#   B = lanes, T = time, E = input size, H = hidden size


class Core(nn.Module):
    """One layer; rows of W and U in torch's order r, z, n."""

    stacks = True

    def __init__(self, input_size: int, hidden_size: int, layers: int, dropout: Dropout) -> None:
        super().__init__()
        if layers != 1:
            raise ValueError(f"layers must be 1 for a core unrolled by hand, got {layers}")
        self.output_size = hidden_size
        self.state_shapes = ((1, hidden_size),)
        self.input = nn.Linear(input_size, 3 * hidden_size)
        self.recurrent = nn.Linear(hidden_size, 3 * hidden_size)
        for parameter in self.parameters():
            nn.init.uniform_(
                parameter, -(hidden_size**-0.5), hidden_size**-0.5
            )  # as torch's own recurrent layers

    def forward(
        self, x_BTE: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        h_BH = state[0][0]
        outputs = []
        for wx in self.input(x_BTE).unbind(1):
            wr, wz, wn = wx.chunk(3, -1)
            ur, uz, un = self.recurrent(h_BH).chunk(3, -1)
            r, z = torch.sigmoid(wr + ur), torch.sigmoid(wz + uz)
            n = torch.tanh(wn + r * un)
            h_BH = (1 - z) * n + z * h_BH
            outputs.append(h_BH)
        return torch.stack(outputs, 1), (h_BH[None],)
