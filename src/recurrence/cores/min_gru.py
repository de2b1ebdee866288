"""minGRU: a gated recurrent unit whose gates do not see the state (Feng et al. 2024, arXiv
2410.01201).

    z = sigmoid(W_z x),  n = g(W_h x),  h' = (1 - z) * h + z * n
    g(u) = u + 1/2 where u >= 0, sigmoid(u) elsewhere

So all gates are computed at once and h is a linear recurrence. x is what a causal convolution
over `conv_width` steps gives, as in the paper's language models; the residual frame is
model/blocks.py. The paper scans logarithms, for which g keeps n positive;
model/linear_recurrence.py needs no logarithm. State of a layer: h, H numbers, and the last
conv_width - 1 inputs of the convolution, H each.
"""

import torch
from torch import Tensor, nn

from recurrence.model.blocks import Carried, CausalConv, ResidualCore
from recurrence.model.linear_recurrence import linear_recurrence
from recurrence.params import Dropout

#   B = lanes, T = time, H = hidden size


def positive(u: Tensor) -> Tensor:
    """g."""
    return torch.where(u >= 0, u + 0.5, torch.sigmoid(u))


class MinGru(nn.Module):
    """Convolution and minGRU."""

    def __init__(self, size: int, conv_width: int) -> None:
        super().__init__()
        self.conv = CausalConv(size, conv_width)
        self.gates = nn.Linear(size, 2 * size)
        self.state_shapes = ((1, size), *self.conv.state_shapes)

    def forward(self, x_BTH: Tensor, state: Carried) -> tuple[Tensor, Carried]:
        x_BTH, inputs = self.conv(x_BTH, state[1])
        z, u = self.gates(x_BTH).chunk(2, -1)
        h_BTH = linear_recurrence(torch.sigmoid(-z), torch.sigmoid(z) * positive(u), state[0][0])
        return h_BTH, (h_BTH[None, :, -1], inputs)


class Core(ResidualCore):
    """Layers of it, each with an MLP."""

    def __init__(  # noqa: PLR0913 (what every core takes, and two options)
        self,
        input_size: int,
        hidden_size: int,
        layers: int,
        dropout: Dropout,
        conv_width: int = 4,
        mlp_ratio: float = 2.0,
    ) -> None:
        mixers = [MinGru(hidden_size, conv_width) for _ in range(layers)]
        super().__init__(input_size, hidden_size, mixers, dropout, mlp_ratio)
