"""Training on a GPU: the whole step as CUDA graphs, one for each window length, over fixed tensors.

In come a learner and what makes graphs; out comes a step like the learner's own. Forward, backward,
clipping and update are launched as one. What Python decides for a step (ids, learning rate, beta 1,
a state that was reset, validated with or resumed) is put into fixed tensors before; what a graph
cannot do, counting in Python, is done after. A length is trained on as usual when it first comes,
and recorded when it comes again.
"""

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from recurrence.graphs import Make, Repeated, put
from recurrence.params import Optimizer, Recipe
from recurrence.training import optimizers
from recurrence.training.batches import Batch
from recurrence.training.learner import BuildOptimizer, Learner

#   B = lanes, T = time


def capturable(recipe: Recipe) -> BuildOptimizer:
    """Builds a recipe's optimizers as graphs can hold them."""
    cycled = any(phase.schedule.kind == "one_cycle" for phase in recipe.phases)

    def build(block: Optimizer, model: nn.Module, lr: float) -> torch.optim.Optimizer:
        made = optimizers.build(block, model, lr)
        if cycled:
            made = CycledAdam(made.param_groups)
        for group in made.param_groups:
            group["capturable"] = True
        # rehearsals, and a step without graphs, are meant so
        made._warned_capturable_if_run_uncaptured = True
        return made

    return build


class CapturedStep:
    """The step of a learner, whose optimizers are `capturable`, recorded and replayed.

    `make` None: the same arithmetic, step by step as usual.
    """

    def __init__(self, learner: Learner, make: Make | None) -> None:
        self.learner = learner
        self.recorded: Repeated[None] = Repeated(make, "the training step")
        self.recorded_with: torch.optim.Optimizer | None = None
        self.buffers: dict[tuple[torch.Size, ...], Batch] = {}
        self.carried = tuple(tensor.clone() for tensor in learner.zero)
        self.beta1 = torch.zeros((), dtype=torch.float64, device=learner.device)
        self.lr = torch.zeros_like(self.beta1)

    def __call__(self, batch: Batch, lr: float, beta1: float | None) -> None:
        learner = self.learner
        self._renew(learner.optimizer)
        if beta1 is None:
            beta1 = float(learner.optimizer.param_groups[0]["betas"][0])
        self.lr.fill_(lr)
        self.beta1.fill_(beta1)
        key = tuple(ids.shape for ids in batch)
        if key not in self.buffers:
            x_BT, y_BT = (
                torch.empty_like(ids, memory_format=torch.contiguous_format) for ids in batch
            )
            self.buffers[key] = x_BT, y_BT
        put(self.buffers[key], batch)
        put(self.carried, learner.state)
        steps = learner.average.steps
        self.recorded(key, lambda: self._work(self.buffers[key]))
        learner.state, learner.average.steps = self.carried, steps + 1
        # numbers again, as a snapshot keeps them
        optimizers.set_hyper(learner.optimizer, lr, beta1)

    def _renew(self, optimizer: torch.optim.Optimizer) -> None:
        """Drop what was recorded over another optimizer than this."""
        if optimizer is self.recorded_with:
            return
        self.recorded.forget()
        self.recorded_with = optimizer
        on_gpu = self.learner.device.type == "cuda"
        # torch's fused kernel reads its rate as float32, no matter what
        as_read = torch.float32 if on_gpu and not isinstance(optimizer, CycledAdam) else None
        self.lr = torch.zeros_like(self.beta1, dtype=as_read)

    def _work(self, batch: Batch) -> None:
        """The device's part of a step, from fixed tensors to fixed tensors."""
        self.learner.state = self.carried
        beta1 = self.beta1 if isinstance(self.learner.optimizer, CycledAdam) else None
        self.learner.step(batch, cast(float, self.lr), cast(float | None, beta1))
        put(self.carried, self.learner.state)


class CycledAdam(torch.optim.Adam):
    """Adam and AdamW whose learning rate and beta 1 may be tensors, as a graph needs where a
    schedule moves beta 1.

    torch's fused kernel would hold on to the beta 1 it was recorded with, and its other forms wait
    for the device to read one. The groups' options are Adam's own, and so is the state:

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
