"""The witness on states made by hand, and on small nets whose text is known to loop."""

import pytest
import torch
from torch import Tensor

from decoding.fakes import Fading
from recurrence import params
from recurrence.decoding import witness as module
from recurrence.decoding.loop.sampling import Row, Sampler, sample
from recurrence.decoding.witness import Witness, certify, witness
from recurrence.loops import find_run
from recurrence.model import LanguageModel, build_model
from recurrence.randomness import generator

GREEDY = Sampler("greedy", deterministic=True)
PROMPTS = [(1, 2, 3), (4,), (5, 6, 7), (8, 8, 8, 8)]


def circling(period: int, length: int, rest: int = 5, drift: float = 0.0) -> Tensor:
    """States that go round from token `rest` on, each time `drift` away from where they were."""
    states_TH = torch.randn(
        length, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    for t in range(rest + period, length):
        states_TH[t] = states_TH[t - period] + drift
    return states_TH


@pytest.mark.parametrize("period", [1, 2, 13, 33])
def test_the_smallest_period_of_states_that_recur(period: int) -> None:
    assert witness(circling(period, 110)) == Witness(period, 0.0)


def test_three_periods_are_needed() -> None:
    assert witness(circling(10, 40, rest=11)) is None
    assert witness(circling(10, 40, rest=10)) == Witness(10, 0.0)
    assert witness(circling(10, 29, rest=0)) is None


def test_states_may_be_off_by_the_tolerance() -> None:
    found = witness(circling(4, 60, drift=9e-6))
    assert found is not None and (found.period, found.gap) == (4, pytest.approx(9e-6))
    assert witness(circling(4, 60, drift=1.1e-5)) is None


def test_one_state_that_came_back_is_no_loop() -> None:
    states_TH = torch.randn(50, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    states_TH[-8] = states_TH[-1]
    assert witness(states_TH) is None


@pytest.mark.parametrize("length", [0, 1, 2])
def test_too_short_to_say(length: int) -> None:
    assert length == 0 or witness(torch.zeros(length, 3)) is None
    assert certify(net("nietzsche-lstm"), [(1,)], [torch.zeros(length, dtype=torch.int64)]) == [
        None
    ]


def net(block: str) -> LanguageModel:
    torch.manual_seed(3)
    small = params.model(block).model_copy(update={"embedding": 12, "hidden": 12})
    return build_model(small, 11).eval().double()


@pytest.mark.parametrize(
    "block", ["nietzsche-lstm", "nietzsche-rnn", "human_numbers-lm2", "nietzsche-awd_lstm"]
)
def test_what_is_certified_is_a_loop_of_that_period(
    block: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = net(block)
    ids = sample(model, [Row(prompt, GREEDY, generator()) for prompt in PROMPTS], 300).rows()
    found = certify(model, PROMPTS, ids)
    assert any(found)  # untrained nets settle soon
    for each, ids_T in zip(found, ids, strict=True):
        run = find_run(ids_T.numpy(), 2)
        assert each is None or (run is not None and (run.period, run.end) == (each.period, 300))
    monkeypatch.setattr(module, "CHUNK_CELLS", 1)
    alone = certify(model, PROMPTS, ids)
    assert [each and each.period for each in alone] == [each and each.period for each in found]


def test_the_text_plays_no_part() -> None:
    """No sample by chance alone is certified, nor a text that is no loop for the state."""
    model = net("nietzsche-lstm")
    ids = sample(
        model, [Row(prompt, Sampler("pure"), generator(prompt)) for prompt in PROMPTS], 300
    ).rows()
    assert certify(model, PROMPTS, ids) == [None] * 4


def test_a_model_without_states_is_never_certified() -> None:
    assert certify(Fading(), PROMPTS, [torch.zeros(30, dtype=torch.int64)] * 4) == [None] * 4
