"""Mogrifier LSTM: input and state gate each other before every step (Melis et al. 2019, arXiv
1909.01792).

    x^i = 2 sigmoid(Q^i h^{i-1}) * x^{i-2}   for odd i = 1 ... rounds,   x^{-1} = x
    h^i = 2 sigmoid(R^i x^{i-1}) * h^{i-2}   for even i,                 h^0 = h_{t-1}
    then an LSTM's step (lstm.py) on the last x^i, the last h^i and c

With `rank`, each Q and R is a product of two thin matrices of that rank. As in the paper the
gates have no bias. No parallel form: every step needs the one before. Layers are stacked as an
LSTM's, the rates `hidden` (locked) and `plain_between` between them. State of a layer: h and c, H
numbers each.
"""

import torch
from torch import Tensor, nn

from recurrence.model.blocks import Carried, between
from recurrence.params import Dropout

#   B = lanes, T = time, E = input size of the layer, H = hidden size

MOST_ROUNDS = 100


class Layer(nn.Module):
    """Mogrification and an LSTM's step, in a loop over time; gates in torch's order i, f, g, o."""

    def __init__(self, input_size: int, hidden_size: int, rounds: int, rank: int | None) -> None:
        super().__init__()
        sizes = [(hidden_size, input_size), (input_size, hidden_size)]
        self.rounds = nn.ModuleList(_matrix(*sizes[i % 2], rank) for i in range(rounds))
        self.input = nn.Linear(input_size, 4 * hidden_size)
        self.recurrent = nn.Linear(hidden_size, 4 * hidden_size)
        for parameter in [*self.input.parameters(), *self.recurrent.parameters()]:
            nn.init.uniform_(parameter, -(hidden_size**-0.5), hidden_size**-0.5)  # as nn.LSTM

    def forward(self, x_BTE: Tensor, h_BH: Tensor, c_BH: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        outputs = []
        for x_BE in x_BTE.unbind(1):
            for i, matrix in enumerate(self.rounds):
                if i % 2:
                    h_BH = 2 * torch.sigmoid(matrix(x_BE)) * h_BH
                else:
                    x_BE = 2 * torch.sigmoid(matrix(h_BH)) * x_BE
            i_BH, f_BH, g_BH, o_BH = (self.input(x_BE) + self.recurrent(h_BH)).chunk(4, -1)
            c_BH = torch.sigmoid(f_BH) * c_BH + torch.sigmoid(i_BH) * torch.tanh(g_BH)
            h_BH = torch.sigmoid(o_BH) * torch.tanh(c_BH)
            outputs.append(h_BH)
        return torch.stack(outputs, 1), h_BH, c_BH


def _matrix(rows_in: int, rows_out: int, rank: int | None) -> nn.Module:
    if rank is None:
        return nn.Linear(rows_in, rows_out, bias=False)
    return nn.Sequential(
        nn.Linear(rows_in, rank, bias=False), nn.Linear(rank, rows_out, bias=False)
    )


class Core(nn.Module):
    """A stack of layers; the state is h and c of each layer in turn."""

    def __init__(  # noqa: PLR0913 (what every core takes, and two options)
        self,
        input_size: int,
        hidden_size: int,
        layers: int,
        dropout: Dropout,
        rounds: int = 5,
        rank: int | None = None,
    ) -> None:
        super().__init__()
        if not 0 <= rounds <= MOST_ROUNDS:
            raise ValueError(f"options.rounds must be from 0 to {MOST_ROUNDS}, got {rounds}")
        if rank is not None and rank < 1:
            raise ValueError(f"options.rank must be at least 1, or absent, got {rank}")
        self.output_size = hidden_size
        self.state_shapes = ((1, hidden_size),) * (2 * layers)
        sizes = [input_size, *[hidden_size] * (layers - 1)]
        self.layers = nn.ModuleList(Layer(size, hidden_size, rounds, rank) for size in sizes)
        self.between = between(dropout)

    def forward(self, x_BTE: Tensor, state: Carried) -> tuple[Tensor, Carried]:
        after: list[Tensor] = []
        for i, layer in enumerate(self.layers):
            h_BH, c_BH = state[2 * i][0], state[2 * i + 1][0]
            x_BTE, h_BH, c_BH = layer(self.between(x_BTE) if i else x_BTE, h_BH, c_BH)
            after += [h_BH[None], c_BH[None]]
        return x_BTE, tuple(after)
