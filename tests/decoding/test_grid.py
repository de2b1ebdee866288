import torch

from decoding.fakes import Fading
from recurrence.decoding.grid import Cell, Made, grid, make
from recurrence.decoding.sampling import Row, Sampler, sample
from recurrence.decoding.search import Beam
from recurrence.randomness import generator

GREEDY = Sampler("greedy", deterministic=True)
PURE = Sampler("pure")
BEAM = Beam("beam", width=2)
PROMPTS = [(1, 2, 3), (4,)]


def made(cells: list[Cell], told: list[int] | None = None) -> list[Made]:
    tell = (lambda tokens: None) if told is None else told.append
    return make(Fading(), cells, PROMPTS, ("test",), tell)


def test_a_cell_per_strategy_prompt_and_seed_in_this_order() -> None:
    cells = grid([PURE, GREEDY, BEAM], 2, (5, 7), 10, 30)
    assert [(cell.strategy.name, cell.prompt_id, cell.seed, cell.length) for cell in cells] == [
        ("pure", 0, 5, 10), ("pure", 0, 7, 10), ("pure", 1, 5, 10), ("pure", 1, 7, 10),
        ("greedy", 0, 5, 30), ("greedy", 1, 5, 30), ("beam", 0, 5, 10), ("beam", 1, 5, 10),
    ]  # fmt: skip


def test_only_what_the_state_decides_can_be_certified() -> None:
    rolling = Sampler("rolling", deterministic=True, window=4)
    penalised = Sampler("penalised", deterministic=True, uses_history=True)
    certifiable = [Cell(each, 0, 0, 9).certifiable for each in (GREEDY, BEAM, PURE, rolling, penalised)]
    assert certifiable == [True, True, False, False, False]


def test_each_sample_is_at_its_cell_whatever_else_is_made() -> None:
    cells, told = grid([PURE, BEAM, GREEDY], 2, (5, 7), 10, 30), []
    together = made(cells, told)
    assert sum(told) == sum(cell.length for cell in cells)
    assert [len(each.ids_T) for each in together] == [cell.length for cell in cells]
    for cell, each in zip(cells, together, strict=True):
        [alone] = made([cell])
        assert alone.ids_T.tolist() == each.ids_T.tolist()
    assert [each.ids_T.tolist() for each in made(cells[::-1])] == [each.ids_T.tolist() for each in together[::-1]]


def test_random_numbers_are_those_of_purpose_strategy_prompt_and_seed() -> None:
    [each] = made([Cell(PURE, 1, 5, 10)])
    found = sample(Fading(), [Row(PROMPTS[1], PURE, generator("test", "pure", 1, 5))], 10)
    assert torch.equal(each.ids_T, found.ids_BT[0])
    assert (each.logprob_nats, each.rescued, each.witness) == (found.logprob_B.item(), 0, None)
