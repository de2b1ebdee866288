"""Elman's network, h_t = tanh(W x_t + b + U h_{t-1} + c), by torch's fused kernel (Elman 1990)."""

from torch import Tensor, nn

from recurrence.params import Dropout

#   B = lanes, T = time, E = input size, H = hidden size, L = layers


class Core(nn.Module):
    """nn.RNN with tanh."""

    def __init__(self, input_size: int, hidden_size: int, layers: int, dropout: Dropout) -> None:
        super().__init__()
        self.output_size = hidden_size
        self.state_shapes = ((layers, hidden_size),)
        self.rnn = nn.RNN(input_size, hidden_size, layers, dropout=dropout.plain_between, batch_first=True)

    def forward(self, x_BTE: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        output_BTH, h_LBH = self.rnn(x_BTE, state[0])
        return output_BTH, (h_LBH,)
