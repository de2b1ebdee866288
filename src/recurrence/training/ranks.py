"""Ranks: the processes that torchrun starts to train one large model together, each on its own
lanes of every batch.

Comes in: the environment that torchrun sets, and a trainer's parts. Comes out: on every rank, the
history and the weights that one process would have had. All ranks hold all weights, draw the same
window lengths, average their gradients and so make the same updates; rank 0 alone is to write
files.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed, nn

from recurrence.console import say
from recurrence.errors import RecurrenceError
from recurrence.model import LanguageModel
from recurrence.model.dropout import LockedDropout
from recurrence.params import Recipe
from recurrence.randomness import derived_seed
from recurrence.training.batches import Batch
from recurrence.training.learner import Learner
from recurrence.training.resume import Keeper
from recurrence.training.trainer import Snapshot, Trainer

#   B = lanes, T = time, H = hidden size, L = layers

TIMEOUT = timedelta(minutes=2)
"""How long a rank waits for the others; they begin together, since torchrun has waited for all to
be there.
"""
AGREE_EVERY = 16
"""Steps between two times that the ranks ask rank 0's clock whether to take a snapshot."""
STARTED_TOGETHER = (
    "RANK",
    "WORLD_SIZE",
    "LOCAL_RANK",
    "LOCAL_WORLD_SIZE",
    "MASTER_ADDR",
    "MASTER_PORT",
)
DROPS_BY_LANE = (LockedDropout, nn.Dropout, nn.RNNBase)
"""Modules whose masks differ from lane to lane; all other masks (embedding rows, weights) are
shared by all lanes.
"""


def started_together() -> bool:
    """Whether torchrun started this process, and others with it."""
    return (
        all(os.environ.get(name) for name in STARTED_TOGETHER) and os.environ["WORLD_SIZE"] != "1"
    )


def leads() -> bool:
    """Whether this process is rank 0, or alone: the one that writes files."""
    return not started_together() or os.environ["RANK"] == "0"


@contextmanager
def joined(device: torch.device, digest: str) -> Iterator["Ranks | None"]:
    """The ranks this process was started among; None where it is alone.

    Args:
        digest: of all that the training depends on.

    Raises RecurrenceError where there are fewer GPUs than processes, or the ranks' digests are not
    the same.
    """
    if not started_together():
        yield None
        return
    here, beside = int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"])
    if device.type == "cuda":
        if beside > (gpus := torch.cuda.device_count()):
            raise RecurrenceError(
                f"torchrun started {beside} processes on {gpus} GPU(s); give --nproc-per-node "
                f"{gpus}"
            )
        torch.cuda.set_device(here)
        device = torch.device("cuda", here)
    with _together("the ranks could not be brought together"):
        distributed.init_process_group("nccl" if device.type == "cuda" else "gloo", timeout=TIMEOUT)
    ranks = Ranks(distributed.get_rank(), distributed.get_world_size(), device)
    ranks.agree(digest)
    say(f"{ranks.count} ranks, each on its own lanes")
    yield ranks
    distributed.destroy_process_group()  # not after an error: with a rank gone it may wait for it


@dataclass(frozen=True)
class Ranks:
    """This process, `rank` of `count`; rows of a batch, and lanes, are dealt out in blocks in the
    order of ranks.
    """

    rank: int
    count: int
    device: torch.device = torch.device("cpu")

    def even(self, rows: int) -> bool:
        """Whether so many rows can be dealt out evenly."""
        return rows % self.count == 0

    def block(self, rows: int) -> slice:
        """This rank's part of so many rows."""
        return slice(self.rank * rows // self.count, (self.rank + 1) * rows // self.count)

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over ranks, in place."""
        with _together():
            distributed.all_reduce(tensor)
        return tensor

    def own(self, batch: Batch) -> Batch:
        """This rank's rows of a batch; all of them where they cannot be dealt out evenly."""
        x_BT, y_BT = batch
        if not self.even(len(x_BT)):
            return batch
        rows = self.block(len(x_BT))
        return x_BT[rows], y_BT[rows]

    def counts(self, batch: Batch) -> bool:
        """Whether this rank's rows count in a sum: those that all ranks have count once."""
        return self.even(len(batch[0])) or self.rank == 0

    def reduce(self, model: nn.Module, loss: Tensor) -> Tensor:
        """Average the gradients over the ranks, in one sum; the loss, averaged with them."""
        parts = [p.grad for p in model.parameters() if p.grad is not None]
        flat = self.sum(torch.cat([part.flatten() for part in (*parts, loss)])) / self.count
        at = 0
        for part in parts:
            part.copy_(flat[at : at + part.numel()].view_as(part))
            at += part.numel()
        return flat[at:].view_as(loss)

    def scatter(self, all_LBH: Tensor) -> Tensor:
        """This rank's lanes."""
        return all_LBH[:, self.block(all_LBH.shape[1])].contiguous()

    def gather(self, own_LBH: Tensor) -> Tensor:
        """All lanes, from every rank's own."""
        parts = [
            torch.empty_like(own_LBH, memory_format=torch.contiguous_format)
            for _ in range(self.count)
        ]
        with _together():
            distributed.all_gather(parts, own_LBH.contiguous())
        return torch.cat(parts, 1)

    def same(self, value: Any) -> Any:
        """Rank 0's value, on every rank."""
        box = [value]
        with _together():
            distributed.broadcast_object_list(box, src=0, device=self.device)
        return box[0]

    def agree(self, digest: str) -> None:
        """Raise RecurrenceError on a rank whose digest is not rank 0's."""
        if self.same(digest) != digest:
            raise RecurrenceError(
                f"rank {self.rank} has other params, data, code or torch than rank 0; bring its "
                f"host to the same "
                f"commit, environment and data (`dvc repro --pull numericalize`)"
            )


def learner(model: LanguageModel, recipe: Recipe, ranks: Ranks) -> Learner:
    """One that trains on this rank's lanes; what it does together, every rank must do.

    A batch whose rows cannot be dealt out evenly (a last one, which no state is carried into) is
    trained on by every rank as a whole, and counts once in validation. A snapshot holds the state
    of all lanes and resumes on any number of ranks, all from the same. Raises RecurrenceError where
    the lanes cannot be dealt out evenly.
    """
    size = recipe.batches.size
    if not ranks.even(size):
        fitting = ", ".join(str(n) for n in range(1, size + 1) if size % n == 0)
        raise RecurrenceError(
            f"recipe.batches.size: {size} lanes cannot be dealt out evenly to {ranks.count} ranks; "
            f"start {fitting} of them, or give a size that divides by {ranks.count}"
        )
    drop_apart(model, ranks)
    return Learner(model, recipe, ranks)


class RankKeeper(Keeper):
    """A Keeper whose snapshots all ranks take together, rank 0 writes, and all resume with."""

    def __init__(self, folder: Path, started: float, ranks: Ranks) -> None:
        super().__init__(folder, started)
        self.ranks = ranks

    def due(self, trainer: Trainer) -> bool:
        return trainer.done % AGREE_EVERY == 0 and bool(self.ranks.same(super().due(trainer)))

    def save(self, snapshot: Snapshot) -> None:
        if self.ranks.rank == 0:
            super().save(snapshot)

    def latest(self) -> Snapshot | None:
        found: Snapshot | None = self.ranks.same(super().latest() if self.ranks.rank == 0 else None)
        return found


def drop_apart(model: nn.Module, ranks: Ranks) -> None:
    """Let masks that differ by lane differ between ranks too, and keep the random stream common to
    all in step.

    Such a module draws from a stream of its own, seeded by one number of the common stream and the
    rank. So the common stream is all the random state there is: equal on all ranks, and enough to
    resume on any number of them.
    """
    for module in model.modules():
        if isinstance(module, DROPS_BY_LANE) and (
            vars(module).get("p") or vars(module).get("dropout")
        ):
            stream = _Stream(ranks)
            module.register_forward_pre_hook(stream.enter)
            module.register_forward_hook(stream.leave)


class _Stream:
    """Puts a random stream of the rank's own in the place of the common one, while a module draws
    its masks.
    """

    def __init__(self, ranks: Ranks) -> None:
        self.rank, cuda = ranks.rank, ranks.device.type == "cuda"
        self.generator = (
            torch.cuda.default_generators[ranks.device.index] if cuda else torch.default_generator
        )
        self.common = self.generator.get_state()

    def enter(self, module: nn.Module, _inputs: object) -> None:
        if module.training:
            drawn = int(torch.randint(2**62, ()))  # by the CPU's generator: nothing waits for a GPU
            self.common = self.generator.get_state()
            self.generator.manual_seed(derived_seed(drawn, self.rank))

    def leave(self, module: nn.Module, _inputs: object, _outputs: object) -> None:
        if module.training:
            self.generator.set_state(self.common)


@contextmanager
def _together(
    trouble: str = "another rank has stopped, or does not answer; its own message says why",
) -> Iterator[None]:
    """Word what goes wrong where ranks wait for one another."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        rank = os.environ.get("RANK")
        raise RecurrenceError(
            f"rank {rank}: {trouble} ({str(error).splitlines()[0].split('. ')[0]})"
        ) from error
