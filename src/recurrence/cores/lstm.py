"""Long short-term memory by torch's fused kernel (Hochreiter & Schmidhuber 1997; forget gate of
Gers et al. 2000).

i, f, o = sigmoid(W x + U h),  g = tanh(W_g x + U_g h),  c' = f * c + i * g,  h' = o * tanh(c')
"""

from torch import nn

from recurrence.model.fused import FusedCore


class Core(FusedCore):
    """nn.LSTM; the state is (h, c)."""

    kind = nn.LSTM
