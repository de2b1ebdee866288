import math
from typing import Any

import pytest
import torch

from decoding.fakes import Cyclic, Fading, Fixed
from recurrence import params
from recurrence.decoding.filters.contract import Setting
from recurrence.decoding.filters.registry import FILTERS
from recurrence.decoding.loop.sampling import Row, Sampler, sample
from recurrence.decoding.search.beam import Beam
from recurrence.play.writing import Loop, Moment, Writer, write
from recurrence.randomness import generator
from recurrence.vocab import Vocab

VOCAB = Vocab(tuple("abcdefghijk"), (), params.Tokens(unit="char"))
GREEDY = Sampler("greedy", deterministic=True)


def writer(model: Any, reference: Any = None, floor: int = 6) -> Writer:
    return Writer(model, VOCAB, floor, reference)


def moments(made: Writer, strategy: Any, length: int = 30, **more: Any) -> list[Moment]:
    return list(write(made, strategy, (0, 1), length, generator(0), **more))


@pytest.mark.parametrize(
    "filters",
    [(), (FILTERS["top_k"](3, Setting(VOCAB)),), (FILTERS["mirostat_v2"](2.0, Setting(VOCAB)),)],
)
def test_the_text_is_the_one_that_the_sampling_loop_makes(filters: tuple[Any, ...]) -> None:
    model, sampler = Fading(), Sampler("any", filters)
    told = moments(writer(model), sampler)
    made = sample(model, [Row((0, 1), sampler, generator(0))], 30)
    assert list(told[-1].ids) == made.ids_BT[0].tolist()
    assert [len(moment.ids) for moment in told] == list(range(1, 31))


def test_bars_are_the_ten_likeliest_before_and_after_the_filters() -> None:
    logits = [float(i) for i in range(11)]
    top_two = Sampler("top", (FILTERS["top_k"](2, Setting(VOCAB)),), deterministic=True)
    bars = moments(writer(Fixed(logits)), top_two, 1)[0].bars
    assert [bar.token for bar in bars] == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]
    p = torch.tensor(logits).double().softmax(-1)
    assert bars[0].before == pytest.approx(float(p[10]))
    assert bars[0].after == pytest.approx(math.e / (1 + math.e)) and bars[2].after == 0


def test_a_loop_is_known_from_when_it_is_certain_and_goes_on() -> None:
    told = moments(writer(Cyclic(11), floor=6), GREEDY, 40)
    assert told[20].loop is None  # two copies of 11 tokens have not yet come
    assert told[21].loop == Loop(start=0, period=11, end=22)
    assert told[-1].loop == Loop(start=0, period=11, end=40)


def test_a_loop_that_the_text_leaves_ends_there() -> None:
    class Leaves(Cyclic):
        def forward(self, ids_BT: Any, state: Any) -> Any:
            logits, state = super().forward(ids_BT, state)
            self.calls = getattr(self, "calls", 0) + 1
            return (logits.roll(1, -1) if self.calls > 30 else logits), state

    told = moments(writer(Leaves(11)), GREEDY, 40)
    assert told[-1].loop == Loop(start=0, period=11, end=30)


def test_stop_on_loop_ends_with_the_token_that_makes_it_certain() -> None:
    told = moments(writer(Cyclic(11)), GREEDY, 40, stop_on_loop=True)
    assert len(told) == 22 and told[-1].stopped and not told[-2].stopped


def test_nats_are_those_of_the_reference_model() -> None:
    logits = [0.0, 1.0, 2.0, *[0.0] * 8]
    told = moments(writer(Cyclic(11), Fixed(logits)), GREEDY, 3)
    costs = -torch.tensor(logits).double().log_softmax(-1)
    assert [moment.ids for moment in told][-1] == (2, 3, 4)
    assert told[0].reference_nats == pytest.approx(float(costs[2]))
    assert told[2].reference_nats == pytest.approx(float((costs[2] + costs[3] + costs[4]) / 3))
    assert moments(writer(Cyclic(11)), GREEDY, 1)[0].reference_nats is None


def test_the_reference_model_reads_the_prompt_and_every_token() -> None:
    """A model that hears all it was ever fed costs the same, read along or at once."""
    reference = Fading()
    told = moments(writer(Cyclic(11), reference), GREEDY, 12)
    ids = torch.tensor([[0, 1, *told[-1].ids]])
    logits, _ = reference(ids, reference.initial_state(1))
    costs = -logits[0, 1:-1].log_softmax(-1).gather(1, ids[0, 2:, None])
    assert told[-1].reference_nats == pytest.approx(float(costs.mean()))


def test_a_search_comes_as_one_moment_without_bars() -> None:
    (told,) = moments(writer(Cyclic(11)), Beam("beam", width=2), 24)
    assert len(told.ids) == 24 and told.bars == () and told.loop is not None
