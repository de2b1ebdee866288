"""Train every seed of a model, or count once for a baseline: ids and vocab in, weights and history out."""

import platform
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from recurrence import device, params, paths, training
from recurrence.console import Advance, progress, say
from recurrence.errors import RecurrenceError
from recurrence.files import atomic_path, read_json, write_json
from recurrence.model import build_model, checkpoint, core_module
from recurrence.randomness import derived_seed
from recurrence.stages import run
from recurrence.training import batches

Streams = list[NDArray[np.integer]]
Job = tuple[int, str]
"""A seed, and the protocol it is trained by."""
Row = dict[str, Any]
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


def _train(block: params.Model, streams: Streams, vocab_size: int, folder: Path) -> dict[str, object]:
    assert block.recipe is not None
    compute = params.load().compute
    where, clock = device.choose(compute, block.hidden), time.perf_counter()
    protocols = ["ordered"] if block.recipe.batches.notebook_split == "none" else ["ordered", "as_notebook"]
    jobs = [(seed, protocol) for seed in block.seeds for protocol in protocols]
    epochs = sum(phase.epochs for phase in block.recipe.phases)
    fit = partial(_fit, block, streams, vocab_size, where, folder)
    rows: list[Row] = []
    with progress(f"{block.corpus}/{block.name}", len(jobs) * epochs, "epochs") as advance:
        if workers := min(len(jobs), device.spare_cores(where, compute)):
            with ProcessPoolExecutor(workers, get_context("fork")) as pool:
                for done in pool.map(fit, jobs):
                    rows += done
                    advance(epochs, _told(done[-1]))
        else:
            for job in jobs:
                rows += fit(job, advance)
    for row in rows:
        if row["epoch"] == epochs:
            say(f"{block.corpus}/{block.name} {_told(row)}")
    pd.DataFrame(rows, columns=HISTORY).to_csv(folder / "history.csv", index=False)
    trained = len(jobs) * epochs * len(streams[0][: block.recipe.sample_tokens])
    return {
        "device": device.describe(where),
        "parameters": sum(p.numel() for p in build_model(block, vocab_size).parameters()),
        "tokens_per_second": round(trained / (time.perf_counter() - clock)),
    }


def _fit(  # noqa: PLR0913 (all that another process must be told)
    block: params.Model, streams: Streams, vocab_size: int, where: torch.device, folder: Path, job: Job, /,
    advance: Advance | None = None,
) -> list[Row]:  # fmt: skip
    """Train one seed by one protocol, save its weights, and return its history."""
    assert block.recipe is not None
    seed, protocol = job
    torch.manual_seed(derived_seed(seed, block.corpus, block.name, "train", protocol))
    rng = np.random.default_rng(derived_seed(seed, block.corpus, block.name, "batches", protocol))
    train_ids, valid_ids = (torch.from_numpy(ids.astype(np.int64)).to(where) for ids in streams)
    model = build_model(block, vocab_size).to(where)
    if protocol == "ordered":
        loaders = _ordered(train_ids, valid_ids, block.recipe)
    else:
        loaders = batches.notebook_windows(torch.cat((train_ids, valid_ids)), block.recipe.batches, rng)
    tell = advance or (lambda amount, note="": None)
    rows: list[Row] = []
    for row in training.fit(model, block.recipe, *loaders, rng, lambda batch: tell(batch / len(loaders[0]))):
        rows.append({"seed": seed, "protocol": protocol, **asdict(row)})
        tell(0, _told(rows[-1]))
    if protocol == "ordered":
        checkpoint.save_weights(folder, seed, model)
    return rows


def _told(row: Row) -> str:
    protocol = "" if row["protocol"] == "ordered" else " as the notebook split"
    figures = f"train {row['train_nats']:.4f}, valid {row['valid_nats']:.4f}, accuracy {row['valid_accuracy']:.4f}"
    return f"seed {row['seed']}{protocol}: {figures} after epoch {row['epoch']}"


def _ordered(train: torch.Tensor, valid: torch.Tensor, recipe: params.Recipe) -> tuple[batches.Loader, batches.Loader]:
    """Loaders on the ordered split: ours for `exact`, and the notebook's own validation for as_notebook."""
    return (
        batches.loader(train[: recipe.sample_tokens], recipe.batches, train=True),
        batches.loader(valid[recipe.batches.skip_valid :][: recipe.sample_tokens], recipe.batches, train=False),
    )


if __name__ == "__main__":
    run(main)
