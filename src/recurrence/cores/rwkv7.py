"""The time mixing of RWKV-7: the delta rule with a decay and a rate for every unit (Peng et al.
2025, arXiv 2503.14456).

    S' = diag(w) S - (a * kk) (kk^T S) + k v^T,  o = S'^T r         S: D keys x D values of a head
    w = exp(-e^{-1/2} sigmoid(d(x_w))),  a = sigmoid(a(x_a)),  kk = k * xi brought to length 1,
    k then times 1 + (a - 1) * alpha;  d and a are small networks of `rank` units
    y = W_o (g * (norm(o) + (rho . (r * k)) v)),  g = G_2 sigmoid(G_1 x_g)

x_w and its like are x moved towards the x of the step before, each by weights of its own (token
shift). No gate sees the state: a stretch of CHUNK steps is computed at once, as in
gated_delta.py. A decay is at least e^{-0.61}, so that over a stretch its inverse stays in range.
Of the whole model only this is taken: the MLP is that of the frame, model/blocks.py, without
token shift, and values of later layers are not mixed with those of the first. State of a layer:
S, H x D numbers (D = H / heads), and the input of the step before, H.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recurrence.model.blocks import Carried, HeadNorm, ResidualCore, by_head, evenly, head_size
from recurrence.params import Dropout

#   B = lanes, T = time, H = hidden size, N = heads, D = H / N, R = rank, S = an earlier time

CHUNK = 16
LEAST_LOG_DECAY = -math.exp(-0.5)
DECAY_BIAS = (-6.5, -1.5)
"""From 0.999 to 0.895 a step, over the units."""
KEY_SCALE = 0.85
"""xi at first."""
NORM_EPS = 64e-5
SHIFTED = 6
"""r, w, k, v, a, g each see an x of their own."""


def steps_at_once(
    r: Tensor, log_w: Tensor, k: Tensor, v: Tensor, rule: tuple[Tensor, Tensor], S_BNDD: Tensor
) -> tuple[Tensor, Tensor]:
    """o_BNTD and the next S; `rule`: kk and a, all BNTD.

    With c the products of w up to a step, what step t finds of its key is
    u_t = (kk c_{t-1}) . S_0 + sum_{s<t} (kk_t c_{t-1}) . (k_s v_s^T - (a kk)_s u_s^T) / c_s.
    """
    kk, a = rule
    time = k.shape[2]
    seen_TS = k.new_ones(time, time, dtype=torch.bool).tril()
    before_TS = seen_TS.tril(-1)
    sums = log_w.cumsum(2)
    c = sums.exp()
    found = kk * (sums - log_w).exp()
    told, erased = k / c, a * kk / c
    told_BNTS = (found @ told.mT).masked_fill(~before_TS, 0.0)
    erased_BNTS = (found @ erased.mT).masked_fill(~before_TS, 0.0)
    known = found @ S_BNDD + told_BNTS @ v
    u = torch.linalg.solve_triangular(erased_BNTS, known, upper=False, unitriangular=True)
    read = r * c
    o = read @ S_BNDD
    o = o + (read @ told.mT).masked_fill(~seen_TS, 0.0) @ v
    o = o - (read @ erased.mT).masked_fill(~seen_TS, 0.0) @ u
    last = c[:, :, -1:]
    S_BNDD = last.mT * S_BNDD + (last * told).mT @ v - (last * erased).mT @ u
    return o, S_BNDD


class Rwkv7(nn.Module):
    """Token shift, gates, memory, norm, output gate."""

    def __init__(self, size: int, heads: int, rank: int) -> None:
        super().__init__()
        each = head_size(size, heads)
        if rank < 1:
            raise ValueError(f"options.rank must be at least 1, got {rank}")
        self.heads = heads
        self.shift_6H = nn.Parameter(torch.empty(SHIFTED, size))
        self.receptance = nn.Linear(size, size, bias=False)
        self.key = nn.Linear(size, size, bias=False)
        self.value = nn.Linear(size, size, bias=False)
        self.decay = _network(size, rank, nn.Tanh(), evenly(DECAY_BIAS, size))
        self.rate = _network(size, rank, nn.Identity(), torch.zeros(size))
        self.gate = _network(size, rank, nn.Sigmoid(), None)
        self.key_scale_H = nn.Parameter(torch.full((size,), KEY_SCALE))
        self.key_rate_H = nn.Parameter(torch.ones(size))
        self.bonus_ND = nn.Parameter(torch.zeros(heads, each))
        self.norm = HeadNorm(heads, each, NORM_EPS)
        self.output = nn.Linear(size, size, bias=False)
        self.state_shapes = ((1, size * each), (1, size))
        nn.init.uniform_(self.shift_6H)

    def forward(self, x_BTH: Tensor, state: Carried) -> tuple[Tensor, Carried]:
        before_BTH = torch.cat((state[1].transpose(0, 1), x_BTH[:, :-1]), 1)
        x_r, x_w, x_k, x_v, x_a, x_g = (
            torch.lerp(x_BTH, before_BTH, by_H) for by_H in self.shift_6H.unbind(0)
        )
        r, k, v = self.receptance(x_r), self.key(x_k), self.value(x_v)
        log_w = LEAST_LOG_DECAY * torch.sigmoid(self.decay(x_w))
        a = torch.sigmoid(self.rate(x_a))
        kk = F.normalize(by_head(k * self.key_scale_H, self.heads), dim=-1)
        k = k * (1 + (a - 1) * self.key_rate_H)
        r, log_w, k, v, a = (by_head(each, self.heads) for each in (r, log_w, k, v, a))
        o_BTND, S = self._remembered((r, log_w, k, v, kk, a), state[0][0])
        bonus_BTN1 = (r * k * self.bonus_ND).sum(-1, keepdim=True)
        y_BTND = self.norm(o_BTND) + bonus_BTN1 * v
        y_BTH = self.output(y_BTND.flatten(-2) * self.gate(x_g))
        return y_BTH, (S.flatten(1)[None], x_BTH[None, :, -1])

    def _remembered(self, each: Carried, S: Tensor) -> tuple[Tensor, Tensor]:
        """What is read at every step, and the memory after them."""
        size = each[0].shape[-1]
        S_BNDD = S.view(S.shape[0], self.heads, size, size)
        outputs = []
        stretches = (torch.split(one.transpose(1, 2), CHUNK, 2) for one in each)
        for r, log_w, k, v, kk, a in zip(*stretches, strict=True):
            o_BNTD, S_BNDD = steps_at_once(r, log_w, k, v, (kk, a), S_BNDD)
            outputs.append(o_BNTD)
        return torch.cat(outputs, 2).transpose(1, 2), S_BNDD


def _network(size: int, rank: int, between: nn.Module, bias_H: Tensor | None) -> nn.Sequential:
    """H units to `rank` and back, with biases that begin as given."""
    last = nn.Linear(rank, size, bias=bias_H is not None)
    if bias_H is not None:
        last.bias = nn.Parameter(bias_H)
    return nn.Sequential(nn.Linear(size, rank, bias=False), between, last)


class Core(ResidualCore):
    """Layers of it, each with an MLP."""

    def __init__(  # noqa: PLR0913 (what every core takes, and three options)
        self,
        input_size: int,
        hidden_size: int,
        layers: int,
        dropout: Dropout,
        heads: int = 2,
        rank: int = 16,
        mlp_ratio: float = 2.0,
    ) -> None:
        mixers = [Rwkv7(hidden_size, heads, rank) for _ in range(layers)]
        super().__init__(input_size, hidden_size, mixers, dropout, mlp_ratio)
