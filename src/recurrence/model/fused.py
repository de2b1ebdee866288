"""torch's fused recurrent layers as a core, with dropout between them that is drawn where all masks
are (dropout.py).

cuDNN would draw it from a state of its own, which a seed begins and no snapshot holds: a training
that was gone on with would not be the one that was stopped. So layers that have dropout between
them are run one by one, on every device; the same numbers as torch's own on a CPU, where drawing
them takes less time.
"""

from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from recurrence.model.dropout import Dropout
from recurrence.params import Dropout as Rates

#   B = lanes, T = time, E = input size, H = hidden size, L = layers

KERNELS: dict[type[nn.Module], Callable[..., Any]] = {
    nn.LSTM: torch.lstm,
    nn.GRU: torch.gru,
    nn.RNN: torch.rnn_tanh,
}


class FusedCore(nn.Module):
    """Layers of one kind; the state is h_LBH, or (h_LBH, c_LBH)."""

    stacks = True
    kind: ClassVar[type[nn.RNN | nn.GRU | nn.LSTM]]

    def __init__(self, input_size: int, hidden_size: int, layers: int, dropout: Rates) -> None:
        super().__init__()
        self.output_size = hidden_size
        self.state_shapes = ((layers, hidden_size),) * (2 if self.kind is nn.LSTM else 1)
        self.rnn = self.kind(
            input_size, hidden_size, layers, dropout=dropout.plain_between, batch_first=True
        )
        self.between = Dropout(dropout.plain_between)

    def forward(
        self, x_BTE: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        if self.training and self.rnn.dropout:
            return self._one_by_one(x_BTE, state)
        output_BTH, after = self.rnn(x_BTE, _packed(state))
        return output_BTH, after if isinstance(after, tuple) else (after,)

    def _one_by_one(
        self, x_BTE: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        after = []
        for i, carried in enumerate(zip(*(leaf_LBH[:, None] for leaf_LBH in state), strict=True)):
            x_BTE = self.between(x_BTE) if i else x_BTE
            weights = [*self.rnn.all_weights[i]]
            x_BTE, *carried = KERNELS[self.kind](
                x_BTE, _packed(carried), weights, True, 1, 0.0, True, False, True
            )
            after.append(carried)
        return x_BTE, tuple(torch.cat(layers) for layers in zip(*after, strict=True))


def _packed(state: tuple[Tensor, ...]) -> Tensor | tuple[Tensor, ...]:
    """As torch takes it."""
    return state if len(state) > 1 else state[0]
