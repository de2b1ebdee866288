"""When the loss, or the gradient's norm, is no longer finite: noticed without waiting for a GPU,
and told with facts.

Knows numbers only: what to do about it is decided by the trainer and the recipe.
"""

import math

import torch
from torch import Tensor

from recurrence.errors import RecurrenceError


class NotFinite(ArithmeticError):
    """A step was not finite: so many steps ago (0: the one that is being made), with this gradient
    norm.
    """

    def __init__(self, ago: int, gradient_norm: float) -> None:
        super().__init__(ago, gradient_norm)
        self.ago, self.gradient_norm = ago, gradient_norm


class Diverged(RecurrenceError):
    """The loss stopped being finite; the message says where, the attributes say it to programs.

    `epoch` and `step` (of the epoch) are counted from 1.
    """

    def __init__(self, epoch: int, step: int, lr: float, gradient_norm: float) -> None:
        super().__init__(epoch, step, lr, gradient_norm)
        self.epoch, self.step, self.lr, self.gradient_norm = epoch, step, lr, gradient_norm

    def __str__(self) -> str:
        return (
            f"the loss is no longer finite: epoch {self.epoch}, step {self.step}, learning rate "
            f"{self.lr:.3g}, "
            f"gradient norm {self.gradient_norm:.3g}"
        )


class Watch:
    """Notes the first step that is not finite. On the CPU it says so at once; on a GPU only `check`
    waits.
    """

    def __init__(self, device: torch.device) -> None:
        self.at_once = device.type == "cpu"
        self.seen = torch.zeros((), dtype=torch.int64, device=device)
        self.bad = torch.full((), -1, dtype=torch.int64, device=device)
        self.norm = torch.zeros((), device=device)

    def see(self, loss: Tensor, norm: Tensor) -> None:
        """Look at a step; on a GPU in place throughout, so that it can be part of a captured
        graph.
        """
        if self.at_once:
            if not math.isfinite(float(loss) + float(norm)):
                raise NotFinite(0, float(norm))
            return
        first = (self.bad < 0) & ~torch.isfinite(loss + norm)
        self.bad.copy_(torch.where(first, self.seen, self.bad))
        self.norm.copy_(torch.where(first, norm, self.norm))
        self.seen += 1

    def check(self) -> None:
        """Raise NotFinite if a step was not."""
        if not self.at_once and int(self.bad) >= 0:
            raise NotFinite(int(self.seen - self.bad), float(self.norm))

    def clear(self) -> None:
        """Forget what was seen."""
        self.seen.zero_()
        self.bad.fill_(-1)
