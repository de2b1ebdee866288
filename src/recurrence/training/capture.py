"""Training on a GPU: the whole step as CUDA graphs, one for each window length, over tensors that stay where they are.

In come the same parts as a Trainer's and what makes graphs; out come the same rows and weights. A step's forward,
backward, clipping and update are launched as one. What Python decides for a step (ids, learning rate, beta 1, a state
that was reset, validated with or resumed) is put into fixed tensors before; what a graph cannot do, counting in Python,
is done after. A length is trained on as usual when it first comes, recorded when it comes again.
"""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from recurrence.graphs import Make, Repeated, put
from recurrence.model import LanguageModel
from recurrence.model.stacked import Stacked
from recurrence.params import Recipe
from recurrence.training import optimizers
from recurrence.training.batches import Batch, Loader
from recurrence.training.stack import StackTrainer
from recurrence.training.trainer import Trainer

#   B = lanes, T = time


class CapturedTrainer(Trainer):
    """A Trainer whose steps are recorded and replayed. `make` None: the same arithmetic, step by step as usual."""

    def __init__(  # noqa: PLR0913 (a trainer's parts, and graphs)
        self,
        model: LanguageModel,
        recipe: Recipe,
        train: Loader,
        valid: Loader,
        rng: np.random.Generator,
        make: Make | None,
    ) -> None:
        self.recorded: Repeated[None] = Repeated(make, "the training step")
        self.buffers: dict[tuple[torch.Size, ...], Batch] = {}
        super().__init__(model, recipe, train, valid, rng)
        self.carried = tuple(tensor.clone() for tensor in self.zero)
        fused_on_gpu = self.device.type == "cuda" and not isinstance(self.optimizer, CycledAdam)
        as_read = (
            torch.float32 if fused_on_gpu else torch.float64
        )  # that kernel reads its rate as float32, no matter
        self.lr = torch.zeros((), dtype=as_read, device=self.device)
        self.beta1 = torch.zeros((), dtype=torch.float64, device=self.device)

    @property
    def optimizer(self) -> torch.optim.Optimizer:
        """Always one that graphs can hold; where a new one comes, what was recorded over the old one's is dropped."""
        return self._optimizer

    @optimizer.setter
    def optimizer(self, optimizer: torch.optim.Optimizer) -> None:
        cycled = any(phase.schedule.kind == "one_cycle" for phase in self.recipe.phases)
        self._optimizer = CycledAdam(optimizer.param_groups) if cycled else optimizer
        for group in self._optimizer.param_groups:
            group["capturable"] = True
        self._optimizer._warned_capturable_if_run_uncaptured = (
            True  # rehearsals, and `make` None, are meant so
        )
        self.recorded.forget()

    def step(self, batch: Batch, lr: float, beta1: float | None) -> None:
        if beta1 is None:
            beta1 = float(self.optimizer.param_groups[0]["betas"][0])
        self.lr.fill_(lr)
        self.beta1.fill_(beta1)
        key = tuple(ids.shape for ids in batch)
        if key not in self.buffers:
            x_BT, y_BT = (
                torch.empty_like(ids, memory_format=torch.contiguous_format) for ids in batch
            )
            self.buffers[key] = x_BT, y_BT
        put(self.buffers[key], batch)
        put(self.carried, self.state)
        steps = self.average.steps
        self.recorded(key, lambda: self._work(self.buffers[key]))
        self.state, self.average.steps = self.carried, steps + 1
        optimizers.set_hyper(self.optimizer, lr, beta1)  # numbers again, as a snapshot keeps them

    def _work(self, batch: Batch) -> None:
        """The device's part of a step, from fixed tensors to fixed tensors."""
        self.state = self.carried
        beta1 = self.beta1 if isinstance(self.optimizer, CycledAdam) else None
        super().step(batch, cast(float, self.lr), cast(float | None, beta1))
        put(self.carried, self.state)


class CapturedStackTrainer(CapturedTrainer, StackTrainer):
    """A StackTrainer whose steps are recorded and replayed."""

    model: Stacked


class CycledAdam(torch.optim.Adam):
    """Adam and AdamW whose learning rate and beta 1 may be tensors, as a graph needs where a schedule moves beta 1.

    torch's fused kernel would hold on to the beta 1 it was recorded with, and its other forms wait for the device to
    read one. The groups' options are Adam's own, and so is the state:

        m = beta1 m + (1 - beta1) g,  v = beta2 v + (1 - beta2) g^2,
        p -= lr m / (1 - beta1^t) / (sqrt(v / (1 - beta2^t)) + eps)

    with g + weight_decay p for g, or, decoupled, p shrunk by 1 - lr weight_decay before.
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            _update(self, group)


def _update(optimizer: CycledAdam, group: dict[str, Any]) -> None:
    weights, g, m, v, _, steps = lists = [list[Tensor]() for _ in range(6)]
    optimizer._init_group(group, *lists)  # type: ignore[no-untyped-call]
    if not weights:
        return
    lr, (beta1, beta2), decay = group["lr"], group["betas"], group["weight_decay"]
    torch._foreach_add_(steps, 1)
    made = steps[0].double()  # 1 - 0.999 in float32 would be off in the fifth digit
    if decay and group["decoupled_weight_decay"]:
        torch._foreach_mul_(weights, _scalar(1 - lr * decay, weights))
    elif decay:
        g = list(torch._foreach_add(g, weights, alpha=decay))
    torch._foreach_mul_(m, _scalar(beta1, m))
    torch._foreach_add_(m, torch._foreach_mul(g, _scalar(1 - beta1, m)))
    torch._foreach_mul_(v, beta2)
    torch._foreach_addcmul_(v, g, g, 1 - beta2)
    by = torch._foreach_sqrt(v)
    torch._foreach_div_(by, _scalar((1 - beta2**made).sqrt(), v))
    torch._foreach_add_(by, group["eps"])
    change = torch._foreach_div(m, by)
    torch._foreach_mul_(change, _scalar(-lr / (1 - beta1**made), m))
    torch._foreach_add_(weights, change)


def _scalar(value: Tensor | float, beside: Sequence[Tensor]) -> Tensor:
    """A number as a tensor like those it is multiplied with."""
    return torch.as_tensor(value, dtype=beside[0].dtype, device=beside[0].device)
