"""Train every seed of a model, or count once for a baseline: ids and vocab in, weights and history out."""

import platform
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from recurrence import batches, checkpoint, device, params, paths, training
from recurrence.console import progress, say
from recurrence.errors import RecurrenceError
from recurrence.files import atomic_path, read_json, write_json
from recurrence.model import build_model, core_module
from recurrence.randomness import derived_seed
from recurrence.stages import run

HISTORY = ["seed", "protocol", *training.Row.__dataclass_fields__]


def main(key: str) -> None:
    block = params.model(key)
    counted = hasattr(core_module(block.core), "Counted")
    if counted == (block.recipe is not None):
        rule = "counts and takes no recipe" if counted else "is trained by gradients and needs a recipe"
        raise RecurrenceError(f"params.yaml: models.{key}.recipe: core {block.core!r} {rule}")
    vocab = read_json(paths.vocab(block.corpus))  # as it is: training knows ids, not text
    size = len(vocab["tokens"])
    streams = [np.load(paths.ids(block.corpus) / f"{part}.npy", mmap_mode="r") for part in ("train", "valid")]
    started, clock = datetime.now(UTC), time.perf_counter()
    with atomic_path(paths.model(block.corpus, block.name)) as folder:
        folder.mkdir()
        checkpoint.save_config(folder, block, size)
        write_json(folder / "vocab.json", vocab)
        facts = _count(block, streams[0], size, folder) if counted else _train(block, streams, size, folder)
    wall = {"train_seconds": time.perf_counter() - clock, **facts, "torch": torch.__version__}
    wall |= {"python": platform.python_version(), "started": started.isoformat(timespec="seconds")}
    write_json(paths.wall(block.corpus, block.name), wall)


def _count(block: params.Model, ids: NDArray[np.integer], vocab_size: int, folder: Path) -> dict[str, object]:
    model = core_module(block.core).Counted.count(ids, vocab_size, **block.options)
    for seed in block.seeds:
        checkpoint.save_weights(folder, seed, model)
    pd.DataFrame(columns=HISTORY).to_csv(folder / "history.csv", index=False)
    return {"device": device.describe(torch.device("cpu")), "parameters": model.stored_counts}


def _train(block: params.Model, streams: list[NDArray[np.integer]], vocab_size: int, folder: Path) -> dict[str, object]:
    assert block.recipe is not None
    where = device.choose(params.load().compute, block.hidden)
    train_ids, valid_ids = (torch.from_numpy(ids.astype(np.int64)).to(where) for ids in streams)
    protocols = ["ordered"] if block.recipe.batches.notebook_split == "none" else ["ordered", "as_notebook"]
    rows: list[dict[str, object]] = []
    trained = 0
    for seed in block.seeds:
        for protocol in protocols:
            torch.manual_seed(derived_seed(seed, block.corpus, block.name, "train", protocol))
            rng = np.random.default_rng(derived_seed(seed, block.corpus, block.name, "batches", protocol))
            model = build_model(block, vocab_size).to(where)
            if protocol == "ordered":
                loaders = _ordered(train_ids, valid_ids, block.recipe)
            else:
                loaders = batches.notebook_windows(torch.cat((train_ids, valid_ids)), block.recipe.batches, rng)
            epochs = sum(phase.epochs for phase in block.recipe.phases)
            trained += epochs * len(loaders[0]) * block.recipe.batches.size * block.recipe.batches.bptt
            title = f"{block.corpus}/{block.name} seed {seed} {protocol if len(protocols) > 1 else ''}".rstrip()
            with progress(title, epochs * len(loaders[0]), "batches") as advance:
                for row in training.fit(model, block.recipe, *loaders, rng, advance):
                    rows.append({"seed": seed, "protocol": protocol, **asdict(row)})
                    advance(0, f"epoch {row.epoch}/{epochs} train {row.train_nats:.4f} valid {row.valid_nats:.4f}")
            say(f"{title}: valid {row.valid_nats:.4f} nats, accuracy {row.valid_accuracy:.4f} after {row.epoch} epochs")
            if protocol == "ordered":
                checkpoint.save_weights(folder, seed, model)
    pd.DataFrame(rows, columns=HISTORY).to_csv(folder / "history.csv", index=False)
    parameters = sum(p.numel() for p in model.parameters())
    return {"device": device.describe(where), "parameters": parameters, "tokens": trained}


def _ordered(train: torch.Tensor, valid: torch.Tensor, recipe: params.Recipe) -> tuple[batches.Loader, batches.Loader]:
    """Loaders on the ordered split: ours for `exact`, and the notebook's own validation for as_notebook."""
    return (
        batches.loader(train[: recipe.sample_tokens], recipe.batches, train=True),
        batches.loader(valid[recipe.batches.skip_valid :][: recipe.sample_tokens], recipe.batches, train=False),
    )


if __name__ == "__main__":
    run(main)
