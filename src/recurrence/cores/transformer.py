"""A causal transformer with a sliding window: what recurrent nets are held against (Vaswani et al. 2017,
arXiv 1706.03762, in the form of Llama and Mistral, arXiv 2302.13971 and 2310.06825).

    o_t = sum_s softmax_s(q_t . k_s / sqrt(D)) v_s   over the last `window` steps s, t itself among them
    q and k are turned by their positions (rotary embeddings, arXiv 2104.09864)

The residual frame, model/blocks.py, is that of Llama: RMSNorm before, a gated MLP after. What is
kept is a cache of fixed size, so that a state has a shape: keys and values of the last window - 1
steps, keys not yet turned. Only distances count in the attention, so positions are counted from the
start of the cache and no count of all tokens is carried. A training carries the cache from window to
window of its text without gradient, as Transformer-XL does (arXiv 1901.02860).
State of a layer: keys and values, (window - 1) x H numbers each, and how many of them there are.
"""

import math

import torch
from torch import Tensor, nn

from recurrence.model.blocks import Carried, ResidualCore, by_head, head_size
from recurrence.params import Dropout

#   B = lanes, T = time, H = hidden size, N = heads, D = H / N, C = cached steps, S = C + T

BASE = 10_000.0
"""Of the wavelengths of rotary embeddings, from 2 pi to 2 pi times this."""


def turned(x_BNTD: Tensor, first: int) -> Tensor:
    """Pairs (d, d + D/2) turned by their position, counted from `first`, times BASE^(-2d/D)."""
    half = x_BNTD.shape[-1] // 2
    positions_T = torch.arange(first, first + x_BNTD.shape[-2], device=x_BNTD.device)
    each_D = torch.arange(half, device=x_BNTD.device).to(x_BNTD.dtype)
    speed_D = torch.exp(each_D * (-math.log(BASE) / half))
    angle_TD = positions_T.to(x_BNTD.dtype)[:, None] * speed_D
    cos_TD, sin_TD = angle_TD.cos(), angle_TD.sin()
    a_BNTD, b_BNTD = x_BNTD.chunk(2, -1)
    parts = (a_BNTD * cos_TD - b_BNTD * sin_TD, b_BNTD * cos_TD + a_BNTD * sin_TD)
    return torch.cat(parts, -1)


class Attention(nn.Module):
    """Attention to the window, by heads."""

    def __init__(self, size: int, heads: int, window: int) -> None:
        super().__init__()
        head_size(size, heads, multiple_of=2)
        if window < 2:
            raise ValueError(f"options.window must be at least 2, got {window}")
        self.heads, self.window = heads, window
        self.qkv = nn.Linear(size, 3 * size, bias=False)
        self.output = nn.Linear(size, size, bias=False)
        self.state_shapes = ((window - 1, size), (window - 1, size), (1, 1))

    def forward(self, x_BTH: Tensor, state: Carried) -> tuple[Tensor, Carried]:
        cached_k, cached_v, count_B = state[0], state[1], state[2][0]
        q_BTH, k_BTH, v_BTH = self.qkv(x_BTH).chunk(3, -1)
        k_SBH = torch.cat((cached_k, k_BTH.transpose(0, 1)))
        v_SBH = torch.cat((cached_v, v_BTH.transpose(0, 1)))
        q_BNTD = by_head(q_BTH, self.heads).transpose(1, 2)
        k_BNSD, v_BNSD = (by_head(each, self.heads).permute(1, 2, 0, 3) for each in (k_SBH, v_SBH))
        cached = len(cached_k)
        scores_BNTS = turned(q_BNTD, cached) @ turned(k_BNSD, 0).mT
        hidden_BTS = self._hidden(q_BNTD, count_B)
        scores_BNTS = scores_BNTS.masked_fill(hidden_BTS[:, None], -math.inf)
        weights_BNTS = torch.softmax(scores_BNTS / math.sqrt(q_BNTD.shape[-1]), -1)
        o_BTH = (weights_BNTS @ v_BNSD).transpose(1, 2).flatten(-2)
        time = x_BTH.shape[1]
        count_B = (count_B + time).clamp(max=cached)
        after = k_SBH[time:].contiguous(), v_SBH[time:].contiguous(), count_B[None]
        return self.output(o_BTH), after

    def _hidden(self, q_BNTD: Tensor, count_B1: Tensor) -> Tensor:
        """Which of the S steps each step does not see: later ones, those past the window, and the cache's empty places."""
        cached, time = self.window - 1, q_BNTD.shape[2]
        steps_S = torch.arange(cached + time, device=q_BNTD.device)
        ago_TS = steps_S[cached:, None] - steps_S
        outside_TS = (ago_TS < 0) | (ago_TS >= self.window)
        empty_BS = steps_S < cached - count_B1
        return outside_TS | empty_BS[:, None]


class Core(ResidualCore):
    """Layers of it, each with an MLP."""

    def __init__(  # noqa: PLR0913 (what every core takes, and three options)
        self,
        input_size: int,
        hidden_size: int,
        layers: int,
        dropout: Dropout,
        heads: int = 4,
        window: int = 256,
        mlp_ratio: float = 2.0,
    ) -> None:
        mixers = [Attention(hidden_size, heads, window) for _ in range(layers)]
        super().__init__(input_size, hidden_size, mixers, dropout, mlp_ratio)
