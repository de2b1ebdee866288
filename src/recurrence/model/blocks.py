"""The residual frame of today's language models, and the parts that what they mix time with share.

    x = x + mixer(norm(x)),  x = x + mlp(norm(x)),  once per layer; a norm at the end

A mixer is what one paper differs in from another (cores/); everything else is here, the same for
all: RMSNorm (Zhang & Sennrich 2019, arXiv 1910.07467) and a gated MLP (SwiGLU; Shazeer 2020,
arXiv 2002.05202). The rates `hidden` (locked) and `plain_between` drop what a mixer or an MLP
adds.
"""

from collections.abc import Sequence
from itertools import islice
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recurrence.model.dropout import Dropout, LockedDropout
from recurrence.params import Dropout as Rates

#   B = lanes, T = time, E = input size, H = hidden size, N = heads, D = H / N, K = width of a
#   convolution

EPS = 1e-6
MOST_UNITS = 1 << 20
Carried = tuple[Tensor, ...]


class Mixer(Protocol):
    """What a layer mixes time with; its state as a core's, each leaf LBH."""

    @property
    def state_shapes(self) -> Sequence[tuple[int, int]]:
        """(L, H) of each leaf."""

    def __call__(self, x_BTH: Tensor, state: Carried) -> tuple[Tensor, Carried]:
        """(output_BTH, next state)."""


class ResidualCore(nn.Module):
    """A stack of mixers, each with an MLP after it; the state is each mixer's in turn."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        mixers: Sequence[Mixer],
        dropout: Rates,
        mlp_ratio: float,
    ) -> None:
        """`mlp_ratio`: inner units of the MLP for each of H. An input other than H is projected."""
        super().__init__()
        self.output_size = hidden_size
        self.state_shapes = tuple(shape for mixer in mixers for shape in mixer.state_shapes)
        same = input_size == hidden_size
        self.input = nn.Identity() if same else nn.Linear(input_size, hidden_size, bias=False)
        self.blocks = nn.ModuleList(
            Block(hidden_size, mixer, dropout, mlp_ratio) for mixer in mixers
        )
        self.norm = nn.RMSNorm(hidden_size, EPS)

    def forward(self, x_BTE: Tensor, state: Carried) -> tuple[Tensor, Carried]:
        x_BTH = self.input(x_BTE)
        leaves = iter(state)
        after: list[Tensor] = []
        for block in self.blocks:
            own = tuple(islice(leaves, len(block.mixer.state_shapes)))  # type: ignore[union-attr, arg-type]
            x_BTH, own = block(x_BTH, own)
            after += own
        return self.norm(x_BTH), tuple(after)


class Block(nn.Module):
    """One layer."""

    def __init__(self, size: int, mixer: Mixer, dropout: Rates, mlp_ratio: float) -> None:
        super().__init__()
        self.norm = nn.RMSNorm(size, EPS)
        self.mixer = mixer
        self.mlp_norm = nn.RMSNorm(size, EPS)
        self.mlp = GatedMLP(size, inner_size(size, mlp_ratio))
        self.drop = between(dropout)

    def forward(self, x_BTH: Tensor, state: Carried) -> tuple[Tensor, Carried]:
        mixed_BTH, state = self.mixer(self.norm(x_BTH), state)
        x_BTH = x_BTH + self.drop(mixed_BTH)
        return x_BTH + self.drop(self.mlp(self.mlp_norm(x_BTH))), state


class GatedMLP(nn.Module):
    """W_down (silu(W_gate x) * W_up x)."""

    def __init__(self, size: int, inner: int) -> None:
        super().__init__()
        self.gate = nn.Linear(size, inner, bias=False)
        self.up = nn.Linear(size, inner, bias=False)
        self.down = nn.Linear(inner, size, bias=False)

    def forward(self, x_BTH: Tensor) -> Tensor:
        y_BTH: Tensor = self.down(F.silu(self.gate(x_BTH)) * self.up(x_BTH))
        return y_BTH


class CausalConv(nn.Module):
    """y_t = sum_j w_j * x_{t-K+1+j} (+ b), by feature; the state is the last K - 1 inputs."""

    def __init__(self, size: int, width: int, bias: bool = True) -> None:
        super().__init__()
        if width < 2:
            raise ValueError(f"options.conv_width must be at least 2, got {width}")
        self.state_shapes = ((width - 1, size),)
        self.weight_KH = nn.Parameter(torch.empty(width, size))
        self.bias_H = nn.Parameter(torch.empty(size)) if bias else None
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -(width**-0.5), width**-0.5)  # as torch's nn.Conv1d

    def forward(self, x_BTH: Tensor, before_KBH: Tensor) -> tuple[Tensor, Tensor]:
        time = x_BTH.shape[1]
        all_BTH = torch.cat((before_KBH.transpose(0, 1), x_BTH), 1)
        oldest_H, *weights = self.weight_KH.unbind(0)
        y_BTH = all_BTH[:, :time] * oldest_H
        for j, weight_H in enumerate(weights, start=1):
            y_BTH = torch.addcmul(y_BTH, all_BTH[:, j : j + time], weight_H)
        if self.bias_H is not None:
            y_BTH = y_BTH + self.bias_H
        return y_BTH, all_BTH[:, time:].transpose(0, 1).contiguous()


class BlockDiagonal(nn.Module):
    """W x (+ b) where W joins only units of the same head; (..., N, D) -> (..., N, D x gates)."""

    def __init__(self, heads: int, size: int, gates: int = 1, bias: bool = True) -> None:
        super().__init__()
        self.weight_NDG = nn.Parameter(torch.empty(heads, size, gates * size))
        self.bias_NG = nn.Parameter(torch.empty(heads, gates * size)) if bias else None
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -(size**-0.5), size**-0.5)

    def forward(self, x_ND: Tensor) -> Tensor:
        y_NG = torch.einsum("...nd,ndg->...ng", x_ND, self.weight_NDG)
        return y_NG if self.bias_NG is None else y_NG + self.bias_NG


class HeadNorm(nn.Module):
    """LayerNorm of each head by itself, with a weight for each unit (GroupNorm, a step at a
    time).
    """

    def __init__(self, heads: int, size: int, eps: float = EPS) -> None:
        super().__init__()
        self.eps = eps
        self.weight_ND = nn.Parameter(torch.ones(heads, size))

    def forward(self, x_ND: Tensor) -> Tensor:
        return F.layer_norm(x_ND, x_ND.shape[-1:], eps=self.eps) * self.weight_ND


def by_head(x_H: Tensor, heads: int) -> Tensor:
    """(..., H) -> (..., N, D)."""
    return x_H.view(*x_H.shape[:-1], heads, -1)


def evenly(ends: tuple[float, float], count: int) -> Tensor:
    """Initial values from end to end, on the CPU: on `meta` torch would load its compiler."""
    return torch.linspace(*ends, count, device="cpu")


def between(dropout: Rates) -> nn.Module:
    """What drops between layers."""
    return nn.Sequential(LockedDropout(dropout.hidden), Dropout(dropout.plain_between))


def inner_size(size: int, ratio: float) -> int:
    """Inner units of an MLP. Raises ValueError where there would be none, or more than any layer
    has.
    """
    if not 1 <= ratio * size <= MOST_UNITS:
        raise ValueError(
            f"options.mlp_ratio must make 1 to {MOST_UNITS:,} units of {size}, got {ratio}"
        )
    return round(ratio * size)


def head_size(hidden_size: int, heads: int, multiple_of: int = 1) -> int:
    """D. Raises ValueError where heads of that size do not make up the hidden units."""
    if heads < 1 or hidden_size % (heads * multiple_of):
        even = "" if multiple_of == 1 else f" into sizes that are a multiple of {multiple_of}"
        raise ValueError(f"options.heads must divide hidden ({hidden_size}){even}, got {heads}")
    return hidden_size // heads
