import numpy as np
import pytest
import torch

from recurrence import params, training
from recurrence.errors import RecurrenceError
from recurrence.model import LanguageModel, build_model
from recurrence.training import batches, learner, trainer

CYCLE = torch.arange(7).repeat(120)  # 0 1 ... 6 0 1 ...: learnable to certainty


def recipe(**changes: object) -> params.Recipe:
    phase = {"epochs": 2, "optimizer": {}, "schedule": {"kind": "constant", "lr": 1e-2}}
    blocks = {"loader": "lanes", "size": 4, "bptt": 6, "state": "carry"}
    return params.Recipe.model_validate({"batches": blocks, "phases": [phase]} | changes)


def model(seed: int = 0, **changes: object) -> LanguageModel:
    torch.manual_seed(seed)
    sizes = {"corpus": "toy", "name": "toy", "core": "lstm", "embedding": 8, "hidden": 8}
    return build_model(params.Model.model_validate(sizes | changes), 7)


def trainer_of(
    net: LanguageModel, rule: params.Recipe, stream: torch.Tensor = CYCLE
) -> trainer.Trainer:
    train, valid = (batches.loader(stream, rule.batches, train) for train in (True, False))
    return trainer.Trainer(learner.Learner(net, rule), train, valid, np.random.default_rng(0))


def fit(
    net: LanguageModel, rule: params.Recipe, stream: torch.Tensor = CYCLE
) -> list[training.Row]:
    return list(trainer_of(net, rule, stream).run())


def test_a_deterministic_text_is_learnt() -> None:
    rule = recipe(
        phases=[{"epochs": 12, "optimizer": {}, "schedule": {"kind": "one_cycle", "lr": 3e-2}}]
    )
    rows = fit(model(), rule)
    assert [row.epoch for row in rows] == list(range(1, 13))
    assert (
        rows[0].valid_nats > 1.0 and rows[-1].valid_nats < 0.05 and rows[-1].valid_accuracy == 1.0
    )


def test_the_same_seed_gives_the_same_bytes() -> None:
    nets = [model(), model()]
    rows = [fit(net, recipe()) for net in nets]
    assert rows[0] == rows[1]
    for one, other in zip(*(net.parameters() for net in nets), strict=True):
        assert torch.equal(one, other)


def test_phases_keep_or_renew_the_optimizer() -> None:
    kept = recipe(
        phases=[
            *recipe().model_dump()["phases"],
            {"epochs": 1, "schedule": {"kind": "constant", "lr": 1e-3}},
        ]
    )
    renewed = recipe(
        phases=[*recipe().model_dump()["phases"], kept.phases[1].model_dump() | {"optimizer": {}}]
    )
    one, other = fit(model(), kept), fit(model(), renewed)
    assert one[:2] == other[:2] and one[2].train_nats != other[2].train_nats
    assert [row.phase for row in one] == [0, 0, 1] and one[2].lr == 1e-3


def test_leftover_goes_on_at_the_rate_the_phase_before_ended_with() -> None:
    first = {
        "epochs": 1,
        "optimizer": {},
        "schedule": {"kind": "cosine_restarts", "lr": 1e-2, "cycle_batches": 60},
    }
    rule = recipe(phases=[first, {"epochs": 1, "schedule": {"kind": "constant", "lr": "leftover"}}])
    rows = fit(model(), rule)
    batches_run = 35  # 840 tokens: 139 windows of 6 tokens, 34 a lane
    assert rows[1].lr == pytest.approx(5e-3 * (1 + np.cos(np.pi * (batches_run - 1) / 60)))


class Recorder(LanguageModel):
    """Remembers whether each forward began from zero state."""

    def features(self, ids_BT, state):  # type: ignore[no-untyped-def]
        self.fresh.append(all(bool((tensor == 0).all()) for tensor in state))
        return super().features(ids_BT, state)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ("carry", lambda fresh: fresh[0] and not any(fresh[1:])),
        ("zero", all),
        ("reset", lambda fresh: sum(fresh) == 4),
    ],
)
def test_state_is_carried_or_reset_as_the_recipe_says(state, expected) -> None:  # type: ignore[no-untyped-def]
    net = model()
    net.__class__, net.fresh = Recorder, []  # type: ignore[assignment]
    fit(net, recipe(batches={"loader": "lanes", "size": 4, "bptt": 6, "state": state}))
    assert expected(net.fresh)  # reset: two epochs, and a validation after each


def test_ticks_add_up_where_windows_of_chance_lengths_end_early() -> None:
    rule = recipe(batches={"loader": "variable_bptt", "size": 4, "bptt": 6})
    one, ticks = trainer_of(model(), rule), list[int]()
    batches, made = one.train.batches, list[int]()
    object.__setattr__(
        one.train, "batches", lambda *args: (made.append(1) or batch for batch in batches(*args))
    )
    list(one.run(tick=ticks.append))
    assert sum(ticks) == one.epoch * len(one.train) > len(made) > 0


def test_regularizers_change_the_gradient_but_not_the_printed_loss() -> None:
    plain, held = model(), model()
    first = fit(
        plain,
        recipe(
            phases=[{"epochs": 1, "optimizer": {}, "schedule": {"kind": "constant", "lr": 1e-9}}]
        ),
    )
    second = fit(
        held,
        recipe(
            ar=2.0,
            tar=1.0,
            phases=[{"epochs": 1, "optimizer": {}, "schedule": {"kind": "constant", "lr": 1e-9}}],
        ),
    )
    assert first[0].train_nats == pytest.approx(second[0].train_nats, abs=1e-5)
    fit(plain, recipe())
    fit(held, recipe(ar=2.0, tar=1.0))
    weights = [next(net.core.parameters()).detach() for net in (plain, held)]
    assert not torch.allclose(*weights)


def test_clip_bounds_the_update() -> None:
    rule = recipe(clip=1e-12)
    net = model()
    one = trainer_of(net, rule)
    one.learner.optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    before = [p.detach().clone() for p in net.parameters()]
    one.step(next(one.train.batches(one.rng)), lr=1.0, beta1=None)
    moved = torch.stack(
        [(p - q).norm() for p, q in zip(net.parameters(), before, strict=True)]
    ).norm()
    assert moved <= 1e-11


def test_validation_neither_learns_nor_drops() -> None:
    net = model(dropout={"output": 0.5})
    rule = recipe()
    one = trainer_of(net, rule)
    learned = one.learner
    before = [p.detach().clone() for p in net.parameters()]
    learned.state = learned.zero
    first = learned.validate(one.valid, np.random.default_rng(0))
    learned.state = learned.zero
    assert first == learned.validate(one.valid, np.random.default_rng(0))
    assert (
        all(torch.equal(p, q) for p, q in zip(net.parameters(), before, strict=True))
        and net.training
    )
    assert first[0][2] == 4 * 6 * (139 // 4)


def test_the_moving_average_is_debiased() -> None:
    average = learner.Average(torch.zeros(1))
    for value in (1.0, 2.0):
        average.add(torch.tensor([value]))
    assert average.values()[0] == pytest.approx((0.98 * 0.02 * 1 + 0.02 * 2) / (1 - 0.98**2))


def test_a_loss_that_is_not_finite_stops() -> None:
    rule = recipe(
        phases=[{"epochs": 3, "optimizer": {}, "schedule": {"kind": "constant", "lr": 1e30}}]
    )
    with pytest.raises(RecurrenceError, match="no longer finite: epoch 1, step "):
        fit(model(core="elman", options={"activation": "relu"}), rule)
