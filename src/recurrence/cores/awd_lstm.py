"""AWD-LSTM: LSTM layers with DropConnect on the hidden-to-hidden weights (Merity et al. 2017, arXiv
1708.02182).

The last layer is as wide as the embedding, so that the head can be tied to it. Between layers:
locked dropout.
"""

import torch
from torch import Tensor, nn

from recurrence.model.dropout import LockedDropout, drop
from recurrence.params import Dropout

#   B = lanes, T = time, E = input size, H = hidden size of the layer, L = 1 in every state tensor


class WeightDroppedLSTM(nn.Module):
    """One LSTM layer whose U is dropped afresh, and rescaled, at every forward in training."""

    def __init__(self, input_size: int, hidden_size: int, p: float) -> None:
        super().__init__()
        self.lstm = nn.LSTM(input_size, hidden_size, batch_first=True)
        self.p = p

    def forward(self, x_BTE: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        if not self.training or self.p == 0:
            output, (h, c) = self.lstm(x_BTE, (h, c))
            return output, h, c
        # nn.LSTM reads a private list of its weights, so a weight swapped in from outside may
        # silently do nothing (it did in several releases); the kernel is called with the dropped
        # weight in hand instead.
        w_ih, w_hh, b_ih, b_hh = self.lstm.parameters()
        weights = [w_ih, drop(w_hh, self.p), b_ih, b_hh]
        output, h, c = torch.lstm(x_BTE, (h, c), weights, True, 1, 0.0, True, False, True)
        return output, h, c


class Core(nn.Module):
    """A stack of weight-dropped layers; the state is h and c of each layer in turn."""

    def __init__(self, input_size: int, hidden_size: int, layers: int, dropout: Dropout) -> None:
        super().__init__()
        self.output_size = input_size
        sizes = [input_size, *[hidden_size] * (layers - 1), input_size]
        self.layers = nn.ModuleList(
            WeightDroppedLSTM(i, o, dropout.weight) for i, o in zip(sizes, sizes[1:], strict=False)
        )
        self.state_shapes = tuple((1, size) for size in sizes[1:] for _ in "hc")
        self.between = LockedDropout(dropout.hidden)

    def forward(
        self, x_BTE: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        after: list[Tensor] = []
        for i, layer in enumerate(self.layers):
            x_BTE, h, c = layer(self.between(x_BTE) if i else x_BTE, state[2 * i], state[2 * i + 1])
            after += [h, c]
        return x_BTE, tuple(after)
