import pytest
import torch

from recurrence import params
from recurrence.model import LanguageModel, build_model
from recurrence.model.stacked import Stacked, can_stack


def models(seeds: int = 3, **changes: object) -> list[LanguageModel]:
    sizes = {
        "corpus": "toy",
        "name": "toy",
        "core": "rnn",
        "layers": 2,
        "embedding": 6,
        "hidden": 6,
    }
    block = params.Model.model_validate(sizes | changes)
    made = []
    for seed in range(seeds):
        torch.manual_seed(seed)
        made.append(build_model(block, 11))
    return made


def generators(seeds: int = 3) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in range(seeds)]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tied": True},
        {"head_bias": False},
        {"core": "elman", "layers": 1},
        {"core": "gru"},
        {"core": "lstm", "tied": True},
    ],
)
def test_logits_states_and_gradients_are_those_of_each(changes: dict[str, object]) -> None:
    alone = models(**changes)
    stacked = Stacked(alone, generators())
    ids = torch.randint(11, (3, 4, 9))
    logits, state = stacked(ids.flatten(0, 1), stacked.initial_state(12))
    logits.pow(2).sum().backward()
    gradients = [{name: p.grad for name, p in one.named_parameters()} for one in alone]
    for i, one in enumerate(alone):
        one.zero_grad()
        expected, after = one(ids[i], one.initial_state(4))
        torch.testing.assert_close(logits.chunk(3)[i], expected)
        torch.testing.assert_close([part.chunk(3, 1)[i] for part in state], list(after))
        expected.pow(2).sum().backward()
        torch.testing.assert_close(
            gradients[i], {name: p.grad for name, p in one.named_parameters()}
        )


def test_the_parameters_are_the_models_own() -> None:
    alone = models()
    stacked = Stacked(alone, generators())
    assert [id(p) for p in stacked.parameters()] == [
        id(p) for one in alone for p in one.parameters()
    ]
    ids, before = torch.randint(11, (3, 5)), stacked.initial_state(3)
    first, _ = stacked(ids, before)
    with torch.no_grad():
        alone[1].embedding.weight.add_(1.0)
    second, _ = stacked(ids, before)
    assert [torch.equal(first[i], second[i]) for i in range(3)] == [True, False, True]


@pytest.mark.parametrize("place", ["embedding", "input", "output", "plain_between", "plain_output"])
def test_dropout_acts_in_training_only_and_on_each_by_itself(place: str) -> None:
    stacked = Stacked(models(2, dropout={place: 0.5}), generators(2)).train()
    ids, state = torch.randint(11, (2, 9)).repeat_interleave(2, 0), stacked.initial_state(4)
    before = [one.get_state() for one in stacked.generators]
    first = stacked(ids, state)[0]
    stacked.generators[1].set_state(before[1])
    assert [
        torch.equal(*parts)
        for parts in zip(first.chunk(2), stacked(ids, state)[0].chunk(2), strict=True)
    ] == [
        False,
        True,
    ]
    stacked.eval()
    assert torch.equal(stacked(ids, state)[0], stacked(ids, state)[0])


def test_the_common_generator_is_left_alone() -> None:
    stacked = Stacked(models(dropout={"plain_output": 0.5}), generators()).train()
    before = torch.get_rng_state()
    stacked(
        torch.randint(11, (3, 5), generator=torch.Generator().manual_seed(0)),
        stacked.initial_state(3),
    )
    assert torch.equal(before, torch.get_rng_state())


CAN = {
    "rnn": True,
    "gru": True,
    "lstm": True,
    "gru_cell": True,
    "rnn_cell": False,
    "awd_lstm": False,
}


@pytest.mark.parametrize("core", CAN)
def test_what_can_be_stacked(core: str) -> None:
    (model,) = models(1, core=core, layers=1)
    assert can_stack(model) == CAN[core]
    model.core.drop = torch.nn.Dropout(0.5)  # which would draw all seeds' masks from one generator
    assert not can_stack(model)
