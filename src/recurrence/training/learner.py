"""A model with all that one gradient step needs and changes: optimizer, carried state, moving average of the loss.

Comes in: batches. Comes out: a model changed in place. Knows nothing of epochs, schedules or files.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from recurrence.model import LanguageModel, State
from recurrence.params import Optimizer, Recipe
from recurrence.training import optimizers, regularizers
from recurrence.training.batches import Batch, Loader
from recurrence.training.divergence import NotFinite, Watch

#   B = lanes, T = time, H = hidden size, V = vocabulary

Tensors = dict[str, Tensor]


@dataclass
class Average:
    """Exponential moving average with its bias removed, kept on the device and changed in place."""

    total: Tensor
    decay: float = 0.98
    steps: int = 0

    def add(self, value: Tensor) -> None:
        self.total.mul_(self.decay).add_((1 - self.decay) * value)
        self.steps += 1

    def value(self) -> float:
        return float(self.total) / (1 - self.decay**self.steps)


class Learner:
    """What lives from step to step; `step` is the only place where a gradient step is made."""

    optimizer: torch.optim.Optimizer

    def __init__(self, model: LanguageModel, recipe: Recipe) -> None:
        self.model, self.recipe = model, recipe
        self.device = next(model.parameters()).device
        self.zero = model.initial_state(recipe.batches.size)
        self.state: State = self.zero
        self.average = Average(torch.zeros((), device=self.device))
        self.watch = Watch(self.device)

    def start_pass(self) -> None:
        """Begin a training epoch or a validation: the notebooks that reset their state do it here."""
        if self.recipe.batches.state == "reset":
            self.state = self.zero

    def predict(self, batch: Batch) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Raw and dropped features, logits and targets flattened to rows; carries the state on, detached."""
        x_BT, y_BT = batch
        fresh = self.recipe.batches.state == "zero"
        state = self.model.initial_state(x_BT.shape[0]) if fresh else self.state
        raw_BTH, dropped_BTH, state = self.model.features(x_BT, state)
        if not fresh:
            self.state = tuple(tensor.detach() for tensor in state)
        logits_BTV = self.model.logits(dropped_BTH[:, -y_BT.shape[1] :])
        return raw_BTH, dropped_BTH, logits_BTV.flatten(0, 1), y_BT.flatten()

    def step(self, batch: Batch, lr: float, beta1: float | None) -> None:
        """One update; nothing here waits for a GPU. On the CPU, raises NotFinite before the update is made."""
        optimizers.set_hyper(self.optimizer, lr, beta1)
        raw_BTH, dropped_BTH, logits, targets = self.predict(batch)
        loss = self.loss(logits, targets)
        self.optimizer.zero_grad()
        torch.autograd.backward(self._regularized(loss, raw_BTH, dropped_BTH))
        loss = self.reduce(loss.detach())
        self.average.add(loss)
        self._see(loss, self._clip())
        self.optimizer.step()

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Mean nats per token."""
        return F.cross_entropy(logits, targets)

    def reduce(self, loss: Tensor) -> Tensor:
        """For a training spread over processes: average the gradients over them, and return the loss averaged."""
        return loss

    def total(self, sums: Tensor) -> Tensor:
        """Likewise: sums added up over the processes."""
        return sums

    def _regularized(self, loss: Tensor, raw_BTH: Tensor, dropped_BTH: Tensor) -> Tensor:
        recipe = self.recipe
        if recipe.ar:
            loss = loss + recipe.ar * regularizers.activation(
                raw_BTH if recipe.ar_on == "raw" else dropped_BTH
            )
        if recipe.tar:
            loss = loss + recipe.tar * regularizers.temporal_activation(raw_BTH)
        return loss

    def _clip(self) -> Tensor | None:
        """Bound the gradient where the recipe does; the norm it had, if it had to be known."""
        if self.recipe.clip is not None:
            return torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        return None if self.watch.at_once else self.gradient_norm()

    def gradient_norm(self) -> Tensor:
        """The norm of the gradient over all parameters."""
        return torch.nn.utils.get_total_norm(
            p.grad for p in self.model.parameters() if p.grad is not None
        )

    def _see(self, loss: Tensor, norm: Tensor | None) -> None:
        """Let the watch look; a norm that nobody needed so far is computed only where the loss is not finite."""
        try:
            self.watch.see(loss, loss if norm is None else norm)
        except NotFinite as found:
            raise NotFinite(
                found.ago, float(self.gradient_norm() if norm is None else norm)
            ) from None

    @torch.no_grad()
    def validate(self, loader: Loader, rng: np.random.Generator) -> tuple[float, float, int]:
        """Mean nats, accuracy and token count by the notebook's own loader (not the exact figure: scoring.py)."""
        self.model.eval()
        self.start_pass()
        nats = torch.zeros((), dtype=torch.float64, device=self.device)
        correct, tokens = torch.zeros_like(nats), 0
        for batch in loader.batches(rng):
            _, _, logits, targets = self.predict(batch)
            nats += F.cross_entropy(logits, targets, reduction="sum")
            correct += (logits.argmax(-1) == targets).sum()
            tokens += len(targets)
        self.model.train()
        sums = self.total(torch.stack((nats, correct, torch.full_like(nats, tokens)))).tolist()
        return sums[0] / sums[2], sums[1] / sums[2], round(sums[2])

    # ---------------------------------------------------------------- to and from a snapshot

    def kept(self) -> tuple[Tensors, dict[str, Any]]:
        """Copies of all tensors that the next step depends on, torch's random states too, and the facts beside them."""
        named = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        for i, slots in self.optimizer.state_dict()["state"].items():
            named |= {f"optimizer.{i}.{name}": tensor for name, tensor in slots.items()}
        named |= {f"state.{i}": tensor for i, tensor in enumerate(self.state)}
        named |= {"average": self.average.total, "random.cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            named["random.cuda"] = torch.cuda.get_rng_state(self.device)
        betas = [list(group["betas"]) for group in self.optimizer.param_groups]
        facts = {"average_steps": self.average.steps, "betas": betas}
        return {name: tensor.detach().clone() for name, tensor in named.items()}, facts

    def restore(self, tensors: Tensors, facts: dict[str, Any], optimizer: Optimizer) -> None:
        """Be as `kept` found it; `optimizer` is the block that the kept one was built from. Takes copies."""
        tensors = {name: tensor.clone() for name, tensor in tensors.items()}
        self.model.load_state_dict(below("model.", tensors))
        self.optimizer = optimizers.build(
            optimizer, self.model, lr=1.0
        )  # every step sets its own rate
        tree = self.optimizer.state_dict()
        for name, tensor in below("optimizer.", tensors).items():
            i, slot = name.split(".", 1)
            tree["state"].setdefault(int(i), {})[slot] = tensor
        for group, betas in zip(tree["param_groups"], facts["betas"], strict=True):
            group["betas"] = tuple(betas)
        self.optimizer.load_state_dict(tree)
        state = below("state.", tensors)
        self.state = tuple(state[str(i)].to(self.device) for i in range(len(state)))
        self.average.total.copy_(tensors["average"])
        self.average.steps = facts["average_steps"]
        torch.set_rng_state(tensors["random.cpu"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(tensors["random.cuda"], self.device)
        self.watch.clear()


def below(prefix: str, tensors: Tensors) -> Tensors:
    """The tensors whose names begin so, by the rest of their names."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
