"""Long short-term memory by torch's fused kernel (Hochreiter & Schmidhuber 1997; forget gate of Gers et al. 2000).

i, f, o = sigmoid(W x + U h),  g = tanh(W_g x + U_g h),  c' = f * c + i * g,  h' = o * tanh(c')
"""

from torch import Tensor, nn

from recurrence.params import Dropout

#   B = lanes, T = time, E = input size, H = hidden size, L = layers


class Core(nn.Module):
    """nn.LSTM; the state is (h, c)."""

    def __init__(self, input_size: int, hidden_size: int, layers: int, dropout: Dropout) -> None:
        super().__init__()
        self.output_size = hidden_size
        self.state_shapes = ((layers, hidden_size),) * 2  # h, c
        self.rnn = nn.LSTM(input_size, hidden_size, layers, dropout=dropout.plain_between, batch_first=True)

    def forward(self, x_BTE: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        output_BTH, (h_LBH, c_LBH) = self.rnn(x_BTE, (state[0], state[1]))
        return output_BTH, (h_LBH, c_LBH)
