"""Long short-term memory by torch's fused kernel (Hochreiter & Schmidhuber 1997; forget gate of Gers et al. 2000).

i, f, o = sigmoid(W x + U h),  g = tanh(W_g x + U_g h),  c' = f * c + i * g,  h' = o * tanh(c')
"""

import torch
from torch import Tensor, nn

from recurrence.model.dropout import Dropout as PlainDropout
from recurrence.params import Dropout

#   B = lanes, T = time, E = input size, H = hidden size, L = layers


class Core(nn.Module):
    """nn.LSTM; the state is (h, c)."""

    def __init__(self, input_size: int, hidden_size: int, layers: int, dropout: Dropout) -> None:
        super().__init__()
        self.output_size = hidden_size
        self.state_shapes = ((layers, hidden_size),) * 2  # h, c
        self.rnn = nn.LSTM(input_size, hidden_size, layers, dropout=dropout.plain_between, batch_first=True)
        self.between = PlainDropout(dropout.plain_between)

    def forward(self, x_BTE: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        if x_BTE.is_cpu and self.training and self.rnn.dropout:
            return self._layer_by_layer(x_BTE, *state)
        output_BTH, (h_LBH, c_LBH) = self.rnn(x_BTE, (state[0], state[1]))
        return output_BTH, (h_LBH, c_LBH)

    def _layer_by_layer(self, x_BTE: Tensor, h_LBH: Tensor, c_LBH: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """What nn.LSTM computes on a CPU, bit for bit, with dropout masks that are drawn sooner."""
        after = []
        for i, (h, c) in enumerate(zip(h_LBH[:, None], c_LBH[:, None], strict=True)):
            x_BTE = self.between(x_BTE) if i else x_BTE
            weights: list[Tensor] = [*self.rnn.all_weights[i]]
            x_BTE, h, c = torch.lstm(x_BTE, (h, c), weights, True, 1, 0.0, True, False, True)
            after.append((h, c))
        return x_BTE, tuple(torch.cat(layers) for layers in zip(*after, strict=True))
