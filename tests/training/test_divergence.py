"""A loss that is no longer finite stops the training at the step, or sends it back to go on with a
lower rate.
"""

import pickle
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from recurrence import params
from recurrence.errors import RecurrenceError
from recurrence.model import build_model
from recurrence.training import batches, jobs
from recurrence.training.divergence import Diverged, NotFinite, Watch
from recurrence.training.learner import Learner, Whole
from recurrence.training.trainer import Trainer

STREAM = torch.arange(7).repeat(40)
CPU = torch.device("cpu")


def recipe(lr: float = 1e-2, **changes: object) -> params.Recipe:
    phase = {"epochs": 3, "optimizer": {}, "schedule": {"kind": "constant", "lr": lr}}
    return params.Recipe.model_validate(
        {"batches": {"loader": "lanes", "size": 4, "bptt": 6}, "phases": [phase]} | changes
    )


def new_trainer(rule: params.Recipe) -> Trainer:
    torch.manual_seed(0)
    model = build_model(
        params.Model(corpus="toy", name="toy", core="gru", embedding=8, hidden=8), 7
    )
    train, valid = (batches.loader(STREAM, rule.batches, train) for train in (True, False))
    return Trainer(Learner(model, rule), train, valid, np.random.default_rng(0))


@dataclass
class Breaks(Whole):
    """A loss that is infinite at one step of the run, unless the rate is below a bound."""

    trainer: Trainer
    bound: float
    at_step: int = 14  # of 11 in an epoch: the second's fourth

    def reduce(self, model: nn.Module, loss: torch.Tensor) -> torch.Tensor:
        lr = self.trainer.learner.optimizer.param_groups[0]["lr"]
        now = self.trainer.steps + 1 == self.at_step and lr > self.bound
        return loss * float("inf") if now else loss


def breaking(rule: params.Recipe, bound: float = 0.0) -> Trainer:
    one = new_trainer(rule)
    assert len(one.train) == 11
    one.learner.share = Breaks(one, bound)
    return one


def test_it_stops_at_the_step_and_says_which() -> None:
    one = breaking(recipe())
    with pytest.raises(Diverged) as raised:
        list(one.run())
    error = raised.value
    assert (error.epoch, error.step, error.lr) == (2, 3, 1e-2) and 0 < error.gradient_norm < 100
    assert str(error).startswith(
        "the loss is no longer finite: epoch 2, step 3, learning rate 0.01, gradient norm "
    )
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # as it comes from another process
    assert one.steps == 13 and all(bool(p.isfinite().all()) for p in one.learner.model.parameters())


def test_a_gradient_that_is_not_finite_is_seen_where_it_is_clipped() -> None:
    one = new_trainer(recipe(clip=1.0))
    next(one.learner.model.parameters()).register_hook(lambda grad: grad * float("nan"))
    with pytest.raises(Diverged, match="epoch 1, step 1, learning rate 0.01, gradient norm nan"):
        list(one.run())


def test_a_last_update_that_breaks_the_model_shows_in_validation() -> None:
    one = new_trainer(recipe())
    update = one.learner.optimizer.step

    def broken(*_: object) -> None:
        update()
        if one.steps == 10:
            next(one.learner.model.parameters()).data.fill_(float("nan"))

    one.learner.optimizer.step = broken  # type: ignore[method-assign, assignment]
    with pytest.raises(Diverged, match="epoch 1, step 11, learning rate 0.01, gradient norm 0"):
        list(one.run())
    assert one.rows == []


def test_it_goes_back_and_on_with_a_lower_rate() -> None:
    said: list[str] = []
    ticks: list[int] = []
    one = breaking(recipe(on_divergence={"reduce_lr": 0.5, "at_most": 3}), bound=3e-3)
    rows = list(one.run(tick=ticks.append, say=said.append))
    assert [row.epoch for row in rows] == [1, 2, 3] and rows == one.rows
    assert [row.lr for row in rows] == [1e-2, 2.5e-3, 2.5e-3]
    assert (
        (one.divergences, one.lr_scale) == (2, 0.25) and sum(ticks) == 33 and ticks.count(-2) == 2
    )
    assert said[1].endswith("; back to the start of epoch 2 with 0.25 of the rate")


def test_what_follows_is_as_if_the_rate_had_been_lower_from_there() -> None:
    one = breaking(recipe(on_divergence={"reduce_lr": 0.5, "at_most": 1}), bound=6e-3)
    rows = list(one.run())
    other = new_trainer(recipe())
    running = other.run()
    first = next(running)
    other.lr_scale = 0.5
    assert rows == [first, *running]


def test_it_stops_when_it_went_back_often_enough() -> None:
    one = breaking(recipe(on_divergence={"reduce_lr": 0.5, "at_most": 2}))
    with pytest.raises(Diverged, match="learning rate 0.0025"):
        list(one.run())


# ---------------------------------------------------------------- as on a GPU: noted there, looked at now and then


def noting() -> Watch:
    watch = Watch(CPU)
    watch.at_once = False
    return watch


def test_the_first_bad_step_is_noted_and_its_norm() -> None:
    watch = noting()
    for loss, norm in ((1.0, 2.0), (float("nan"), 3.0), (1.0, float("inf")), (float("inf"), 4.0)):
        watch.see(torch.tensor(loss), torch.tensor(norm))
    with pytest.raises(NotFinite) as raised:
        watch.check()
    assert (raised.value.ago, raised.value.gradient_norm) == (3, 3.0)
    watch.clear()
    watch.check()


def test_a_watch_that_does_not_wait_is_looked_at_before_a_snapshot() -> None:
    one, taken = breaking(recipe()), []
    one.learner.watch = noting()
    with pytest.raises(Diverged, match="epoch 2, step 3"):
        list(one.run(pause=lambda: taken.append(one.state_dict())))
    assert one.steps == 14 and len(taken) == 14  # after each of 13 steps, and of an epoch


def test_a_watch_that_does_not_wait_is_looked_at_when_an_epoch_ends() -> None:
    one = breaking(recipe())
    one.learner.watch = noting()
    with pytest.raises(Diverged, match="epoch 2, step 3"):
        list(one.run())
    assert one.steps == 22 and len(one.rows) == 1


def test_the_same_training_whether_or_not_the_watch_waits() -> None:
    rows = []
    for watch in (Watch(CPU), noting()):
        one = new_trainer(recipe(clip=0.1))
        one.learner.watch = watch
        rows.append(list(one.run()))
    assert rows[0] == rows[1]


# ---------------------------------------------------------------- what a person is told


def test_the_last_good_state_is_kept_and_the_error_says_where(tmp_path: Path) -> None:
    block = params.Model(
        corpus="toy",
        name="net",
        core="elman",
        embedding=8,
        hidden=8,
        options={"activation": "relu"},
        recipe=recipe(1e30),
    )
    streams = [STREAM.numpy()] * 2
    plan = jobs.Training(block, 7, streams, CPU, tmp_path, started=0.0)
    with pytest.raises(RecurrenceError) as raised:
        plan.run(plan.jobs()[0])
    said = str(raised.value)
    assert said.startswith("toy/net seed 0: the loss is no longer finite: epoch 1, step ")
    assert f"The last good state (epoch 1, step 1) is kept in {tmp_path / 'seed0-ordered'}" in said
    assert "In its recipe, lower phases.0.schedule.lr" in said and "on_divergence" in said
    assert (tmp_path / "seed0-ordered/00000001/tensors.safetensors").is_file()
