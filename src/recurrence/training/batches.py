"""An id stream becomes lanes, and lanes become (inputs, targets); the only place that shifts by
one.

A loader is built on ids that are on the device already. `len(loader)` is how many batches it says
an epoch has; iterating takes the generator that decides what is random, and how many batches to
pass over: these draw what they drew, but nothing is gathered for them. Knows nothing of models.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from recurrence.errors import RecurrenceError
from recurrence.params import Batches

#   N = tokens of the stream, B = lanes or rows of a batch, T = time

Batch = tuple[Tensor, Tensor]
"""inputs_BT and targets_BT, or targets_B1 where only the last position has a target."""


@dataclass(frozen=True)
class VariableBptt:
    """fastai 0.7's LanguageModelLoader: lanes, and windows of random length, a normal about bptt
    (or, 5 %, its half).

    The same random loader validates, so a printed validation loss moves between runs even with
    frozen weights. Stops after `len` batches although the lanes may not be used up, or before it
    when they are.
    """

    ids_N: Tensor
    size: int
    bptt: int

    def __len__(self) -> int:
        return max(0, len(self.ids_N) // self.size // self.bptt - 1)

    def batches(self, rng: np.random.Generator, skip: int = 0) -> Iterator[Batch]:
        lanes_BN = as_lanes(self.ids_N, self.size)
        length, at = lanes_BN.shape[1], 0
        for i in range(len(self)):
            if at >= length - 1:
                return
            mean = self.bptt if rng.random() < 0.95 else self.bptt / 2
            steps = min(max(5, int(rng.normal(mean, 5))), length - 1 - at)
            if i >= skip:
                yield lanes_BN[:, at : at + steps], lanes_BN[:, at + 1 : at + 1 + steps]
            at += steps


@dataclass(frozen=True)
class Windows:
    """Windows of fixed length at `starts`, in batches of `size`; the order of `starts` is the order
    of the batches.

    A last, smaller batch is kept unless `drop_last`. With `shuffle`, a new order for every pass.
    """

    ids_N: Tensor
    starts: Tensor
    size: int
    bptt: int
    last_only: bool = False
    drop_last: bool = False
    shuffle: bool = False

    def __len__(self) -> int:
        return (
            len(self.starts) // self.size if self.drop_last else -(-len(self.starts) // self.size)
        )

    def batches(self, rng: np.random.Generator, skip: int = 0) -> Iterator[Batch]:
        starts = self.starts
        if self.shuffle:
            starts = starts[torch.from_numpy(rng.permutation(len(starts))).to(starts.device)]
        offsets_T = torch.arange(self.bptt + 1, device=starts.device)
        for i in range(skip, len(self)):
            rows_B = starts[i * self.size : (i + 1) * self.size]
            window = self.ids_N[rows_B[:, None] + offsets_T]
            yield window[:, :-1], window[:, -1:] if self.last_only else window[:, 1:]


Loader = VariableBptt | Windows


def as_lanes(ids_N: Tensor, size: int) -> Tensor:
    """The stream cut into `size` contiguous lanes of equal length, (B, N // B); the remainder is
    dropped.
    """
    return ids_N[: len(ids_N) // size * size].view(size, -1)


def window_starts(tokens: int, bptt: int, stride: int) -> Tensor:
    """Where windows begin that still have a target after their last token."""
    return torch.arange(0, tokens - bptt, stride)


def loader(ids_N: Tensor, block: Batches, train: bool) -> Loader:
    """The loader of a params block on a stream.

    Raises RecurrenceError when the stream is too short for a single batch: nothing would be
    trained, silently.
    """
    made = _loader(ids_N, block, train)
    if len(made) < 1:
        part = "training" if train else "validation"
        raise RecurrenceError(
            f"the {part} text is too short: {len(ids_N):,} tokens make no batch of {block.size} x "
            f"{block.bptt} tokens; "
            f"give more text, or a smaller recipe.batches.size or bptt"
        )
    return made


def _loader(ids_N: Tensor, block: Batches, train: bool) -> Loader:
    if block.loader == "variable_bptt":
        return VariableBptt(ids_N, block.size, block.bptt)
    starts = window_starts(len(ids_N), block.bptt, block.stride or block.bptt).to(ids_N.device)
    last_only = block.targets == "last"
    if block.loader == "lanes":  # row i of a batch goes on where row i of the batch before stopped
        per_lane = len(starts) // block.size
        starts = starts[: per_lane * block.size].view(block.size, per_lane).t().reshape(-1)
        return Windows(ids_N, starts, block.size, block.bptt, last_only, drop_last=True)
    if block.loader == "rows":
        return Windows(ids_N, starts, block.size, block.bptt, last_only, drop_last=train)
    return Windows(ids_N, starts, block.size, block.bptt, last_only, shuffle=train)


def notebook_windows(
    ids_N: Tensor, block: Batches, rng: np.random.Generator
) -> tuple[Windows, Windows]:
    """Train and validation windows of the WHOLE text, as the window notebooks drew them (leaky
    where they overlap).
    """
    starts = window_starts(len(ids_N), block.bptt, block.stride or block.bptt)
    if block.notebook_split == "last_window":
        order, held = np.arange(len(starts)), 1
        order = order[::-1].copy()
    else:
        order, held = rng.permutation(len(starts)), int(0.2 * len(starts))
    chosen = starts[torch.from_numpy(order)].to(ids_N.device)
    last_only = block.targets == "last"
    return (
        Windows(ids_N, chosen[held:], block.size, block.bptt, last_only, shuffle=True),
        Windows(ids_N, chosen[:held], block.size, block.bptt, last_only),
    )
