"""sLSTM: an LSTM with exponential input gates and a normalizer (Beck et al. 2024, xLSTM, arXiv
2405.04517).

    z = tanh(W_z x + R_z h),  o = sigmoid(W_o x + R_o h)
    i = W_i u + R_i h,  log f = log sigmoid(W_f u + R_f h)
    m' = max(log f + m, i)                                  the stabilizer: gates are exp(. - m')
    c' = exp(log f + m - m') c + exp(i - m') z,  n' = exp(log f + m - m') n + exp(i - m')
    h' = o * c' / n'

R joins only units of the same head. u is silu of a causal convolution of x, as in the authors'
block. m changes no h; it keeps exp in range. While n is 0 nothing has been stored and m' = i. All
have a bias but i: c and n would both be scaled by it, and h would not change. After the cell each
head is normalized; the residual frame is model/blocks.py. Forget biases begin between 3 and 6
over the units of a head. No parallel form: every step needs the h before. State of a layer: h, c,
n and m, H numbers each, and the last conv_width - 1 inputs of the convolution.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recurrence.model.blocks import (
    BlockDiagonal,
    Carried,
    CausalConv,
    HeadNorm,
    ResidualCore,
    by_head,
    evenly,
    head_size,
)
from recurrence.params import Dropout

#   B = lanes, T = time, H = hidden size, N = heads, D = H / N, G = 4 D: i, f, z, o

FORGET_BIAS = (3.0, 6.0)


class Cell(nn.Module):
    """The recurrence, from what the gates are given at each step."""

    def __init__(self, heads: int, size: int) -> None:
        super().__init__()
        self.recurrent = BlockDiagonal(heads, size, gates=4, bias=False)

    def forward(self, wx_BTNG: Tensor, state: Carried) -> tuple[Tensor, Carried]:
        """h_BTND, and the next (h, c, n, m), each BND."""
        h, c, n, m = state
        outputs = []
        for wx_BNG in wx_BTNG.unbind(1):
            i, f, z, o = (wx_BNG + self.recurrent(h)).chunk(4, -1)
            kept = F.logsigmoid(f) + m
            m = torch.where(n == 0, i, torch.maximum(i, kept))
            forget, add = torch.exp((kept - m).clamp(max=0)), torch.exp(i - m)
            c = forget * c + add * torch.tanh(z)
            n = forget * n + add
            h = torch.sigmoid(o) * c / n
            outputs.append(h)
        return torch.stack(outputs, 1), (h, c, n, m)


class Slstm(nn.Module):
    """Convolution, cell and norm."""

    def __init__(self, size: int, heads: int, conv_width: int) -> None:
        super().__init__()
        each = head_size(size, heads)
        self.heads = heads
        self.conv = CausalConv(size, conv_width)
        self.input_gate = nn.Linear(size, size, bias=False)
        self.forget_gate = nn.Linear(size, size)
        self.cell_input = nn.Linear(size, size)
        self.output_gate = nn.Linear(size, size)
        self.cell = Cell(heads, each)
        self.norm = HeadNorm(heads, each)
        self.state_shapes = (*((1, size),) * 4, *self.conv.state_shapes)
        with torch.no_grad():
            self.forget_gate.bias.view(heads, each)[:] = evenly(FORGET_BIAS, each)

    def forward(self, x_BTH: Tensor, state: Carried) -> tuple[Tensor, Carried]:
        *carried, inputs = state
        u_BTH, inputs = self.conv(x_BTH, inputs)
        u_BTH = F.silu(u_BTH)
        gates = (self.input_gate(u_BTH), self.forget_gate(u_BTH))
        wx = (*gates, self.cell_input(x_BTH), self.output_gate(x_BTH))
        wx_BTNG = torch.cat([by_head(part, self.heads) for part in wx], -1)
        heads = tuple(by_head(leaf[0], self.heads) for leaf in carried)
        h_BTND, after = self.cell(wx_BTNG, heads)
        leaves = (leaf.flatten(-2)[None] for leaf in after)
        return self.norm(h_BTND).flatten(-2), (*leaves, inputs)


class Core(ResidualCore):
    """Layers of it, each with an MLP."""

    def __init__(  # noqa: PLR0913 (what every core takes, and three options)
        self,
        input_size: int,
        hidden_size: int,
        layers: int,
        dropout: Dropout,
        heads: int = 2,
        conv_width: int = 4,
        mlp_ratio: float = 2.0,
    ) -> None:
        mixers = [Slstm(hidden_size, heads, conv_width) for _ in range(layers)]
        super().__init__(input_size, hidden_size, mixers, dropout, mlp_ratio)
