"""Seeds of a small net trained together: one loop, one batched computation, and each seed's history and weights.

Comes in: for each seed its model, loaders, and random states. Comes out: what a Trainer of each would have given; its
own data order, dropout and optimizer state. See model/stacked.py for how S nets are computed as one.
"""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recurrence import params
from recurrence.model import LanguageModel, build_model
from recurrence.model.stacked import Generators, Stacked, can_stack
from recurrence.params import Optimizer, Recipe
from recurrence.training.batches import Batch, Loader, Windows
from recurrence.training.learner import Average, Tensors
from recurrence.training.trainer import Row, Trainer

#   S = seeds, B = lanes of a seed, N = S * B lanes, T = time, H = hidden size, V = vocabulary

FUSED = (nn.LSTM,)
"""What torch computes on a CPU by a kernel for all steps of a layer."""
SMALL = 128
"""Hidden units up to which a product takes longer to start than is worth waiting for alone."""


def pays(block: params.Model, vocab_size: int, device: torch.device) -> bool:
    """Whether seeds of a model are trained sooner together than one after another, and to the same end.

    Not where a product is long enough to fill a core; nor, on a CPU, where there is a fused kernel for a whole layer,
    which S nets cannot share and which is faster than S products at once. On a GPU what counts is how many kernels
    there are to launch, and cuDNN, too, launches some for every step. Seeds that draw their own window lengths, or may
    go back to a lower rate by themselves, do not keep step.
    """
    assert block.recipe is not None and block.hidden is not None
    in_step = block.recipe.batches.loader != "variable_bptt" and block.recipe.on_divergence is None
    with torch.device("meta"):
        model = build_model(block, vocab_size)
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


Parts = tuple[Stacked, Recipe, Loader, Loader, np.random.Generator]


def parts(
    models: Sequence[LanguageModel],
    recipe: Recipe,
    loaders: Sequence[tuple[Loader, Loader]],
    rngs: Sequence[np.random.Generator],
    generators: Generators,
) -> Parts:
    """What a StackTrainer is made of, from each seed's parts.

    `loaders`: for training and validation; `generators`: what dropout masks are drawn from.
    """
    lanes = recipe.batches.model_copy(update={"size": len(models) * recipe.batches.size})
    train, valid = (cast(Loader, Beside(each)) for each in zip(*loaders, strict=True))
    stacked = Stacked(models, generators).train()
    return (
        stacked,
        recipe.model_copy(update={"batches": lanes}),
        train,
        valid,
        cast(np.random.Generator, Rngs(rngs)),
    )


class StackTrainer(Trainer):
    """A Trainer of S seeds at once; an epoch adds S rows, in the order of the seeds."""

    model: Stacked

    def __init__(
        self, model: Stacked, recipe: Recipe, train: Loader, valid: Loader, rng: np.random.Generator
    ) -> None:
        """See `parts`."""
        self.seeds = len(model.models)
        super().__init__(model, recipe, train, valid, rng)
        self.average = Average(torch.zeros(self.seeds, device=self.device))
        self.good = self._snapshot()

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean nats per token of each seed. Summed up one seed at a time, as alone: in another order they round."""
        log_p_SXV = F.log_softmax(logits, -1).view(self.seeds, -1, logits.shape[-1])
        pairs = zip(log_p_SXV, targets.view(self.seeds, -1), strict=True)
        return torch.stack([F.nll_loss(log_p_XV, target_X) for log_p_XV, target_X in pairs])

    def _regularized(self, loss: Tensor, raw_BTH: Tensor, dropped_BTH: Tensor) -> Tensor:
        each = zip(loss, raw_BTH.chunk(self.seeds), dropped_BTH.chunk(self.seeds), strict=True)
        return torch.stack([super(StackTrainer, self)._regularized(*parts) for parts in each]).sum()

    def _clip(self) -> Tensor | None:
        if self.recipe.clip is None:
            return super()._clip()
        norms = [
            torch.nn.utils.clip_grad_norm_(one.parameters(), self.recipe.clip)
            for one in self.model.models
        ]
        norm: Tensor = torch.linalg.vector_norm(torch.stack(norms))
        return norm

    def _see(self, loss: Tensor, norm: Tensor | None) -> None:
        super()._see(loss.sum(), norm)

    @torch.no_grad()
    def validate(self, loader: Loader, rng: np.random.Generator) -> tuple[float, float, int]:
        """Keeps each seed's mean nats, accuracy and token count, and returns their means."""
        self.model.eval()
        self.start_pass()
        sums_S3 = torch.zeros(self.seeds, 3, dtype=torch.float64, device=self.device)
        for batch in loader.batches(rng):
            _, _, logits, targets = self.predict(batch)
            parts = zip(sums_S3, logits.chunk(self.seeds), targets.chunk(self.seeds), strict=True)
            for sums_3, logits_XV, targets_X in parts:
                sums_3[0] += F.cross_entropy(logits_XV, targets_X, reduction="sum")
                sums_3[1] += (logits_XV.argmax(-1) == targets_X).sum()
                sums_3[2] += len(targets_X)
        self.model.train()
        self.figures = [
            (nats / tokens, right / tokens, round(tokens))
            for nats, right, tokens in sums_S3.tolist()
        ]
        nats, right, tokens = (sum(column) for column in zip(*self.figures, strict=True))
        return nats / self.seeds, right / self.seeds, tokens

    def _new_rows(self, lr: float, figures: tuple[float, float, int]) -> list[Row]:
        bias = 1 - self.average.decay**self.average.steps
        trained = [total / bias for total in self.average.total.tolist()]
        return [
            Row(self.phase, self.epoch, lr, nats, *own)
            for nats, own in zip(trained, self.figures, strict=True)
        ]

    def kept(self) -> tuple[Tensors, dict[str, Any]]:
        tensors, facts = super().kept()
        return tensors | {
            f"masks.{i}": one.get_state() for i, one in enumerate(self.model.generators)
        }, facts

    def restore(self, tensors: Tensors, facts: dict[str, Any], optimizer: Optimizer) -> None:
        super().restore(tensors, facts, optimizer)
        for i, one in enumerate(self.model.generators):
            one.set_state(tensors[f"masks.{i}"])
