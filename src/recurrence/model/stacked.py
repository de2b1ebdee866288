"""Seeds of a small net as one batched computation: S nets computed as one, with S times as many
lanes.

Comes in: models of one params block. Comes out: a model of them all, in which each computes what it
would alone: on a CPU to the last bit, if the matrix library makes a product alone as it makes it
among others. A small product takes longer to start than to compute; S of them at once are started
once. A core that may be computed so says it: `stacks`.
"""

import copy
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recurrence.model import Head, LanguageModel, State
from recurrence.model.dropout import Dropout, LockedDropout, dropout_mask

# S = seeds, B = lanes of a seed, N = S * B lanes, those of a seed side by side, T = time, V =
# vocabulary, E = input size, H = hidden or output size, G = H for each gate, L = layers

Generators = Sequence[torch.Generator]
Carried = tuple[Tensor, ...]
WEIGHTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


def can_stack(model: LanguageModel) -> bool:
    """Whether its core declares that it `stacks`, and every part that has weights, or draws masks,
    can be stacked.

    Parts alone do not tell: a core that lays out its lanes otherwise, or mixes them, is made of the
    same ones.
    """
    declared = getattr(model.core, "stacks", False)
    return declared and all(type(part) in TOGETHER for part in model.modules() if _matters(part))


def _matters(part: nn.Module) -> bool:
    return hasattr(part, "p") or any(True for _ in part.parameters(recurse=False))


class Stacked(LanguageModel):
    """Models of one block as one: what one of them does to B lanes, this does to N.

    The parameters are the models' own; their copies side by side, which the parts compute with, are
    made anew at every forward. So optimizers see, and round, each as they would alone.
    """

    def __init__(self, models: Sequence[LanguageModel], generators: Generators) -> None:
        """`generators`: what each model draws its dropout masks from, on the models' device."""
        nn.Module.__init__(self)
        one = copy.deepcopy(models[0])
        by_time = any(isinstance(part, nn.RNNBase) for part in one.core.modules())
        for path, part in list(one.named_modules()):
            if type(part) in TOGETHER:
                one.set_submodule(path, TOGETHER[type(part)](part, generators, by_time))
        self.__dict__.update(one.__dict__)
        self.generators, self.models = generators, nn.ModuleList(models)
        self.names = [name.rpartition(".") for name, _ in models[0].named_parameters()]
        self._put_side_by_side()

    @property
    def nets(self) -> list[LanguageModel]:
        """The models."""
        return cast(list[LanguageModel], list(self.models))

    def _put_side_by_side(self) -> None:
        for (path, _, leaf), *weights in zip(
            self.names, *(model.parameters() for model in self.models), strict=True
        ):
            cast(Part, self.get_submodule(path)).put(leaf, torch.stack(weights))

    def features(self, ids_BT: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        self._put_side_by_side()
        return super().features(ids_BT, state)

    def embed(self, ids_BT: Tensor) -> Tensor:
        weight_SVE = self.embedding.weight
        seeds, vocab_size, _ = weight_SVE.shape
        if self.drop_embedding and self.training:
            weight_SVE = weight_SVE * masks(
                (seeds, vocab_size, 1), self.drop_embedding, self.generators, weight_SVE
            )
        first_S = torch.arange(0, seeds * vocab_size, vocab_size, device=ids_BT.device)
        ids_SX = ids_BT.reshape(seeds, -1) + first_S[:, None]
        return F.embedding(ids_SX.view(ids_BT.shape), weight_SVE.flatten(0, 1))

    def logits(self, features: Tensor) -> Tensor:
        weight_SHV = self.embedding.weight.mT if self.head.weight is None else self.head.weight
        return linear(features, weight_SHV, self.head.bias)


class Part(nn.Module):
    """Layers side by side; the weights that the layer has, with S in front, are put here from
    outside.
    """

    def __init__(self, one: nn.Module, generators: Generators, by_time: bool) -> None:
        """`by_time`: the core lays its output out time step by time step, as torch's recurrent
        layers do.
        """
        super().__init__()
        self.generators, self.by_time = generators, by_time
        self.p = float(getattr(one, "p", 0.0) or getattr(one, "dropout", 0.0))

    def put(self, name: str, weights: Tensor) -> None:
        """Take the weights of all seeds for the next forward."""
        setattr(self, name, weights)

    def masks(self, shape: Sequence[int], like: Tensor) -> Tensor:
        return masks(shape, self.p, self.generators, like)


class Layers(Part):
    """Layers whose matrices are kept the way round in which they are used again and again, as SEH
    and S1H.
    """

    def put(self, name: str, weights: Tensor) -> None:
        super().put(name, weights.mT if weights.dim() == 3 else weights[:, None])


class Linears(Layers):
    """Linear layers."""

    weight: Tensor | None = None
    bias: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        assert self.weight is not None
        return linear(x, self.weight, self.bias)


class RecurrentLayers(Layers):
    """torch's recurrent layers, batch first, step by step: its own equations, for its own
    weights.
    """

    dropout = 0.0
    """Of torch's own kind, which fused.py goes around, there is none: masks are drawn in here."""

    def forward(self, x_NTE: Tensor, state: Tensor | Carried) -> tuple[Tensor, Tensor | Carried]:
        lanes, time, size = x_NTE.shape
        x_STBE = x_NTE.view(len(self.generators), -1, time, size).transpose(1, 2)
        after = []
        for i, layer in enumerate(
            zip(*([state] if isinstance(state, Tensor) else state), strict=True)
        ):
            if i and self.p and self.training:
                x_STBE = x_STBE * self.masks(x_STBE.shape, x_STBE)
            carried = tuple(
                each_NH.view(len(self.generators), -1, each_NH.shape[1]) for each_NH in layer
            )
            x_STBE, carried = self._layer(i, x_STBE, carried)
            after.append([each_SBH.flatten(0, 1) for each_SBH in carried])
        new = tuple(torch.stack(each) for each in zip(*after, strict=True))
        return x_STBE.transpose(1, 2).reshape(lanes, time, -1), new[0] if isinstance(
            state, Tensor
        ) else new

    def _layer(self, i: int, x_STBE: Tensor, carried: Carried) -> tuple[Tensor, Carried]:
        w_ih, w_hh, b_ih, b_hh = (getattr(self, f"{name}_l{i}") for name in WEIGHTS)
        outputs = []
        for wx_SBG in linear(x_STBE, w_ih, b_ih).unbind(1):
            carried = self.cell(wx_SBG, torch.baddbmm(b_hh, carried[0], w_hh), *carried)
            outputs.append(carried[0])
        return torch.stack(outputs, 1), carried

    @staticmethod
    def cell(wx_SBG: Tensor, uh_SBG: Tensor, *carried_SBH: Tensor) -> Carried:
        """What one step carries on, the output first; from W x + b, U h + b, and what was
        carried.
        """
        raise NotImplementedError


class ElmanLayers(RecurrentLayers):
    """nn.RNNs with tanh."""

    @staticmethod
    def cell(wx_SBG: Tensor, uh_SBG: Tensor, *carried_SBH: Tensor) -> Carried:
        return (torch.tanh(uh_SBG + wx_SBG),)


class GruLayers(RecurrentLayers):
    """nn.GRUs."""

    @staticmethod
    def cell(wx_SBG: Tensor, uh_SBG: Tensor, *carried_SBH: Tensor) -> Carried:
        wr, wz, wn = wx_SBG.chunk(3, -1)
        ur, uz, un = uh_SBG.chunk(3, -1)
        n = torch.tanh(wn + torch.sigmoid(wr + ur) * un)
        return (torch.lerp(n, carried_SBH[0], torch.sigmoid(wz + uz)),)


class LstmLayers(RecurrentLayers):
    """nn.LSTMs."""

    @staticmethod
    def cell(wx_SBG: Tensor, uh_SBG: Tensor, *carried_SBH: Tensor) -> Carried:
        i, f, g, o = (wx_SBG + uh_SBG).chunk(4, -1)
        c = torch.sigmoid(f) * carried_SBH[1] + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


class Drops(Part):
    """Plain dropout, each seed's masks from its own generator, in the order in which it would draw
    them alone.
    """

    def forward(self, x_NTH: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x_NTH
        if not self.by_time:
            return x_NTH * self.masks(x_NTH.shape, x_NTH)
        (lanes, time, size), seeds = x_NTH.shape, len(self.generators)
        mask_STBH = self.masks((seeds, time, lanes // seeds, size), x_NTH)
        return x_NTH * mask_STBH.transpose(1, 2).reshape(x_NTH.shape)


class LockedDrops(Part):
    """Locked dropout, likewise."""

    def forward(self, x_NTH: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return x_NTH
        return x_NTH * self.masks((len(x_NTH), 1, x_NTH.shape[2]), x_NTH)


TOGETHER: dict[type[nn.Module], type[Part]] = {
    nn.Embedding: Part,
    nn.Linear: Linears,
    Head: Linears,
    nn.RNN: ElmanLayers,
    nn.GRU: GruLayers,
    nn.LSTM: LstmLayers,
    Dropout: Drops,
    LockedDropout: LockedDrops,
}
"""What does for all seeds what a part does for one."""


def linear(x: Tensor, weight_SEH: Tensor, bias_S1H: Tensor | None) -> Tensor:
    """(N, ..., E) or (S, ..., E) -> (..., H), each seed's rows by its own weights."""
    rows_SXE = x.reshape(len(weight_SEH), -1, x.shape[-1])
    y_SXH = (
        torch.bmm(rows_SXE, weight_SEH)
        if bias_S1H is None
        else torch.baddbmm(bias_S1H, rows_SXE, weight_SEH)
    )
    return y_SXH.view(*x.shape[:-1], -1)


def masks(shape: Sequence[int], p: float, generators: Generators, like: Tensor) -> Tensor:
    """Dropout masks of a shape that begins with S or N, each seed's part drawn by its own
    generator.
    """
    blank = like.new_empty(shape)
    for part, generator in zip(blank.chunk(len(generators)), generators, strict=True):
        part.copy_(dropout_mask(part, p, generator))
    return blank
