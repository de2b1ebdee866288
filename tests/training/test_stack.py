"""Each seed of a stack against its own run alone: histories and weights, with its own order, masks
and optimizer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from recurrence import params
from recurrence.model import LanguageModel, build_model
from recurrence.model.stacked import Stacked
from recurrence.training import batches, stack
from recurrence.training.batches import Loader
from recurrence.training.divergence import Diverged
from recurrence.training.learner import Learner
from recurrence.training.trainer import Row, Trainer

CYCLE = torch.arange(7).repeat(60)
ADAM = {"betas": [0.9, 0.99], "weight_decay": 0.01, "decoupled": True, "decay_biases": False}
LANES = {"loader": "lanes", "size": 4, "bptt": 6, "state": "reset"}
WINDOWS = {
    "loader": "windows",
    "size": 16,
    "bptt": 5,
    "stride": 2,
    "targets": "last",
    "state": "zero",
}
CORES = {
    "elman": {"core": "elman", "options": {"activation": "relu"}},
    "elman_concat": {"core": "elman_concat"},
    "gru_cell": {"core": "gru_cell"},
    "rnn": {"core": "rnn", "layers": 2},
    "gru": {"core": "gru", "layers": 2},
    "lstm": {"core": "lstm", "layers": 2},
}


@dataclass
class Begun:
    """One seed at the start of its training."""

    model: LanguageModel
    loaders: tuple[Loader, Loader]
    rng: np.random.Generator
    masks: torch.Generator


def block(**changes: object) -> params.Model:
    sizes = {
        "corpus": "toy",
        "name": "toy",
        "core": "elman",
        "embedding": 8,
        "hidden": 8,
        "recipe": recipe(),
    }
    return params.Model.model_validate(sizes | changes)


def recipe(**changes: object) -> dict[str, object]:
    phases = [{"epochs": 2, "optimizer": ADAM, "schedule": {"kind": "one_cycle", "lr": 3e-2}}]
    return {"batches": LANES, "phases": phases} | changes


def begin(rule: params.Model, seed: int) -> Begun:
    assert rule.recipe is not None
    torch.manual_seed(seed)
    model = build_model(rule, 7)
    masks = torch.Generator()
    masks.set_state(torch.get_rng_state())
    train, valid = (batches.loader(CYCLE, rule.recipe.batches, part) for part in (True, False))
    return Begun(model, (train, valid), np.random.default_rng(seed), masks)


def alone(rule: params.Model, seed: int) -> tuple[list[Row], dict[str, torch.Tensor]]:
    begun = begin(rule, seed)
    assert rule.recipe is not None
    return list(
        Trainer(Learner(begun.model, rule.recipe), *begun.loaders, begun.rng).run()
    ), begun.model.state_dict()


def together(rule: params.Model, seeds: Sequence[int]) -> Trainer:
    begun = [begin(rule, seed) for seed in seeds]
    assert rule.recipe is not None
    loaders, rngs, masks = (
        [b.loaders for b in begun],
        [b.rng for b in begun],
        [b.masks for b in begun],
    )
    model = Stacked([b.model for b in begun], masks).train()
    return Trainer(Learner(model, rule.recipe), *stack.beside(loaders, rngs))


def same(trainer: Trainer, rule: params.Model, seeds: Sequence[int]) -> None:
    for i, seed in enumerate(seeds):
        rows, weights = alone(rule, seed)
        for ours, theirs in zip(trainer.rows[i :: len(seeds)], rows, strict=True):
            assert vars(ours) == pytest.approx(vars(theirs), rel=1e-6)
        torch.testing.assert_close(
            trainer.learner.nets[i].state_dict(), weights, rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("core", CORES)
def test_each_seed_comes_out_as_alone(core: str) -> None:
    rule = block(**CORES[core])
    trainer = together(rule, [0, 3, 5])
    list(trainer.run())
    same(trainer, rule, [0, 3, 5])


DROPOUTS = [
    ("elman", {"plain_output": 0.4}),
    ("elman", {"embedding": 0.2, "input": 0.2, "output": 0.3}),
    ("rnn", {"plain_between": 0.5, "plain_output": 0.4}),
    ("gru", {"plain_between": 0.5, "plain_output": 0.4}),
    ("lstm", {"plain_between": 0.5, "plain_output": 0.4}),
]


@pytest.mark.parametrize(("core", "dropout"), DROPOUTS)
def test_each_seed_draws_its_own_masks(core: str, dropout: dict[str, float]) -> None:
    rule = block(**CORES[core], dropout=dropout)
    trainer = together(rule, [0, 3])
    list(trainer.run())
    same(trainer, rule, [0, 3])


def test_each_seed_has_its_own_order_of_windows() -> None:
    rule = block(recipe=recipe(batches=WINDOWS), context=5)
    trainer = together(rule, [1, 2, 4])
    first = next(iter(trainer.train.batches(trainer.rng)))[0].chunk(3)
    assert not torch.equal(first[0], first[1])
    trainer = together(rule, [1, 2, 4])
    list(trainer.run())
    same(trainer, rule, [1, 2, 4])


@pytest.mark.parametrize("changes", [{"clip": 0.05}, {"ar": 2.0, "tar": 1.0, "ar_on": "dropped"}])
def test_what_is_taken_over_a_model_is_taken_over_each(changes: dict[str, object]) -> None:
    rule = block(recipe=recipe(**changes), dropout={"plain_output": 0.2}, tied=True)
    trainer = together(rule, [0, 1])
    list(trainer.run())
    same(trainer, rule, [0, 1])


@pytest.mark.parametrize("core", CORES)
def test_company_changes_no_bit(core: str) -> None:
    """How seeds are dealt out to cores of a machine must not change what comes out."""
    rule = block(**CORES[core], dropout={"plain_output": 0.2})
    trainers = [together(rule, seeds) for seeds in ([0, 3, 5], [0, 3], [5])]
    for trainer in trainers:
        list(trainer.run())
    three, two, one = ([one.state_dict() for one in trainer.learner.nets] for trainer in trainers)
    for weights, others in zip(three, [*two, *one], strict=True):
        assert all(torch.equal(tensor, others[name]) for name, tensor in weights.items())
    rows = [trainer.rows for trainer in trainers]
    assert rows[0] == [row for i in range(2) for row in (*rows[1][2 * i : 2 * i + 2], rows[2][i])]


@pytest.mark.parametrize("after", [1, 14, 26])
def test_a_stack_that_was_stopped_goes_on_bit_for_bit(after: int) -> None:
    rule = block(recipe=recipe(batches=WINDOWS), context=5, dropout={"plain_output": 0.3})
    whole, kept = together(rule, [0, 2]), []
    list(whole.run(pause=lambda: kept.append(whole.state_dict())))
    rest = together(rule, [0, 2])
    rest.load_state_dict(kept[after])
    list(rest.run())
    assert rest.rows == whole.rows
    for name, tensor in whole.learner.model.state_dict().items():
        assert torch.equal(rest.learner.model.state_dict()[name], tensor)


def test_one_seed_that_diverges_stops_all() -> None:
    trainer = together(block(), [0, 1])
    with torch.no_grad():
        trainer.learner.nets[1].head.weight.fill_(torch.inf)
    with pytest.raises(Diverged, match="epoch 1, step 1"):
        list(trainer.run())


def test_seeds_are_dealt_out_evenly_and_in_order() -> None:
    assert stack.dealt([0, 1, 2, 3, 4], 2) == [(0, 1, 2), (3, 4)]
    assert stack.dealt([7], 2) == [(7,)] and stack.dealt([7, 8], 0) == [(7, 8)]


CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize("core", CORES)
def test_small_nets_that_keep_step_are_trained_together(core: str) -> None:
    rule = block(**CORES[core])
    assert stack.pays(rule, 7, CUDA)
    assert stack.pays(rule, 7, CPU) == (core != "lstm")  # torch has a kernel for that one


@pytest.mark.parametrize(
    "changes",
    [
        {"core": "awd_lstm"},
        {"hidden": 256, "core": "rnn"},
        {"recipe": recipe(batches=LANES | {"loader": "variable_bptt"})},
        {"recipe": recipe(on_divergence={"reduce_lr": 0.5, "at_most": 2})},
    ],
)
def test_others_are_not(changes: dict[str, object]) -> None:
    rule = block(**changes)
    assert not stack.pays(rule, 7, CPU)
    assert not stack.pays(rule, 7, CUDA)


@pytest.mark.parametrize("core", ["rnn", "gru", "lstm"])
def test_dropout_between_layers_is_no_hindrance(core: str) -> None:
    assert stack.pays(block(**CORES[core], dropout={"plain_between": 0.1}), 7, CUDA)
