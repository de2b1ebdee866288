"""Gated recurrent unit by torch's fused kernel (Cho et al. 2014, arXiv 1406.1078).

    r = sigmoid(W_r x + U_r h),  z = sigmoid(W_z x + U_z h),  n = tanh(W_n x + r * (U_n h)),  h' = (1 - z) * n + z * h
(biases on every product). torch applies r after the product with U_n, as cuDNN does; the paper before it.
"""

from torch import Tensor, nn

from recurrence.params import Dropout

#   B = lanes, T = time, E = input size, H = hidden size, L = layers


class Core(nn.Module):
    """nn.GRU."""

    def __init__(self, input_size: int, hidden_size: int, layers: int, dropout: Dropout) -> None:
        super().__init__()
        self.output_size = hidden_size
        self.state_shapes = ((layers, hidden_size),)
        self.rnn = nn.GRU(input_size, hidden_size, layers, dropout=dropout.plain_between, batch_first=True)

    def forward(self, x_BTE: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        output_BTH, h_LBH = self.rnn(x_BTE, state[0])
        return output_BTH, (h_LBH,)
