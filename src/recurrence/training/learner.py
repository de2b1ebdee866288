"""A net, or several as one, with all that a gradient step needs and changes.

That is an optimizer, carried state, and moving averages of the losses. Comes in: batches. Comes
out: models changed in place. Knows nothing of epochs, schedules or files.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recurrence.model import LanguageModel, State
from recurrence.model.stacked import Stacked
from recurrence.params import Optimizer, Recipe
from recurrence.training import optimizers, regularizers
from recurrence.training.batches import Batch, Loader
from recurrence.training.divergence import NotFinite, Watch

#   S = nets trained as one (1: a net alone), B = lanes, those of a net side by side, T = time,
#   X = B * T of one net, H = hidden size, V = vocabulary

Tensors = dict[str, Tensor]
Figures = tuple[float, float, int]
"""Of a validation: mean nats, accuracy, tokens."""
BuildOptimizer = Callable[[Optimizer, nn.Module, float], torch.optim.Optimizer]


class Share(Protocol):
    """Which part of every batch this process trains on, and what it does with the others'."""

    @property
    def count(self) -> int:
        """How many processes there are."""

    def own(self, batch: Batch) -> Batch:
        """This process's rows of a batch."""

    def counts(self, batch: Batch) -> bool:
        """Whether its rows count in a sum over processes: those that all have count once."""

    def reduce(self, model: nn.Module, loss: Tensor) -> Tensor:
        """Average the gradients over the processes; the loss, averaged."""

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over processes."""

    def gather(self, own_LBH: Tensor) -> Tensor:
        """The state of all lanes."""

    def scatter(self, all_LBH: Tensor) -> Tensor:
        """The state of this process's lanes."""


class Whole:
    """The Share of a process that trains by itself."""

    count = 1

    def own(self, batch: Batch) -> Batch:
        return batch

    def counts(self, batch: Batch) -> bool:
        return True

    def reduce(self, model: nn.Module, loss: Tensor) -> Tensor:
        return loss

    def sum(self, tensor: Tensor) -> Tensor:
        return tensor

    def gather(self, own_LBH: Tensor) -> Tensor:
        return own_LBH

    def scatter(self, all_LBH: Tensor) -> Tensor:
        return all_LBH


@dataclass
class Average:
    """Exponential moving averages, bias removed, kept on the device and changed in place."""

    total_S: Tensor
    decay: float = 0.98
    steps: int = 0

    def add(self, value_S: Tensor) -> None:
        self.total_S.mul_(self.decay).add_((1 - self.decay) * value_S)
        self.steps += 1

    def values(self) -> list[float]:
        bias = 1 - self.decay**self.steps
        return [total / bias for total in self.total_S.tolist()]


class Learner:
    """What lives from step to step; `step` is the only place where a gradient step is made.

    Attributes:
        nets: the models whose weights are trained: of a Stacked model its S, else the model itself.
    """

    optimizer: torch.optim.Optimizer

    def __init__(
        self,
        model: LanguageModel,
        recipe: Recipe,
        share: Share | None = None,
        build: BuildOptimizer = optimizers.build,
    ) -> None:
        """`share`: where several processes train together; `build` makes an optimizer."""
        self.model, self.recipe, self.share = model, recipe, share or Whole()
        self.build = build
        self.nets: list[LanguageModel] = [model]
        self.generators: list[torch.Generator] = []
        if isinstance(model, Stacked):
            self.nets, self.generators = model.nets, [*model.generators]
        self.device = next(model.parameters()).device
        lanes = len(self.nets) * recipe.batches.size // self.share.count
        self.zero = model.initial_state(lanes)
        self.state: State = self.zero
        self.average = Average(torch.zeros(len(self.nets), device=self.device))
        self.watch = Watch(self.device)

    def use(self, optimizer: Optimizer, lr: float) -> None:
        """Go on with a new optimizer."""
        self.optimizer = self.build(optimizer, self.model, lr)

    def start_pass(self) -> None:
        """Begin a training epoch or a validation: notebooks that reset their state do it here."""
        if self.recipe.batches.state == "reset":
            self.state = self.zero

    def predict(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Raw and dropped features, and logits and targets flattened to rows.

        Of this process's share of a batch. Carries the state on, detached.
        """
        x_BT, y_BT = self.share.own(batch)
        fresh = self.recipe.batches.state == "zero"
        state = self.model.initial_state(x_BT.shape[0]) if fresh else self.state
        raw_BTH, dropped_BTH, state = self.model.features(x_BT, state)
        if not fresh:
            self.state = tuple(tensor.detach() for tensor in state)
        logits_BTV = self.model.logits(dropped_BTH[:, -y_BT.shape[1] :])
        return raw_BTH, dropped_BTH, logits_BTV.flatten(0, 1), y_BT.flatten()

    def step(self, batch: Batch, lr: float, beta1: float | None) -> None:
        """One update; nothing here waits for a GPU.

        On the CPU, raises NotFinite before the update is made.
        """
        optimizers.set_hyper(self.optimizer, lr, beta1)
        raw_BTH, dropped_BTH, logits, targets = self.predict(batch)
        loss_S = self._losses(logits, targets)
        self.optimizer.zero_grad()
        torch.autograd.backward(self._regularized(loss_S, raw_BTH, dropped_BTH))
        loss_S = self.share.reduce(self.model, loss_S.detach())
        self.average.add(loss_S)
        self._see(loss_S.sum(), self._clip())
        self.optimizer.step()

    def _losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean nats per token of each net, summed up by itself: in another order they round."""
        seeds = len(self.nets)
        log_p_SXV = F.log_softmax(logits, -1).view(seeds, -1, logits.shape[-1])
        pairs = zip(log_p_SXV, targets.view(seeds, -1), strict=True)
        return torch.stack([F.nll_loss(log_p_XV, target_X) for log_p_XV, target_X in pairs])

    def _regularized(self, loss_S: Tensor, raw_BTH: Tensor, dropped_BTH: Tensor) -> Tensor:
        """What is minimized: of each net the loss and its penalties, summed over nets."""
        seeds = len(self.nets)
        each = zip(loss_S, raw_BTH.chunk(seeds), dropped_BTH.chunk(seeds), strict=True)
        return torch.stack([self._penalized(*parts) for parts in each]).sum()

    def _penalized(self, loss: Tensor, raw_BTH: Tensor, dropped_BTH: Tensor) -> Tensor:
        recipe = self.recipe
        if recipe.ar:
            seen = raw_BTH if recipe.ar_on == "raw" else dropped_BTH
            loss = loss + recipe.ar * regularizers.activation(seen)
        if recipe.tar:
            loss = loss + recipe.tar * regularizers.temporal_activation(raw_BTH)
        return loss

    def _clip(self) -> Tensor | None:
        """Bound each net's gradient where the recipe does; the norm, if it had to be known."""
        if self.recipe.clip is None:
            return None if self.watch.at_once else self.gradient_norm()
        bound = self.recipe.clip
        norms = [torch.nn.utils.clip_grad_norm_(net.parameters(), bound) for net in self.nets]
        norm: Tensor = torch.linalg.vector_norm(torch.stack(norms))
        return norm

    def gradient_norm(self) -> Tensor:
        """The norm of the gradient over all parameters."""
        return torch.nn.utils.get_total_norm(
            p.grad for p in self.model.parameters() if p.grad is not None
        )

    def _see(self, loss: Tensor, norm: Tensor | None) -> None:
        """Let the watch look; an unknown norm is computed only where the loss is not finite."""
        try:
            self.watch.see(loss, loss if norm is None else norm)
        except NotFinite as found:
            known = self.gradient_norm() if norm is None else norm
            raise NotFinite(found.ago, float(known)) from None

    @torch.no_grad()
    def validate(self, loader: Loader, rng: np.random.Generator) -> list[Figures]:
        """Of each net, by the notebook's own loader (not the exact figure: scoring.py)."""
        self.model.eval()
        self.start_pass()
        seeds = len(self.nets)
        sums_S3 = torch.zeros(seeds, 3, dtype=torch.float64, device=self.device)
        for batch in loader.batches(rng):
            _, _, logits, targets = self.predict(batch)
            if not self.share.counts(batch):
                continue
            parts = zip(sums_S3, logits.chunk(seeds), targets.chunk(seeds), strict=True)
            for sums_3, logits_XV, targets_X in parts:
                sums_3[0] += F.cross_entropy(logits_XV, targets_X, reduction="sum")
                sums_3[1] += (logits_XV.argmax(-1) == targets_X).sum()
                sums_3[2] += len(targets_X)
        self.model.train()
        sums = self.share.sum(sums_S3).tolist()
        return [(nats / tokens, right / tokens, round(tokens)) for nats, right, tokens in sums]

    # ---------------------------------------------------------------- to and from a snapshot

    def state_dict(self) -> tuple[Tensors, dict[str, Any]]:
        """Copies of all tensors that the next step depends on, and the facts beside them.

        Torch's random states are among them, and the state of all lanes, whoever trains them. One
        net has the same names alone, as a stack of one, and over ranks: each goes on from
        another's.
        """
        named = {
            f"net{i}.{name}": tensor
            for i, net in enumerate(self.nets)
            for name, tensor in net.state_dict().items()
        }
        for i, slots in self.optimizer.state_dict()["state"].items():
            named |= {f"optimizer.{i}.{name}": tensor for name, tensor in slots.items()}
        named |= {f"state.{i}": self.share.gather(own) for i, own in enumerate(self.state)}
        named |= {"average": self.average.total_S, "random.cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            named["random.cuda"] = torch.cuda.get_rng_state(self.device)
        named |= {f"masks.{i}": one.get_state() for i, one in enumerate(self.generators)}
        betas = [list(group["betas"]) for group in self.optimizer.param_groups]
        facts = {"average_steps": self.average.steps, "betas": betas}
        return {name: tensor.detach().clone() for name, tensor in named.items()}, facts

    def load_state_dict(
        self, tensors: Tensors, facts: dict[str, Any], optimizer: Optimizer
    ) -> None:
        """Be as `state_dict` found it. Takes copies.

        `optimizer` is the block that the optimizer was built from.
        """
        tensors = {name: tensor.clone() for name, tensor in tensors.items()}
        for i, net in enumerate(self.nets):
            net.load_state_dict(below(f"net{i}.", tensors))
        self.use(optimizer, lr=1.0)  # every step sets its own rate
        self._load_optimizer(below("optimizer.", tensors), facts["betas"])
        state = below("state.", tensors)
        scattered = (self.share.scatter(state[str(i)]) for i in range(len(state)))
        self.state = tuple(tensor.to(self.device) for tensor in scattered)
        self.average.total_S.copy_(tensors["average"])
        self.average.steps = facts["average_steps"]
        self._load_random(tensors)
        self.watch.clear()

    def _load_random(self, tensors: Tensors) -> None:
        """What masks are drawn from is torch's own stream for a net alone, one for each in a
        stack.
        """
        own = tensors["random.cpu"]
        torch.set_rng_state(own)
        if self.device.type == "cuda":
            own = tensors["random.cuda"]
            torch.cuda.set_rng_state(own, self.device)
        for i, one in enumerate(self.generators):
            one.set_state(tensors.get(f"masks.{i}", own))

    def _load_optimizer(self, slots: Tensors, betas: list[list[float]]) -> None:
        tree = self.optimizer.state_dict()
        for name, tensor in slots.items():
            i, slot = name.split(".", 1)
            tree["state"].setdefault(int(i), {})[slot] = tensor
        for group, pair in zip(tree["param_groups"], betas, strict=True):
            group["betas"] = tuple(pair)
        self.optimizer.load_state_dict(tree)


def below(prefix: str, tensors: Tensors) -> Tensors:
    """The tensors whose names begin so, by the rest of their names."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
