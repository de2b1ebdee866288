"""A training as an object that can be stopped between any two steps and gone on with, bit for bit.

Comes in: a learner (one net, or several as one), loaders, and the generator that decides what is
random in them. Comes out: history rows, and the learner's models changed in place. Writes nothing;
resume.py keeps its snapshots on disk.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from recurrence.model import LanguageModel
from recurrence.params import Recipe
from recurrence.training import schedules
from recurrence.training.batches import Batch, Loader
from recurrence.training.divergence import Diverged, NotFinite
from recurrence.training.learner import Figures, Learner, Tensors, below

LOOK_EVERY = 100
"""Steps between two looks at what a GPU noted: enough of them to cost nothing."""

POSITION = ("phase", "epoch", "steps", "done", "leftover_lr", "lr_scale", "divergences")
"""The attributes that say where a run is, as a snapshot keeps them."""


@dataclass(frozen=True)
class Row:
    """One epoch of a net.

    Losses are nats per token; train_nats is the debiased moving average (0.98) that notebooks
    print.
    """

    phase: int
    epoch: int
    lr: float
    train_nats: float
    valid_nats: float
    valid_accuracy: float
    valid_tokens: int


@dataclass(frozen=True)
class Snapshot:
    """All that a training is, between two steps: tensors, and facts that JSON can hold."""

    tensors: Tensors
    facts: dict[str, Any]


def ignore(*_: object) -> None:
    """What a caller does who does not listen."""


Step = Callable[[Batch, float, float | None], None]
"""A gradient step on a batch, with a learning rate and, where a schedule moves it, beta 1."""


class Trainer:
    """One training: a learner taken through its recipe, epoch by epoch.

    Attributes:
        phase, epoch, steps, done: where it is: the phase, epochs finished, steps made in this
            phase, batches done of this epoch.
        lr_scale, divergences: what the learning rate is multiplied with, and how often it had to be
            reduced.
        rows: the history so far; an epoch adds one for each net.
        good: the last state known to be sound: at the start of this epoch, or where it was resumed.
    """

    def __init__(  # noqa: PLR0913 (a training's parts)
        self,
        learner: Learner,
        train: Loader,
        valid: Loader,
        rng: np.random.Generator,
        step: Step | None = None,
    ) -> None:
        """`step`: the learner's own, or what records it once and replays it."""
        self.learner, self.step = learner, step or learner.step
        self.train, self.valid, self.rng = train, valid, rng
        self.epoch = self.divergences = 0
        self.lr_scale = 1.0
        self.rows: list[Row] = []
        self._start_phase(0, leftover_lr=None)
        self._start_epoch()

    @property
    def recipe(self) -> Recipe:
        return self.learner.recipe

    @property
    def finished(self) -> bool:
        return self.epoch == self._epochs(len(self.recipe.phases))

    def run(
        self,
        tick: Callable[[int], None] = ignore,
        pause: Callable[[], None] = ignore,
        say: Callable[[str], None] = ignore,
    ) -> Iterator[Row]:
        """Train on from where it is, yielding a row after every epoch.

        Args: tick: told how many batches more are done (below zero where the run goes back). pause:
        called between steps and between epochs, the only places where a caller may take a snapshot.
        say: told, in words, when the run goes back to go on with a lower learning rate.

        Raises Diverged when the loss stops being finite and the recipe does not say to go on.
        """
        self.learner.model.train()
        while not self.finished:
            try:
                self._train_epoch(tick, pause)
                self._end_epoch(self.learner.validate(self.valid, self.rng))
            except NotFinite as found:
                diverged, done = self._diverged(found), self.done
                self._go_back(diverged)
                tick(self.done - done)
                say(
                    f"{diverged}; back to the start of epoch {self.epoch + 1} with "
                    f"{self.lr_scale:g} of the rate"
                )
            else:
                pause()
                yield self.rows[-1]

    def _train_epoch(self, tick: Callable[[int], None], pause: Callable[[], None]) -> None:
        if self.done == 0:
            self.learner.start_pass()
        for batch in self.train.batches(self.rng, self.done):
            lr, beta1 = self.at(self.steps)
            self.step(batch, self.lr_scale * lr, beta1)
            self.steps += 1
            self.done += 1
            if self.steps % LOOK_EVERY == 0:
                self.learner.watch.check()
            tick(1)
            pause()
        self.learner.watch.check()
        # windows of chance lengths may come to the end of the text sooner
        if never := len(self.train) - self.done:
            tick(never)

    def _end_epoch(self, figures: list[Figures]) -> None:
        """Write the rows, and be at the start of the next epoch."""
        if not all(math.isfinite(nats) for nats, _, _ in figures):
            # the last update broke what its own loss did not show yet
            raise NotFinite(1, float(self.learner.gradient_norm()))
        self.epoch += 1
        lr = self.lr_scale * self.at(self.steps - 1)[0]
        trained = self.learner.average.values()
        self.rows += [
            Row(self.phase, self.epoch, lr, nats, *own)
            for nats, own in zip(trained, figures, strict=True)
        ]
        if self.epoch == self._epochs(self.phase + 1) and self.phase + 1 < len(self.recipe.phases):
            self._start_phase(self.phase + 1, leftover_lr=self.at(self.steps)[0])
        self._start_epoch()

    def _start_phase(self, phase: int, leftover_lr: float | None) -> None:
        self.phase, self.steps, self.leftover_lr = phase, 0, leftover_lr
        self.at = self._schedule()
        if (optimizer := self.recipe.phases[phase].optimizer) is not None:
            self.learner.use(optimizer, self.at(0)[0])

    def _start_epoch(self) -> None:
        self.done, self._epoch_rng = 0, _states(self.rng)
        self.good = self._snapshot()

    def _schedule(self) -> schedules.At:
        phase = self.recipe.phases[self.phase]
        return schedules.build(phase.schedule, len(self.train), phase.epochs, self.leftover_lr)

    def _epochs(self, phases: int) -> int:
        """How many epochs the first so many phases have."""
        return sum(phase.epochs for phase in self.recipe.phases[:phases])

    # ---------------------------------------------------------------- divergence

    def _diverged(self, found: NotFinite) -> Diverged:
        step = self.steps - found.ago
        first = self.steps - self.done
        return Diverged(
            self.epoch + 1, step - first + 1, self.lr_scale * self.at(step)[0], found.gradient_norm
        )

    def _go_back(self, diverged: Diverged) -> None:
        """Be at the last good state again, with a lower rate."""
        rule, count = self.recipe.on_divergence, self.divergences + 1
        if rule is None or count > rule.at_most:
            raise diverged
        self.load_state_dict(self.good)
        self.divergences, self.lr_scale = count, rule.reduce_lr**count

    # ---------------------------------------------------------------- snapshots

    def state_dict(self) -> Snapshot:
        """All of the training's state, copied; to be taken in `pause`.

        Raises NotFinite rather than keep what is not sound. Where the recipe may go back, the state
        to go back to is in it as well.
        """
        self.learner.watch.check()
        taken = self._snapshot()
        if self.recipe.on_divergence is None:
            return taken
        good = {f"good.{name}": tensor for name, tensor in self.good.tensors.items()}
        return Snapshot(taken.tensors | good, taken.facts | {"good": self.good.facts})

    def _snapshot(self) -> Snapshot:
        tensors, facts = self.learner.state_dict()
        facts |= {name: getattr(self, name) for name in POSITION}
        facts |= {"rng": self._epoch_rng, "rows": [asdict(row) for row in self.rows]}
        return Snapshot(tensors, facts)

    def load_state_dict(self, snapshot: Snapshot) -> None:
        """Be where the snapshot was taken.

        All that follows is what would have followed there, bit for bit.
        """
        facts = snapshot.facts
        for name in POSITION:
            setattr(self, name, facts[name])
        self.rows = [Row(**row) for row in facts["rows"]]
        self._epoch_rng = facts["rng"]
        _set_states(self.rng, self._epoch_rng)
        self.at = self._schedule()
        until_here = reversed(self.recipe.phases[: self.phase + 1])
        optimizer = next(p.optimizer for p in until_here if p.optimizer is not None)
        self.learner.load_state_dict(snapshot.tensors, facts, optimizer)
        self.good = snapshot
        if "good" in facts:
            self.good = Snapshot(below("good.", snapshot.tensors), facts["good"])


def _states(rng: np.random.Generator) -> list[dict[str, Any]]:
    """Of each net's generator; `rng` may be several as one (stack.Rngs)."""
    found: Any = rng.bit_generator.state
    return found if isinstance(found, list) else [found]


def _set_states(rng: np.random.Generator, states: list[dict[str, Any]]) -> None:
    several = isinstance(rng.bit_generator.state, list)
    given: Any = states if several else states[0]
    rng.bit_generator.state = given


def fit(  # noqa: PLR0913 (a trainer's parts, and who is told)
    model: LanguageModel,
    recipe: Recipe,
    train: Loader,
    valid: Loader,
    rng: np.random.Generator,
    tick: Callable[[int], None] = ignore,
) -> Iterator[Row]:
    """Train through the recipe's phases, yielding a row after every epoch.

    Args:
        rng: decides what is random in the loaders; dropout uses torch's global generator.
        tick: told after every batch (for a progress bar).

    Raises Diverged, a RecurrenceError, when the loss stops being finite.
    """
    yield from Trainer(Learner(model, recipe), train, valid, rng).run(tick)
