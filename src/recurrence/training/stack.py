"""Seeds of a small net trained together, in one loop and one batched computation.

Comes in: for each seed its loaders and generators. Comes out: what a Trainer takes, as of one. Each
seed has its own data order, dropout and optimizer state, and so the history and weights that it
would have alone. See model/stacked.py for how S nets are computed as one.
"""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from recurrence import params
from recurrence.model import blank_model
from recurrence.model.stacked import can_stack
from recurrence.training.batches import Batch, Loader, Windows

#   B = lanes, T = time

FUSED = (nn.LSTM,)
"""What torch computes on a CPU by a kernel for all steps of a layer."""
SMALL = 128
"""Hidden units up to which a product takes longer to start than is worth waiting for alone."""


def pays(block: params.Model, vocab_size: int, device: torch.device) -> bool:
    """Whether seeds of a model are trained sooner together than one after another, and to the same
    end.

    Not where a product is long enough to fill a core; nor, on a CPU, where there is a fused kernel
    for a whole layer, which S nets cannot share and which is faster than S products at once. On a
    GPU what counts is how many kernels there are to launch, and cuDNN, too, launches some for every
    step. Seeds that draw their own window lengths, or may go back to a lower rate by themselves, do
    not keep step.
    """
    assert block.recipe is not None and block.hidden is not None
    in_step = block.recipe.batches.loader != "variable_bptt" and block.recipe.on_divergence is None
    model = blank_model(block, vocab_size)
    if device.type == "cpu" and any(isinstance(part, FUSED) for part in model.modules()):
        return False
    return block.hidden <= SMALL and in_step and can_stack(model)


def dealt(seeds: Sequence[int], hands: int) -> list[tuple[int, ...]]:
    """Seeds dealt out as evenly as can be, in their order."""
    parts = np.array_split(np.asarray(seeds), max(1, min(hands, len(seeds))))
    return [tuple(part.tolist()) for part in parts]


class Rngs(list[np.random.Generator]):
    """Numpy's generators of several seeds, where a trainer keeps the state of one."""

    @property
    def bit_generator(self) -> "Rngs":
        return self

    @property
    def state(self) -> list[dict[str, Any]]:
        return [dict(rng.bit_generator.state) for rng in self]

    @state.setter
    def state(self, states: list[dict[str, Any]]) -> None:
        for rng, state in zip(self, states, strict=True):
            rng.bit_generator.state = state


class Beside:
    """Loaders of several seeds as one: the rows of their batches one below another."""

    def __init__(self, loaders: Sequence[Loader]) -> None:
        self.loaders = loaders
        first = loaders[0]
        ordered = isinstance(first, Windows) and not first.shuffle
        self.the_same = ordered and all(loader is first for loader in loaders)

    def __len__(self) -> int:
        return len(self.loaders[0])

    def batches(self, rngs: Rngs, skip: int = 0) -> Iterator[Batch]:
        if self.the_same:
            for x_BT, y_BT in self.loaders[0].batches(rngs[0], skip):
                yield x_BT.repeat(len(rngs), 1), y_BT.repeat(len(rngs), 1)
            return
        each = (loader.batches(rng, skip) for loader, rng in zip(self.loaders, rngs, strict=True))
        for beside in zip(*each, strict=True):
            xs, ys = zip(*beside, strict=True)
            yield torch.cat(xs), torch.cat(ys)


def beside(
    loaders: Sequence[tuple[Loader, Loader]], rngs: Sequence[np.random.Generator]
) -> tuple[Loader, Loader, np.random.Generator]:
    """Loaders (for training and validation) and generators of several seeds, each as one."""
    train, valid = (cast(Loader, Beside(each)) for each in zip(*loaders, strict=True))
    return train, valid, cast(np.random.Generator, Rngs(rngs))
