"""A schedule is a function of the step: step -> (learning rate, beta 1 or None to leave it)."""

import math
from collections.abc import Callable

from recurrence.params import Schedule

At = Callable[[int], tuple[float, float | None]]


def build(block: Schedule, epoch_batches: int, epochs: int, leftover_lr: float | None) -> At:
    """The schedule of a phase.

    Args: epoch_batches: how many batches the loader says an epoch has (a variable loader may run
    fewer). leftover_lr: what the phase before left in the optimizer, for `lr: leftover`.
    """
    lr = leftover_lr if block.lr == "leftover" else block.lr
    assert lr is not None, "params.py lets no first phase inherit"
    if block.kind == "constant":
        return lambda step: (lr, None)
    if block.kind == "one_cycle":
        return one_cycle(lr, epochs * epoch_batches, block)
    cycle = epoch_batches if block.cycle_batches == "epoch" else block.cycle_batches
    return cosine_restarts(lr, cycle, block.cycle_mult, block.warm_fraction)


def cosine_restarts(lr: float, cycle: int, mult: int, warm_fraction: float) -> At:
    """Cosine annealing with warm restarts: lr/2 (1 + cos(pi i/n)), each cycle `mult` times as long.

    At the very start, while step < warm_fraction * cycle, lr/100; the cycle goes on meanwhile.
    Source: Loshchilov & Hutter 2017 (1608.03983); the start is fastai 0.7's CosAnneal.
    """

    def at(step: int) -> tuple[float, float | None]:
        if step < warm_fraction * cycle:
            return lr / 100, None
        length, i = cycle, step
        while i >= length:
            i -= length
            length *= mult
        return lr / 2 * (1 + math.cos(math.pi * i / length)), None

    return at


def one_cycle(lr: float, steps: int, block: Schedule) -> At:
    """lr/div -> lr -> lr/div_final and beta 1 along `moms`, by half cosines (Smith 2018,
    1803.09820; fastai 2).
    """

    def at(step: int) -> tuple[float, float | None]:
        part = step / steps
        if part < block.pct_start:
            return _cosine(lr / block.div, lr, part / block.pct_start), _cosine(
                block.moms[0], block.moms[1], part / block.pct_start
            )
        part = (part - block.pct_start) / (1 - block.pct_start)
        return _cosine(lr, lr / block.div_final, part), _cosine(block.moms[1], block.moms[2], part)

    return at


def _cosine(start: float, end: float, part: float) -> float:
    return start + (1 + math.cos(math.pi * (1 - part))) / 2 * (end - start)
