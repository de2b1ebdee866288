"""mLSTM: a matrix for a memory, with exponential gates (Beck et al. 2024, xLSTM, arXiv 2405.04517).

    C' = f C + i v k^T,  n' = f n + i k,  h' = o * C' q / max(|n' . q|, 1),  k divided by sqrt(D)
    i = exp(w_i . x),  f = sigmoid(w_f . x),  o = sigmoid(W_o x);  one i and one f for a head

No gate sees the state, so a stretch of CHUNK steps is computed at once: within it as attention
whose weights are the gates between two steps, before it by C and n (the authors' chunkwise form).
All is kept divided by exp(m), m' = max(log f + m, log i), so that nothing overflows; a step is a
stretch of one. Around it the authors' later block (xLSTM 7B, arXiv 2503.13427): q, k, v, gates
from x itself, the norm of each head before the output gate, a linear layer after; without their
cap on gates and with keys as long as values. Forget biases begin between 3 and 6 over the heads.
The frame is model/blocks.py. State of a layer: C, H x D numbers (D = H / heads), n, H, and m, one
for each head.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recurrence.model.blocks import Carried, HeadNorm, ResidualCore, by_head, evenly, head_size
from recurrence.params import Dropout

#   B = lanes, T = time, H = hidden size, N = heads, D = H / N, S = an earlier time

CHUNK = 32
FORGET_BIAS = (3.0, 6.0)
MOST = 80.0
"""exp of more may be no number."""


def steps_at_once(
    q_BNTD: Tensor, k_BNTD: Tensor, v_BNTD: Tensor, gates: tuple[Tensor, Tensor], state: Carried
) -> tuple[Tensor, Carried]:
    """h_BNTD before the output gate, and the next (C_BNDD, n_BND, m_BN), all divided by exp(m).

    `gates`: log i and log f, each BNT.
    """
    C_BNDD, n_BND, m_BN = state
    log_i_BNT, log_f_BNT = gates
    time = log_i_BNT.shape[-1]
    k_BNTD = k_BNTD / math.sqrt(k_BNTD.shape[-1])
    since_BNT = log_f_BNT.cumsum(-1)
    before_BNT = since_BNT + m_BN[..., None]
    future_TS = since_BNT.new_ones(time, time, dtype=torch.bool).triu(1)
    paths_BNTS = since_BNT[..., None] - since_BNT[..., None, :] + log_i_BNT[..., None, :]
    paths_BNTS = paths_BNTS.masked_fill(future_TS, -math.inf)
    m_BNT = torch.maximum(before_BNT, paths_BNTS.amax(-1))
    gate_BNTS = torch.exp(paths_BNTS - m_BNT[..., None])
    old_BNT = torch.exp(before_BNT - m_BNT)
    weights_BNTS = q_BNTD @ k_BNTD.mT * gate_BNTS
    sums_BNTD = weights_BNTS @ v_BNTD + old_BNT[..., None] * (q_BNTD @ C_BNDD)
    norm_BNT = weights_BNTS.sum(-1) + old_BNT * (q_BNTD @ n_BND[..., None])[..., 0]
    least_BNT = torch.exp((-m_BNT).clamp(max=MOST))
    h_BNTD = sums_BNTD / torch.maximum(norm_BNT.abs(), least_BNT)[..., None]
    gated_BNTD = gate_BNTS[..., -1, :, None] * k_BNTD
    C_BNDD = old_BNT[..., -1, None, None] * C_BNDD + gated_BNTD.mT @ v_BNTD
    n_BND = old_BNT[..., -1, None] * n_BND + gated_BNTD.sum(-2)
    return h_BNTD, (C_BNDD, n_BND, m_BNT[..., -1])


class Mlstm(nn.Module):
    """Projections, memory, norm, output gate."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        each = head_size(size, heads)
        self.heads = heads
        self.qkv = nn.Linear(size, 3 * size, bias=False)
        self.gates = nn.Linear(size, 2 * heads)
        self.output_gate = nn.Linear(size, size, bias=False)
        self.norm = HeadNorm(heads, each)
        self.output = nn.Linear(size, size, bias=False)
        self.state_shapes = ((1, size * each), (1, size), (1, heads))
        with torch.no_grad():
            self.gates.bias[heads:] = evenly(FORGET_BIAS, heads)

    def forward(self, x_BTH: Tensor, state: Carried) -> tuple[Tensor, Carried]:
        q, k, v = (
            by_head(part, self.heads).transpose(1, 2) for part in self.qkv(x_BTH).chunk(3, -1)
        )
        log_i, f = self.gates(x_BTH).transpose(1, 2).chunk(2, 1)
        C, n, m = (leaf[0] for leaf in state)
        carried: Carried = (
            C.view(C.shape[0], self.heads, q.shape[-1], -1),
            by_head(n, self.heads),
            m,
        )
        parts = (torch.split(each, CHUNK, 2) for each in (q, k, v, log_i, F.logsigmoid(f)))
        outputs = []
        for q, k, v, *gates in zip(*parts, strict=True):
            h_BNTD, carried = steps_at_once(q, k, v, (gates[0], gates[1]), carried)
            outputs.append(h_BNTD)
        h_BTND = torch.cat(outputs, 2).transpose(1, 2)
        gated_BTH = torch.sigmoid(self.output_gate(x_BTH)) * self.norm(h_BTND).flatten(-2)
        return self.output(gated_BTH), tuple(leaf.flatten(1)[None] for leaf in carried)


class Core(ResidualCore):
    """Layers of it, each with an MLP."""

    def __init__(  # noqa: PLR0913 (what every core takes, and two options)
        self,
        input_size: int,
        hidden_size: int,
        layers: int,
        dropout: Dropout,
        heads: int = 2,
        mlp_ratio: float = 2.0,
    ) -> None:
        mixers = [Mlstm(hidden_size, heads) for _ in range(layers)]
        super().__init__(input_size, hidden_size, mixers, dropout, mlp_ratio)
