"""Quasi-recurrent network with fo-pooling (Bradbury et al. 2016, arXiv 1611.01576).

    z = tanh(W_z * x),  f = sigmoid(W_f * x),  o = sigmoid(W_o * x)     (* a convolution over time)
    c' = f * c + (1 - f) * z,  h' = o * c'

The convolutions see the last `filter_width` inputs, across all features; with width 1 they are
products. No gate sees the state, so c is a linear recurrence (model/linear_recurrence.py). Layers
are stacked as an LSTM's, the rates `hidden` (locked) and `plain_between` between them. State of a
layer: c, H numbers, and the last filter_width - 1 inputs.
"""

from itertools import islice

import torch
from torch import Tensor, nn

from recurrence.model.blocks import Carried, between
from recurrence.model.linear_recurrence import linear_recurrence
from recurrence.params import Dropout

#   B = lanes, T = time, E = input size of the layer, H = hidden size, K = filter width


class Layer(nn.Module):
    """Convolution and pooling."""

    def __init__(self, input_size: int, hidden_size: int, filter_width: int) -> None:
        super().__init__()
        self.filter_width = filter_width
        past = ((filter_width - 1, input_size),) if filter_width > 1 else ()
        self.state_shapes = ((1, hidden_size), *past)
        self.filters = nn.Linear(filter_width * input_size, 3 * hidden_size)

    def forward(self, x_BTE: Tensor, state: Carried) -> tuple[Tensor, Carried]:
        time = x_BTE.shape[1]
        past_BKE = (each.transpose(0, 1) for each in state[1:])
        all_BTE = torch.cat((*past_BKE, x_BTE), 1)
        windows = [all_BTE[:, k : k + time] for k in range(self.filter_width)]
        z, f, o = self.filters(torch.cat(windows, -1)).chunk(3, -1)
        kept_BTH = torch.sigmoid(f)
        c_BTH = linear_recurrence(kept_BTH, (1 - kept_BTH) * torch.tanh(z), state[0][0])
        inputs = (all_BTE[:, time:].transpose(0, 1).contiguous() for _ in state[1:])
        return torch.sigmoid(o) * c_BTH, (c_BTH[None, :, -1], *inputs)


class Core(nn.Module):
    """A stack of layers; the state is that of each in turn."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        layers: int,
        dropout: Dropout,
        filter_width: int = 2,
    ) -> None:
        super().__init__()
        if filter_width < 1:
            raise ValueError(f"options.filter_width must be at least 1, got {filter_width}")
        self.output_size = hidden_size
        sizes = [input_size, *[hidden_size] * (layers - 1)]
        made = [Layer(size, hidden_size, filter_width) for size in sizes]
        self.state_shapes = tuple(shape for layer in made for shape in layer.state_shapes)
        self.layers = nn.ModuleList(made)
        self.between = between(dropout)

    def forward(self, x_BTE: Tensor, state: Carried) -> tuple[Tensor, Carried]:
        leaves = iter(state)
        after: list[Tensor] = []
        for i, layer in enumerate(self.layers):
            own = tuple(islice(leaves, len(layer.state_shapes)))  # type: ignore[arg-type]
            x_BTE, own = layer(self.between(x_BTE) if i else x_BTE, own)
            after += own
        return x_BTE, tuple(after)
