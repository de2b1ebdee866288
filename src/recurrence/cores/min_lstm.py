"""minLSTM: an LSTM whose gates do not see the state, with no output gate (Feng et al. 2024, arXiv
2410.01201).

    f = sigmoid(W_f x),  i = sigmoid(W_i x),  n = g(W_h x),  h' = f/(f + i) * h + i/(f + i) * n
    g(u) = u + 1/2 where u >= 0, sigmoid(u) elsewhere

With the gates brought to a sum of 1, h keeps its scale however long the text. f/(f + i) is
computed as sigmoid(softplus(-i's) - softplus(-f's)), which no gate that is shut divides by zero.
The rest is as in min_gru.py. State of a layer: h, H numbers, and the last conv_width - 1 inputs
of the convolution.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recurrence.cores.min_gru import positive
from recurrence.model.blocks import Carried, CausalConv, ResidualCore
from recurrence.model.linear_recurrence import linear_recurrence
from recurrence.params import Dropout

#   B = lanes, T = time, H = hidden size


class MinLstm(nn.Module):
    """Convolution and minLSTM."""

    def __init__(self, size: int, conv_width: int) -> None:
        super().__init__()
        self.conv = CausalConv(size, conv_width)
        self.gates = nn.Linear(size, 3 * size)
        self.state_shapes = ((1, size), *self.conv.state_shapes)

    def forward(self, x_BTH: Tensor, state: Carried) -> tuple[Tensor, Carried]:
        x_BTH, inputs = self.conv(x_BTH, state[1])
        f, i, u = self.gates(x_BTH).chunk(3, -1)
        odds = F.softplus(-i) - F.softplus(-f)  # log f - log i
        h_BTH = linear_recurrence(
            torch.sigmoid(odds), torch.sigmoid(-odds) * positive(u), state[0][0]
        )
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
        mixers = [MinLstm(hidden_size, conv_width) for _ in range(layers)]
        super().__init__(input_size, hidden_size, mixers, dropout, mlp_ratio)
