"""Why human_numbers/lm4 stays below its notebook's 0.6844: how far one run of it lies from the
next.

Trains the model with many seeds by our recipe and, where fastai 2 can be imported, with the
notebook's own Learner, and prints final validation accuracies. Needs data/ids/human_numbers
(`recurrence numericalize human_numbers`).
"""

import statistics
from collections.abc import Iterator
from importlib.util import find_spec

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recurrence import params, paths, training
from recurrence.model import build_model
from recurrence.training import batches

SEEDS = 15
NOTEBOOK = 0.684408


def ours(train: Tensor, valid: Tensor) -> Iterator[float]:
    """Accuracy after the last epoch, per seed, by the block in params.yaml."""
    block = params.model("human_numbers-lm4")
    assert block.recipe is not None
    loaders = [
        batches.loader(ids, block.recipe.batches, part)
        for ids, part in ((train, True), (valid, False))
    ]
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        model = build_model(block, 30)
        *_, last = training.fit(
            model, block.recipe, loaders[0], loaders[1], np.random.default_rng(seed)
        )
        yield last.valid_accuracy


class Net(nn.Module):
    """The same net as the lesson library wants it: batch first, its state an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding, self.recurrent, self.head = (
            nn.Embedding(30, 64),
            nn.Linear(64, 64),
            nn.Linear(64, 30),
        )
        self.state: Tensor | int = 0

    def forward(self, ids_BT: Tensor) -> Tensor:
        outputs = []
        for ids_B in ids_BT.unbind(1):
            self.state = F.relu(self.recurrent(self.state + self.embedding(ids_B)))
            outputs.append(self.head(self.state))
        self.state = self.state.detach()
        return torch.stack(outputs, 1)


def theirs(train: Tensor, valid: Tensor) -> Iterator[float]:
    """The same by fastai's Learner, fit_one_cycle(15, 3e-3)."""
    from fastai.basics import Adam, Callback, DataLoader, DataLoaders, Learner  # type: ignore[import-not-found]
    from fastai.callback.schedule import Learner as _  # type: ignore[import-not-found]  # noqa: F401 (adds fit_one_cycle)

    class Reset(Callback):  # type: ignore[misc]
        def before_train(self) -> None:
            self.model.state = 0

        before_validate = before_train

    def rows(ids: Tensor) -> list[tuple[Tensor, Tensor]]:
        starts = range(0, len(ids) - 16, 16)
        lanes = len(starts) // 64
        return [
            (ids[s : s + 16], ids[s + 1 : s + 17])
            for i in range(lanes)
            for s in starts[i : 64 * lanes : lanes]
        ]

    def loss(logits: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())

    def accuracy(logits: Tensor, targets: Tensor) -> Tensor:
        return (logits.argmax(-1) == targets).float().mean()

    loaders = [
        DataLoader(rows(ids), bs=64, shuffle=False, drop_last=True, num_workers=0)
        for ids in (train, valid)
    ]
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        learner = Learner(
            DataLoaders(*loaders), Net(), loss_func=loss, metrics=accuracy, cbs=Reset, opt_func=Adam
        )
        with learner.no_bar(), learner.no_logging():
            learner.fit_one_cycle(15, 3e-3)
        yield float(learner.recorder.values[-1][2])


def main() -> None:
    torch.set_num_threads(1)
    folder = paths.ids("human_numbers")
    train, valid = (
        torch.from_numpy(np.load(folder / f"{part}.npy").astype(np.int64))
        for part in ("train", "valid")
    )
    peers = {"recurrence": ours, "fastai": theirs} if find_spec("fastai") else {"recurrence": ours}
    print(
        f"human_numbers/lm4, {SEEDS} seeds: accuracy after 15 epochs; the notebook's one run "
        f"printed {NOTEBOOK:.4f}"
    )
    for name, run in peers.items():
        values = list(run(train, valid))
        mean, sd = statistics.fmean(values), statistics.stdev(values)
        away = (NOTEBOOK - mean) / sd
        print(
            f"{name:<11} mean {mean:.4f}  sd {sd:.4f}  best {max(values):.4f}  notebook "
            f"{away:+.1f} sd"
        )
    if len(peers) == 1:
        print("fastai      not installed: pip install fastai, and run again")


if __name__ == "__main__":
    main()
