"""Gated DeltaNet: a matrix that writes what is new about a value, and forgets (Yang et al. 2024,
arXiv 2412.06464).

    S' = alpha (I - beta k k^T) S + beta k v^T,  o = S'^T q / sqrt(D);  S: D keys x D values
    alpha = exp(-exp(A) softplus(w_a . x + b)),  beta = sigmoid(w_b . x);  one of each for a head
    q, k, v = silu of a causal convolution of W x;  q and k brought to length 1

No gate sees the state, so a stretch of CHUNK steps is computed at once: what each step writes
depends on what the steps before wrote by a triangular system (the WY form of the paper), which is
solved; a step is a stretch of one. Each head is normalized and gated by silu(W_g x), then mixed
by a linear layer. The residual frame is model/blocks.py. A begins so that exp(A) is up to 16, b
so that softplus(b) is 0.001 to 0.1, as the authors' code has them. State of a layer: S, H x D
numbers (D = H / heads), and the last conv_width - 1 inputs of the convolutions, 3 H each.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recurrence.model.blocks import EPS, Carried, CausalConv, ResidualCore, by_head, head_size
from recurrence.params import Dropout

#   B = lanes, T = time, H = hidden size, N = heads, D = H / N, S = an earlier time

CHUNK = 32
FASTEST = 16.0
STEPS = (0.001, 0.1)


def steps_at_once(
    q_BNTD: Tensor,
    k_BNTD: Tensor,
    v_BNTD: Tensor,
    gates: tuple[Tensor, Tensor],
    S_BNDD: Tensor,
) -> tuple[Tensor, Tensor]:
    """o_BNTD and the next S; `gates`: log alpha and beta, each BNT.

    With g the sums of log alpha, step t writes u_t = beta_t (v_t - e^{g_t} S_0^T k_t
    - sum_{s<t} e^{g_t - g_s} (k_t . k_s) u_s) along k_t.
    """
    log_alpha_BNT, beta_BNT = gates
    time = beta_BNT.shape[-1]
    g_BNT1 = log_alpha_BNT.cumsum(-1)[..., None]
    seen_TS = g_BNT1.new_ones(time, time, dtype=torch.bool).tril()
    decay_BNTS = (g_BNT1 - g_BNT1.mT).masked_fill(~seen_TS, -math.inf).exp()
    beta_BNT1 = beta_BNT[..., None]
    told_BNTS = beta_BNT1 * (k_BNTD @ k_BNTD.mT) * decay_BNTS  # the diagonal is taken as 1
    known_BNTD = g_BNT1.exp() * (k_BNTD @ S_BNDD)
    new_BNTD = beta_BNT1 * (v_BNTD - known_BNTD)
    u_BNTD = torch.linalg.solve_triangular(told_BNTS, new_BNTD, upper=False, unitriangular=True)
    o_BNTD = g_BNT1.exp() * (q_BNTD @ S_BNDD) + (q_BNTD @ k_BNTD.mT * decay_BNTS) @ u_BNTD
    left_BNT1 = (g_BNT1[:, :, -1:] - g_BNT1).exp()
    S_BNDD = g_BNT1[:, :, -1:].exp() * S_BNDD + (left_BNT1 * k_BNTD).mT @ u_BNTD
    return o_BNTD, S_BNDD


def unit(x_D: Tensor) -> Tensor:
    """Brought to length 1."""
    return x_D * torch.rsqrt(x_D.square().sum(-1, keepdim=True) + EPS)


class GatedDelta(nn.Module):
    """Projections, convolution, memory, gated norm."""

    def __init__(self, size: int, heads: int, conv_width: int) -> None:
        super().__init__()
        each = head_size(size, heads)
        self.heads = heads
        self.qkv = nn.Linear(size, 3 * size, bias=False)
        self.conv = CausalConv(3 * size, conv_width, bias=False)
        self.gates = nn.Linear(size, 2 * heads, bias=False)
        rate_N, step_N = torch.empty(2, heads, device="cpu").unbind()  # see `evenly` in blocks.py
        nn.init.uniform_(rate_N, 1.0, FASTEST)
        nn.init.uniform_(step_N, math.log(STEPS[0]), math.log(STEPS[1]))
        self.log_rate_N = nn.Parameter(rate_N.log())
        self.step_bias_N = nn.Parameter(step_N.exp().expm1().log())
        self.norm = nn.RMSNorm(each, EPS)
        self.output_gate = nn.Linear(size, size, bias=False)
        self.output = nn.Linear(size, size, bias=False)
        self.state_shapes = ((1, size * each), *self.conv.state_shapes)

    def forward(self, x_BTH: Tensor, state: Carried) -> tuple[Tensor, Carried]:
        qkv, inputs = self.conv(self.qkv(x_BTH), state[1])
        q, k, v = (by_head(part, self.heads).transpose(1, 2) for part in F.silu(qkv).chunk(3, -1))
        a_BTN, b_BTN = self.gates(x_BTH).chunk(2, -1)
        log_alpha_BTN = -self.log_rate_N.exp() * F.softplus(a_BTN + self.step_bias_N)
        gates = (log_alpha_BTN.transpose(1, 2), torch.sigmoid(b_BTN).transpose(1, 2))
        S = state[0][0].view(x_BTH.shape[0], self.heads, q.shape[-1], -1)
        each = (unit(q) / math.sqrt(q.shape[-1]), unit(k), v, *gates)
        outputs = []
        for q, k, v, log_alpha, beta in zip(
            *(torch.split(one, CHUNK, 2) for one in each), strict=True
        ):
            o_BNTD, S = steps_at_once(q, k, v, (log_alpha, beta), S)
            outputs.append(o_BNTD)
        o_BTH = self.norm(torch.cat(outputs, 2).transpose(1, 2)).flatten(-2)
        return self.output(o_BTH * F.silu(self.output_gate(x_BTH))), (S.flatten(1)[None], inputs)


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
        mixers = [GatedDelta(hidden_size, heads, conv_width) for _ in range(layers)]
        super().__init__(input_size, hidden_size, mixers, dropout, mlp_ratio)
