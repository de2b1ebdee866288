"""Contract of every core that declares that it stacks: a new one is held to it by existing."""

import importlib
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recurrence import params
from recurrence.model import LanguageModel, build_model, core_module
from recurrence.model.stacked import Stacked, can_stack
from recurrence.training import batches, stack
from recurrence.training.learner import Learner
from recurrence.training.trainer import Trainer

RECURRENT = [name for name in params.core_names() if hasattr(core_module(name), "Core")]
STACKS = [name for name in RECURRENT if getattr(core_module(name).Core, "stacks", False)]
SEEDS = (0, 3, 5)
TEXT = torch.arange(7).repeat(40)
RECIPE = {
    "batches": {"loader": "lanes", "size": 4, "bptt": 6, "state": "carry"},
    "phases": [{"epochs": 1, "optimizer": {}, "schedule": {"kind": "constant", "lr": 1e-2}}],
}


def block(core: str, **changes: object) -> params.Model:
    sizes = {"corpus": "toy", "name": "toy", "core": core, "embedding": 8, "hidden": 8}
    dropout = {"plain_output": 0.3, "input": 0.2}
    return params.Model.model_validate(sizes | {"dropout": dropout, "recipe": RECIPE} | changes)


def model(core: str, seed: int) -> LanguageModel:
    torch.manual_seed(seed)
    return build_model(block(core), 7)


def masks(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("core", STACKS)
def test_logits_of_each_are_those_alone(core: str) -> None:
    assert apart(core) < 1e-5


@torch.no_grad()
def apart(core: str) -> float:
    """By how much the logits of seeds together differ from each one's alone, at most."""
    alone = [model(core, seed).eval() for seed in SEEDS]
    together = Stacked(alone, [masks(seed) for seed in SEEDS]).eval()
    ids_SBT = torch.randint(7, (len(SEEDS), 4, 9), generator=masks(1))
    logits, _ = together(ids_SBT.flatten(0, 1), together.initial_state(12))
    each = [one(ids, one.initial_state(4))[0] for one, ids in zip(alone, ids_SBT, strict=True)]
    return float((logits - torch.cat(each)).abs().max())


@pytest.mark.parametrize("core", STACKS)
def test_a_training_of_each_is_that_alone(core: str) -> None:
    """To rounding: to the last bit in portable numerics, which test_numerics.py looks at."""
    rule = block(core)
    assert can_stack(model(core, 0)) and rule.recipe is not None
    trainer = stacked(rule, SEEDS)
    list(trainer.run())
    for i, seed in enumerate(SEEDS):
        one = model(core, seed)
        torch.set_rng_state(masks(seed).get_state())
        list(Trainer(Learner(one, rule.recipe), *loaders(rule), np.random.default_rng(seed)).run())
        ours = trainer.learner.nets[i].state_dict()
        torch.testing.assert_close(ours, one.state_dict(), rtol=1e-5, atol=1e-6)


def loaders(rule: params.Model) -> tuple[Any, Any]:
    assert rule.recipe is not None
    train, valid = (batches.loader(TEXT, rule.recipe.batches, part) for part in (True, False))
    return train, valid


def stacked(rule: params.Model, seeds: Sequence[int]) -> Trainer:
    assert rule.recipe is not None
    models = [model(rule.core, seed) for seed in seeds]
    rngs = [np.random.default_rng(seed) for seed in seeds]
    generators = [masks(seed) for seed in seeds]
    parts = stack.beside([loaders(rule)] * len(seeds), rngs)
    return Trainer(Learner(Stacked(models, generators).train(), rule.recipe), *parts)


class TimeFirst(nn.Module):
    """A scan over dimension 0: it meets the contract, and lays out its lanes otherwise than a stack
    does.
    """

    def __init__(
        self, input_size: int, hidden_size: int, layers: int, dropout: params.Dropout
    ) -> None:
        super().__init__()
        self.output_size = hidden_size
        self.state_shapes = ((1, hidden_size),)
        self.gates = nn.Linear(input_size, 2 * hidden_size)

    def forward(
        self, x_BTE: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        z, n = self.gates(x_BTE.transpose(0, 1)).chunk(2, -1)
        h, outputs = state[0][0], []
        for z_t, n_t in zip(z.sigmoid(), n, strict=True):
            h = h + z_t * (n_t - h)
            outputs.append(h)
        return torch.stack(outputs).transpose(0, 1), (h[None],)


@pytest.fixture
def time_first(monkeypatch: pytest.MonkeyPatch) -> str:
    """It, as a file of cores/."""
    name = "time_first"
    file = ModuleType(f"recurrence.cores.{name}")
    file.Core = TimeFirst  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, file.__name__, file)
    monkeypatch.setattr("recurrence.params.core_names", lambda: [*RECURRENT, name])
    assert importlib.import_module(file.__name__) is file
    return name


def test_what_does_not_declare_it_is_not_stacked(time_first: str) -> None:
    for device in ("cpu", "cuda"):
        assert not stack.pays(block(time_first), 7, torch.device(device))


def test_one_that_declares_it_and_does_not_fit_is_found(time_first: str) -> None:
    """All its parts can be stacked, so that only the comparison shows it."""
    TimeFirst.stacks = True  # type: ignore[attr-defined]
    try:
        assert can_stack(model(time_first, 0))
        assert apart(time_first) > 0.1
    finally:
        del TimeFirst.stacks  # type: ignore[attr-defined]
