"""The lessons' simplest recurrent net: the input is added to the hidden state, then one square
layer.

    u_t = x_t, or relu(V x_t + b) with an input layer;   h_t = act(W (h_{t-1} + u_t) + c)
With relu and no input layer: LMModel2 to LMModel4 of human numbers. With tanh and an input layer:
CharLoopModel. Unrolled, the three steps are written out, as the notebooks begin: LMModel1 (relu)
and Char3Model (tanh).
"""

from typing import Literal

import torch
from torch import Tensor, nn

from recurrence.params import Dropout

#   B = lanes, T = time, E = input size, H = hidden size


class Core(nn.Module):
    """One layer, in a loop over time or, `unrolled`, for windows of one to three tokens from zero
    state.
    """

    stacks = True

    def __init__(  # noqa: PLR0913 (what every core takes, and three options)
        self,
        input_size: int,
        hidden_size: int,
        layers: int,
        dropout: Dropout,
        activation: Literal["relu", "tanh"] = "tanh",
        input_layer: bool = False,
        unrolled: bool = False,
    ) -> None:
        super().__init__()
        if layers != 1:
            raise ValueError(f"layers must be 1 for a core unrolled by hand, got {layers}")
        if not input_layer and input_size != hidden_size:
            raise ValueError(
                f"embedding must equal hidden without an input layer, got {input_size} and "
                f"{hidden_size}"
            )
        self.output_size = hidden_size
        self.state_shapes = () if unrolled else ((1, hidden_size),)
        self.unrolled = unrolled
        self.input = (
            nn.Sequential(nn.Linear(input_size, hidden_size), nn.ReLU())
            if input_layer
            else nn.Identity()
        )
        self.recurrent = nn.Linear(hidden_size, hidden_size)
        self.activation = {"relu": torch.relu, "tanh": torch.tanh}[activation]

    def forward(
        self, x_BTE: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        u_BTH = self.input(x_BTE)
        if self.unrolled:
            return self._three_steps(u_BTH), ()
        h_BH = state[0][0]
        outputs = []
        for u_BH in u_BTH.unbind(1):
            h_BH = self.activation(self.recurrent(h_BH + u_BH))
            outputs.append(h_BH)
        return torch.stack(outputs, 1), (h_BH[None],)

    def _three_steps(self, u_BTH: Tensor) -> Tensor:
        length = u_BTH.shape[1]
        if length > 3:
            raise ValueError(
                f"context must be at most 3 for the unrolled core, got a window of {length} tokens"
            )
        h1 = self.activation(self.recurrent(u_BTH[:, 0]))
        if length == 1:
            return h1[:, None]
        h2 = self.activation(self.recurrent(h1 + u_BTH[:, 1]))
        if length == 2:
            return torch.stack((h1, h2), 1)
        h3 = self.activation(self.recurrent(h2 + u_BTH[:, 2]))
        return torch.stack((h1, h2, h3), 1)
