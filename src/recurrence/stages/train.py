"""Train every seed of a model, or count once for a baseline: ids and vocab in, weights and history
out.

Killed at any time, it leaves the previous outputs as they were, and the next run goes on where this
one was.
"""

import time
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recurrence import device, machine, params, paths, training
from recurrence.files import atomic_path, read_json, write_json
from recurrence.model import checkpoint, core_module, counts
from recurrence.training import ranks, resume
from recurrence.training.jobs import Job, Trained, Training, digest

HISTORY = ["seed", "protocol", *training.Row.__dataclass_fields__]


def main(key: str) -> None:
    block = params.model(key)
    counted = counts(block)
    if not ranks.leads():
        if not counted:
            _follow(block)
        return
    with resume.tidied(paths.checkpoints(block.corpus, block.name)):
        vocab = read_json(paths.vocab(block.corpus))  # as it is: training knows ids, not text
        if counted:
            _count(block, vocab)
        else:
            _train(block, vocab)


def _count(block: params.Model, vocab: Any) -> None:
    ids = np.load(paths.ids(block.corpus) / "train.npy", mmap_mode="r")
    model = core_module(block.core).Counted.count(ids, len(vocab["tokens"]), **block.options)
    weights = dict.fromkeys(block.seeds, checkpoint.packed(model.state_dict()))
    _write(block, vocab, [Trained([], weights, 0)])


def _train(block: params.Model, vocab: Any) -> None:
    ids, size, compute = paths.ids(block.corpus), len(vocab["tokens"]), params.load().compute
    where = device.choose(compute, block.hidden)
    streams = [np.load(ids / f"{part}.npy", mmap_mode="r") for part in ("train", "valid")]
    kept = paths.checkpoints(block.corpus, block.name)
    now = digest(block, size, where, compute, ids)
    with resume.current(kept, now) as folder:
        began = time.monotonic() - resume.spent_s(folder)
        with device.training(where, compute), ranks.joined(where, now) as among:
            plan = Training(block, size, streams, where, folder, began, among)
            spare = 0 if among else device.spare_cores(where, compute)
            jobs = plan.jobs(spare)
            done = plan.run_all(jobs, min(len(jobs), spare))
        _write(block, vocab, done)
        _note(plan, jobs, done, compute)


def _note(plan: Training, jobs: list[Job], done: list[Trained], compute: params.Compute) -> None:
    """How long it took, with what was spent before it was killed, and what was special about it."""
    seconds = time.monotonic() - plan.started
    epochs = plan.epochs * sum(len(job.seeds) for job in jobs)
    tokens = epochs * len(plan.streams[0][: plan.recipe.sample_tokens])
    remarks = device.remarks(compute)
    if divergences := sum(one.divergences for one in done):
        remarks.append(f"rate reduced {divergences}x")
    if plan.ranks is not None:
        remarks.append(f"{plan.ranks.count} ranks")
        machine.note(numerics="fast")  # sums over processes depend on how many there are
    machine.note(
        seconds=seconds, tokens_per_second=round(tokens / seconds), remarks=", ".join(remarks)
    )


def _follow(block: params.Model) -> None:
    """What every other rank does than the first: train along, say nothing and write nothing."""
    ids, size = paths.ids(block.corpus), len(read_json(paths.vocab(block.corpus))["tokens"])
    streams = [np.load(ids / f"{part}.npy", mmap_mode="r") for part in ("train", "valid")]
    with redirect_stderr(StringIO()):
        compute = params.load().compute
        where = device.choose(compute, block.hidden)
        now = digest(block, size, where, compute, ids)
        with device.training(where, compute), ranks.joined(where, now) as among:
            plan = Training(block, size, streams, where, Path(), time.monotonic(), among)
            for job in plan.jobs():
                plan.run(job)


def _write(block: params.Model, vocab: Any, done: list[Trained]) -> None:
    with atomic_path(paths.model(block.corpus, block.name)) as folder:
        folder.mkdir()
        checkpoint.save_config(folder, block, len(vocab["tokens"]))
        write_json(folder / "vocab.json", vocab)
        for seed, weights in (
            (seed, weights) for one in done for seed, weights in one.weights.items()
        ):
            checkpoint.write_weights(folder, seed, weights)
        rows = sorted(
            (row for one in done for row in one.rows),
            key=lambda row: block.seeds.index(row["seed"]),
        )
        pd.DataFrame(rows, columns=HISTORY).to_csv(folder / "history.csv", index=False)
