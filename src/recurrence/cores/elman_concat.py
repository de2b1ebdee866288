"""elman.py with input and hidden state side by side instead of added: CharLoopConcatModel.

h_t = tanh(W relu(V [h_{t-1}; x_t] + b) + c)
"""

import torch
from torch import Tensor, nn

from recurrence.params import Dropout

#   B = lanes, T = time, E = input size, H = hidden size


class Core(nn.Module):
    """One layer in a loop over time."""

    stacks = True

    def __init__(self, input_size: int, hidden_size: int, layers: int, dropout: Dropout) -> None:
        super().__init__()
        if layers != 1:
            raise ValueError(f"layers must be 1 for a core unrolled by hand, got {layers}")
        self.output_size = hidden_size
        self.state_shapes = ((1, hidden_size),)
        self.input = nn.Linear(hidden_size + input_size, hidden_size)
        self.recurrent = nn.Linear(hidden_size, hidden_size)

    def forward(
        self, x_BTE: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        h_BH = state[0][0]
        outputs = []
        for x_BE in x_BTE.unbind(1):
            u_BH = torch.relu(self.input(torch.cat((h_BH, x_BE), 1)))
            h_BH = torch.tanh(self.recurrent(u_BH))
            outputs.append(h_BH)
        return torch.stack(outputs, 1), (h_BH[None],)
