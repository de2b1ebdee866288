"""Five seeds of human_numbers' largest net as one computation, against one after another, with each core in its place.

Ratios of processor time of one thread for the same steps, best of several rounds that alternate: what training/stack.py
decides by. Needs data/ids/human_numbers (`recurrence repro numericalize@human_numbers`).
"""

import time

import numpy as np
import torch

from recurrence import params, paths
from recurrence.model import LanguageModel, build_model
from recurrence.training import batches, stack
from recurrence.training.stack import StackTrainer
from recurrence.training.trainer import Trainer

SEEDS, STEPS, ROUNDS, VOCAB = 5, 40, 5, 30
CORES = {"rnn": {}, "gru": {}, "lstm": {}, "elman": {"activation": "relu"}, "gru_cell": {}}
ONE_LAYER = ("elman", "gru_cell")


def seconds(trainer: Trainer) -> float:
    """Of processor time, for STEPS steps."""
    steps = zip(range(STEPS), trainer.train.batches(trainer.rng), strict=False)
    started = time.process_time()
    for _, batch in steps:
        trainer.step(batch, 1e-3, None)
    return time.process_time() - started


def main() -> None:
    torch.set_num_threads(1)
    ids = torch.from_numpy(np.load(paths.ids("human_numbers") / "train.npy").astype(np.int64))
    block = params.model("human_numbers-lm6")
    print(f"{'core':<9} layers  times as fast together")
    for core, options in CORES.items():
        layers = 1 if core in ONE_LAYER else 2
        own = block.model_copy(update={"core": core, "layers": layers, "options": options})
        recipe = own.recipe
        assert recipe is not None
        loaders = batches.loader(ids, recipe.batches, True), batches.loader(ids[:4_000], recipe.batches, False)
        models: list[LanguageModel] = [build_model(own, VOCAB) for _ in range(SEEDS + 1)]
        rngs = [np.random.default_rng(seed) for seed in range(SEEDS)]
        masks = [torch.Generator().manual_seed(seed) for seed in range(SEEDS)]
        together = StackTrainer(*stack.parts(models[1:], recipe, [loaders] * SEEDS, rngs, masks))
        alone = Trainer(models[0], recipe, *loaders, np.random.default_rng(0))
        times = np.array([(seconds(together), SEEDS * seconds(alone)) for _ in range(ROUNDS)]).min(0)
        print(f"{core:<9} {layers:<6}  {times[1] / times[0]:.2f}", flush=True)


if __name__ == "__main__":
    main()
