"""A causal transformer with a sliding window: what recurrent nets are held against (Vaswani et
al. 2017, arXiv 1706.03762, in the form of Llama and Mistral, arXiv 2302.13971 and 2310.06825).

    o_t = sum_s softmax_s(q_t . k_s / sqrt(D)) v_s   over the last `window` steps s, t among them
    q and k are turned by their positions (rotary embeddings, arXiv 2104.09864)

The residual frame, model/blocks.py, is that of Llama: RMSNorm before, a gated MLP after. What is
kept is a cache of fixed size, so that a state has a shape: keys and values of the last window - 1
steps. A training carries it from window to window of its text without gradient, as Transformer-XL
does (arXiv 1901.02860). Only distances count in the attention, but positions are counted on,
exactly up to 2^24 steps of a lane in single precision. State of a layer: keys and values, (window
- 1) x H numbers each, and how many steps there were.
"""

import math

import torch
from torch import Tensor, nn

from recurrence.model.blocks import Carried, ResidualCore, by_head, head_size
from recurrence.params import Dropout

#   B = lanes, T = time, H = hidden size, N = heads, D = H / N, C = cached steps, S = C + T

BASE = 10_000.0
"""Of the wavelengths of rotary embeddings, from 2 pi to 2 pi times this."""
LONGEST = 1 << 16
"""No weight tells of the window, and a cache is made as large as it says."""


def angles(count_B1: Tensor, time: int, size: int) -> tuple[Tensor, Tensor]:
    """cos and sin of positions after so many steps times BASE^(-2d/size), BT1D, D = size / 2."""
    steps_T = torch.arange(time, device=count_B1.device)
    pairs_D = torch.arange(size // 2, device=count_B1.device)
    speed_D = torch.exp(pairs_D.double() * (-2 * math.log(BASE) / size))
    angle_BT1D = (count_B1.double() + steps_T)[..., None, None] * speed_D
    return angle_BT1D.cos().to(count_B1.dtype), angle_BT1D.sin().to(count_B1.dtype)


def turned(x_BTH: Tensor, heads: int, by: tuple[Tensor, Tensor]) -> Tensor:
    """The pairs (d, d + D/2) of each head turned by their angles."""
    cos_BT1D, sin_BT1D = by
    a_BTND, b_BTND = by_head(x_BTH, heads).chunk(2, -1)
    parts = (a_BTND * cos_BT1D - b_BTND * sin_BT1D, b_BTND * cos_BT1D + a_BTND * sin_BT1D)
    return torch.cat(parts, -1).flatten(-2)


class Attention(nn.Module):
    """Attention to the window, by heads."""

    def __init__(self, size: int, heads: int, window: int) -> None:
        super().__init__()
        head_size(size, heads, multiple_of=2)
        if not 2 <= window <= LONGEST:
            raise ValueError(f"options.window must be from 2 to {LONGEST:,}, got {window}")
        self.heads, self.window = heads, window
        self.qkv = nn.Linear(size, 3 * size, bias=False)
        self.output = nn.Linear(size, size, bias=False)
        self.state_shapes = ((window - 1, size), (window - 1, size), (1, 1))

    def forward(self, x_BTH: Tensor, state: Carried) -> tuple[Tensor, Carried]:
        cached_k, cached_v, count_B1 = state[0], state[1], state[2][0]
        time = x_BTH.shape[1]
        q_BTH, k_BTH, v_BTH = self.qkv(x_BTH).chunk(3, -1)
        by = angles(count_B1, time, x_BTH.shape[-1] // self.heads)
        q_BTH, k_BTH = (turned(each, self.heads, by) for each in (q_BTH, k_BTH))
        k_SBH = torch.cat((cached_k, k_BTH.transpose(0, 1)))
        v_SBH = torch.cat((cached_v, v_BTH.transpose(0, 1)))
        q_BNTD = by_head(q_BTH, self.heads).transpose(1, 2)
        k_BNSD, v_BNSD = (by_head(each, self.heads).permute(1, 2, 0, 3) for each in (k_SBH, v_SBH))
        scores_BNTS = q_BNTD / math.sqrt(q_BNTD.shape[-1]) @ k_BNSD.mT
        hidden_BTS = self._hidden(time, count_B1)
        weights_BNTS = scores_BNTS.masked_fill(hidden_BTS[:, None], -math.inf).softmax(-1)
        o_BTH = (weights_BNTS @ v_BNSD).transpose(1, 2).flatten(-2)
        after = k_SBH[time:].contiguous(), v_SBH[time:].contiguous(), count_B1[None] + time
        return self.output(o_BTH), after

    def _hidden(self, time: int, count_B1: Tensor) -> Tensor:
        """What a step does not see: later ones, those past the window, empty places of the
        cache.
        """
        cached = self.window - 1
        steps_S = torch.arange(cached + time, device=count_B1.device)
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
