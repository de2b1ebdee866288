"""fit(): a generator of history rows. Pure: it changes the model it is given and writes nothing."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from recurrence.errors import RecurrenceError
from recurrence.model import LanguageModel, State
from recurrence.params import Recipe
from recurrence.training import optimizers, regularizers, schedules
from recurrence.training.batches import Batch, Loader

#   B = lanes, T = time, H = hidden size, V = vocabulary


@dataclass(frozen=True)
class Row:
    """One epoch. Losses are nats per token; train_nats is the debiased moving average (0.98) that notebooks print."""

    phase: int
    epoch: int
    lr: float
    train_nats: float
    valid_nats: float
    valid_accuracy: float
    valid_tokens: int


@dataclass
class Average:
    """Exponential moving average with its bias removed, kept on the device."""

    decay: float = 0.98
    total: Tensor | float = 0.0
    steps: int = 0

    def add(self, value: Tensor) -> None:
        self.total = self.decay * self.total + (1 - self.decay) * value
        self.steps += 1

    def value(self) -> float:
        return float(self.total) / (1 - self.decay**self.steps)


class Trainer:
    """The parts of one training that live from step to step."""

    def __init__(self, model: LanguageModel, recipe: Recipe, lanes: int) -> None:
        self.model, self.recipe = model, recipe
        self.zero = model.initial_state(lanes)
        self.state: State = self.zero
        self.average = Average()

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

    def step(self, batch: Batch, optimizer: torch.optim.Optimizer) -> None:
        """One update; nothing here waits for the device."""
        raw_BTH, dropped_BTH, logits, targets = self.predict(batch)
        loss = F.cross_entropy(logits, targets)
        self.average.add(loss.detach())
        recipe = self.recipe
        if recipe.ar:
            loss = loss + recipe.ar * regularizers.activation(raw_BTH if recipe.ar_on == "raw" else dropped_BTH)
        if recipe.tar:
            loss = loss + recipe.tar * regularizers.temporal_activation(raw_BTH)
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        if recipe.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), recipe.clip)
        optimizer.step()

    @torch.no_grad()
    def validate(self, loader: Loader, rng: np.random.Generator) -> tuple[float, float, int]:
        """Mean nats, accuracy and token count by the notebook's own loader (not the exact figure: scoring.py)."""
        self.model.eval()
        self.start_pass()
        nats: Tensor | float = 0.0
        correct: Tensor | float = 0.0
        tokens = 0
        for batch in loader.batches(rng):
            _, _, logits, targets = self.predict(batch)
            nats = nats + F.cross_entropy(logits, targets, reduction="sum").double()
            correct = correct + (logits.argmax(-1) == targets).sum()
            tokens += len(targets)
        self.model.train()
        return float(nats) / tokens, float(correct) / tokens, tokens


def fit(
    model: LanguageModel,
    recipe: Recipe,
    train: Loader,
    valid: Loader,
    rng: np.random.Generator,
    tick: Callable[[int], None] = lambda batches: None,
) -> Iterator[Row]:
    """Train through the recipe's phases, yielding a row after every epoch.

    Args:
        rng: decides what is random in the loaders; dropout and initial weights use torch's global generator.
        tick: told after every batch (for a progress bar).

    Raises RecurrenceError when the loss stops being finite.
    """
    trainer = Trainer(model, recipe, recipe.batches.size)
    optimizer: torch.optim.Optimizer | None = None
    leftover: float | None = None
    epoch = 0
    model.train()
    for number, phase in enumerate(recipe.phases):
        at = schedules.build(phase.schedule, len(train), phase.epochs, leftover)
        if phase.optimizer is not None:
            optimizer = optimizers.build(phase.optimizer, model, at(0)[0])
        assert optimizer is not None, "params.py wants an optimizer in the first phase"
        step = 0
        for _ in range(phase.epochs):
            trainer.start_pass()
            for batch in train.batches(rng):
                optimizers.set_hyper(optimizer, *at(step))
                trainer.step(batch, optimizer)
                step += 1
                tick(1)
            epoch += 1
            row = Row(number, epoch, at(step - 1)[0], trainer.average.value(), *trainer.validate(valid, rng))
            if not math.isfinite(row.train_nats + row.valid_nats):
                raise RecurrenceError(f"the loss is no longer finite in epoch {epoch} (learning rate {row.lr:.2g})")
            yield row
        leftover = at(step)[0]
