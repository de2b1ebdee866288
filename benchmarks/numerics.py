"""A training step in portable numerics against fast, for four nets of params.yaml, both on one
thread.

Milliseconds of processor time, best of several rounds that alternate; the ratio is what portable
numerics cost on this processor. Each round is a process of its own, as the choice holds for a
process. Random text will do.
"""

import os
import subprocess
import sys
import time

import numpy as np
import torch

from recurrence import device, numerics, params
from recurrence.model import build_model
from recurrence.training import batches
from recurrence.training.trainer import Trainer

NETS = ("nietzsche-lstm", "human_numbers-lm6", "nietzsche_b-gru", "nietzsche-rnn")
ROUNDS, STEPS, VOCAB = 4, 8, 60


def milliseconds(key: str) -> float:
    """Of a step, the best of STEPS."""
    block = params.model(key)
    recipe = block.recipe
    assert recipe is not None
    torch.manual_seed(0)
    ids = torch.randint(VOCAB, (60_000,))
    loaders = [batches.loader(ids, recipe.batches, part) for part in (True, False)]
    rng = np.random.default_rng(0)
    trainer = Trainer(build_model(block, VOCAB), recipe, loaders[0], loaders[1], rng)
    best = float("inf")
    for _, batch in zip(range(STEPS), loaders[0].batches(rng), strict=False):
        began = time.process_time()
        trainer.step(batch, 1e-3, None)
        best = min(best, time.process_time() - began)
    return 1000 * best


def in_a_process(key: str, kind: str) -> float:
    known = numerics.PORTABLE if kind == "portable" else {}
    env = {name: value for name, value in os.environ.items() if name not in numerics.PORTABLE}
    command = [sys.executable, __file__, key]
    done = subprocess.run(command, env=env | known, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> None:
    if len(sys.argv) == 2:
        torch.set_num_threads(1)
        print(milliseconds(sys.argv[1]))
        return
    print(device.describe(torch.device("cpu")).partition(",")[0])
    print(f"{'net':<20}{'portable':>12}{'fast':>12}   ratio")
    for key in NETS:
        best = dict.fromkeys(("portable", "fast"), float("inf"))
        for _ in range(ROUNDS):
            for kind in best:
                best[kind] = min(best[kind], in_a_process(key, kind))
        ratio = best["portable"] / best["fast"]
        print(
            f"{key:<20}{best['portable']:>9.1f} ms{best['fast']:>9.1f} ms{ratio:>7.2f}x", flush=True
        )


if __name__ == "__main__":
    main()
