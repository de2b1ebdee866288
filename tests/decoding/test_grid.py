from unittest.mock import patch

import pytest
import torch

from decoding.fakes import Fading
from pretended import GPU, GpuTape, PretendedGpu
from recurrence import graphs, params
from recurrence.decoding.filters.contract import Setting, Stateless
from recurrence.decoding.grid import Cell, Lengths, Made, grid, make
from recurrence.decoding.loop.sampling import Row, Sampler, sample
from recurrence.decoding.search.beam import Beam
from recurrence.decoding.strategies import build_strategy
from recurrence.model import LanguageModel, build_model
from recurrence.randomness import generator
from recurrence.vocab import Vocab
from tape import Tape

GREEDY = Sampler("greedy", deterministic=True)
PURE = Sampler("pure")
BEAM = Beam("beam", width=2)
PROMPTS = [(1, 2, 3), (4,)]


def made(cells: list[Cell], told: list[int] | None = None) -> list[Made]:
    tell = (lambda tokens: None) if told is None else told.append
    return make({3: Fading(), 4: Fading()}, cells, PROMPTS, ("test",), tell)


def test_a_cell_per_prompt_net_strategy_and_seed_in_this_order() -> None:
    cells = grid([PURE, GREEDY, BEAM], (3, 4), range(2), (5, 7), Lengths(10, 30))
    assert [(cell.sample_id, cell.length) for cell in cells] == [
        (f"{name}/{prompt}/{net}/{seed}", length)
        for prompt in (0, 1)
        for net in (3, 4)
        for name, seed, length in (
            ("pure", 5, 10), ("pure", 7, 10), ("greedy", 5, 30), ("beam", 5, 10),
        )
    ]  # fmt: skip


def test_only_what_the_state_decides_can_be_certified() -> None:
    rolling = Sampler("rolling", deterministic=True, window=4)
    penalised = Sampler(
        "penalised",
        (Stateless(lambda logits_BV, history_BT: logits_BV, reads_history=True),),
        deterministic=True,
    )
    certifiable = [
        Cell(each, 0, 0, 0, 9).certifiable for each in (GREEDY, BEAM, PURE, rolling, penalised)
    ]
    assert certifiable == [True, True, False, False, False]


def test_each_sample_is_at_its_cell_whatever_else_is_made() -> None:
    cells, told = grid([PURE, BEAM, GREEDY], (3, 4), range(2), (5, 7), Lengths(10, 30)), []
    together = made(cells, told)
    assert sum(told) == sum(cell.length for cell in cells)
    assert [len(each.ids_T) for each in together] == [cell.length for cell in cells]
    for cell, each in zip(cells, together, strict=True):
        [alone] = made([cell])
        assert alone.ids_T.tolist() == each.ids_T.tolist()
    assert [each.ids_T.tolist() for each in made(cells[::-1])] == [
        each.ids_T.tolist() for each in together[::-1]
    ]


def test_random_numbers_are_those_of_purpose_strategy_prompt_and_seed() -> None:
    [each] = made([Cell(PURE, 3, 1, 5, 10)])
    found = sample(Fading(), [Row(PROMPTS[1], PURE, generator(3, "test", "pure", 1, 5))], 10)
    assert torch.equal(each.ids_T, found.ids_BT[0])
    assert (each.logprob_nats, each.rescued, each.witness) == (found.logprob_B.item(), 0, None)


def test_nets_side_by_side_write_what_each_writes_alone() -> None:
    """Nets with other weights, strategies with and without history, prompts of two lengths."""
    nets = {seed: net("lstm", seed) for seed in (0, 1, 2)}
    known = Setting(LETTERS, 2.0, nets[0])
    names = ("greedy", "multinomial_rolling", "top_p_0_9", "greedy_dry", "mirostat_v2")
    strategies = [build_strategy(name, params.strategies()[name], known) for name in names]
    prompts = [(1, 2, 3, 4, 5, 1, 2, 3, 9), (4, 5, 4)]
    cells = grid(strategies, list(nets), range(2), (0, 1), Lengths(12, 12))
    together = make(nets, cells, prompts, ("beside",), lambda tokens: None)
    for seed, model in nets.items():
        own = [i for i, cell in enumerate(cells) if cell.net == seed]
        alone = make({seed: model}, [cells[i] for i in own], prompts, ("beside",), lambda _: None)
        for i, each in zip(own, alone, strict=True):
            assert each.ids_T.tolist() == together[i].ids_T.tolist()
            assert each.logprob_nats == pytest.approx(together[i].logprob_nats, abs=1e-9)
    assert len({tuple(each.ids_T.tolist()) for each in together}) > len(cells) / 2


LETTERS = Vocab(("<unk>", *"abcdefghijk"), ("<unk>",), params.Tokens(unit="char"))
LOOK_FOR_MATCHES = [
    name
    for name in params.strategies()
    if any(part in name for part in ("no_repeat", "dry", "lz", "fsd"))
]
"""How many there are only the device knows."""
CORES: dict[str, dict[str, object]] = {"lstm": {}, "elman": {"context": 3}}
FEEDING = ("greedy", "multinomial_rolling", "beam_4", "contrastive_search", "contrastive_decoding")
"""One of each way to feed a model."""
OF_WINDOWS = [(name, "elman") for name in FEEDING]


def net(core: str, seed: int) -> LanguageModel:
    torch.manual_seed(seed)
    block = {"corpus": "toy", "name": "toy", "core": core, "embedding": 6, "hidden": 6} | CORES[
        core
    ]
    return build_model(params.Model.model_validate(block), len(LETTERS)).double().eval()


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("name", "core"), [*((name, "lstm") for name in params.strategies()), *OF_WINDOWS]
)
def test_a_gpu_makes_the_same_samples_and_is_not_waited_for(name: str, core: str) -> None:
    def made(where: torch.device, length: int) -> list[Made]:
        ours, amateur = net(core, 0).to(where), net(core, 1).to(where)
        strategy = build_strategy(name, params.strategies()[name], Setting(LETTERS, 2.0, amateur))
        prompts = [(1, 2, 3, 4, 5, 1, 2, 3), (4, 5, 4, 5)]
        return make(
            {0: ours},
            grid([strategy], (0,), range(2), (0, 1), Lengths(length, length)),
            prompts,
            ("gpu",),
            lambda tokens: None,
        )

    Tape.made.clear()
    waits = []
    with (
        PretendedGpu() as gpu,
        patch.object(graphs, "maker", lambda device: GpuTape if device == GPU else None),
    ):
        for length in (7, 14):
            before = gpu.waits
            found = made(GPU, length)
            waits.append(gpu.waits - before)
            for one, other in zip(found, made(torch.device("cpu"), length), strict=True):
                assert one.ids_T.tolist() == other.ids_T.tolist()
                assert one.logprob_nats == pytest.approx(other.logprob_nats, rel=1e-9)
                assert (one.rescued, one.witness is None) == (other.rescued, other.witness is None)
    assert waits[0] == waits[1] or name in LOOK_FOR_MATCHES
    assert any(tape.replays for tape in Tape.made) or name.endswith(
        "_rolling"
    )  # its windows still grow
