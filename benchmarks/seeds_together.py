"""Five seeds of human_numbers' largest net as one computation, against one after another, with each
core in its place.

Ratios for the same steps, best of several rounds that alternate: what training/stack.py decides by.
On a GPU of wall time, with the steps as CUDA graphs; else of processor time of one thread. Needs
data/ids/human_numbers (`recurrence repro numericalize@human_numbers`).
"""

import time
from collections.abc import Sequence

import numpy as np
import torch

from recurrence import graphs, params, paths
from recurrence.model import LanguageModel, build_model
from recurrence.model.stacked import Stacked
from recurrence.training import batches, stack
from recurrence.training.capture import CapturedStep, capturable
from recurrence.training.learner import Learner
from recurrence.training.trainer import Trainer

SEEDS, STEPS, ROUNDS, VOCAB = 5, 40, 5, 30
CORES = {"rnn": {}, "gru": {}, "lstm": {}, "elman": {"activation": "relu"}, "gru_cell": {}}
ONE_LAYER = ("elman", "gru_cell")


ON_GPU = torch.cuda.is_available()
DEVICE = torch.device("cuda" if ON_GPU else "cpu")


def seconds(trainer: Trainer) -> float:
    """For STEPS steps."""
    steps = zip(range(STEPS), trainer.train.batches(trainer.rng), strict=False)
    started = now()
    for _, batch in steps:
        trainer.step(batch, 1e-3, None)
    return now() - started


def trainer(  # noqa: PLR0913 (a training's parts, and what masks are drawn from)
    model: LanguageModel,
    recipe: params.Recipe,
    train: batches.Loader,
    valid: batches.Loader,
    rng: np.random.Generator,
    masks: Sequence[torch.Generator] = (),
) -> Trainer:
    """Its steps as CUDA graphs on a GPU."""
    if not ON_GPU:
        return Trainer(Learner(model, recipe), train, valid, rng)
    learner = Learner(model, recipe, build=capturable(recipe))
    return Trainer(learner, train, valid, rng, CapturedStep(learner, graphs.maker(DEVICE, masks)))


def now() -> float:
    if not ON_GPU:
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def main() -> None:
    torch.set_num_threads(1)
    ids = torch.from_numpy(np.load(paths.ids("human_numbers") / "train.npy").astype(np.int64)).to(
        DEVICE
    )
    block = params.model("human_numbers-lm6")
    print(f"{'core':<9} layers  times as fast together")
    for core, options in CORES.items():
        layers = 1 if core in ONE_LAYER else 2
        own = block.model_copy(update={"core": core, "layers": layers, "options": options})
        recipe = own.recipe
        assert recipe is not None
        loaders = (
            batches.loader(ids, recipe.batches, True),
            batches.loader(ids[:4_000], recipe.batches, False),
        )
        models: list[LanguageModel] = [build_model(own, VOCAB).to(DEVICE) for _ in range(SEEDS + 1)]
        rngs = [np.random.default_rng(seed) for seed in range(SEEDS)]
        masks = [torch.Generator(DEVICE).manual_seed(seed) for seed in range(SEEDS)]
        several = Stacked(models[1:], masks).train()
        together = trainer(several, recipe, *stack.beside([loaders] * SEEDS, rngs), masks)
        alone = trainer(models[0], recipe, *loaders, np.random.default_rng(0))
        times = np.array([(seconds(together), SEEDS * seconds(alone)) for _ in range(ROUNDS)]).min(
            0
        )
        print(f"{core:<9} {layers:<6}  {times[1] / times[0]:.2f}", flush=True)


if __name__ == "__main__":
    main()
