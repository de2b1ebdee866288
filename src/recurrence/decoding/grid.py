"""The samples of a model's nets: every strategy with every prompt and seed, as many together as can
be.

In come nets, prompts and cells; out comes a sample per cell. Knows no params, files or text.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from torch import Generator, Tensor

from recurrence.decoding.loop.samples import Prompt, Samples
from recurrence.decoding.loop.sampling import Row, Sampler, sample
from recurrence.decoding.search.base import Search
from recurrence.decoding.witness import Witness, certify
from recurrence.model import LanguageModel
from recurrence.randomness import generator

#   B = rows, T = tokens

Tell = Callable[[int], None]


@dataclass(frozen=True)
class Cell:
    """One sample to be made."""

    strategy: Sampler | Search
    net: int
    """The seed that the net was trained with."""
    prompt_id: int
    seed: int
    length: int

    @property
    def sample_id(self) -> str:
        return f"{self.strategy.name}/{self.prompt_id}/{self.net}/{self.seed}"

    @property
    def certifiable(self) -> bool:
        """Whether the model's state, read by feeding a token at a time, decides all that
        follows.
        """
        ours = self.strategy
        return ours.deterministic and not ours.uses_history and ours.window is None


@dataclass(frozen=True)
class Made:
    """One sample."""

    ids_T: Tensor
    logprob_nats: float
    rescued: int
    witness: Witness | None


@dataclass(frozen=True)
class Lengths:
    """Tokens of a sample; `long` where the likeliest token is taken and nothing else is asked."""

    usual: int
    long: int

    def of(self, strategy: Sampler | Search) -> int:
        plain = isinstance(strategy, Sampler) and not strategy.filters and strategy.window is None
        return self.long if plain and strategy.deterministic else self.usual


def grid(
    strategies: Sequence[Sampler | Search],
    nets: Sequence[int],
    prompt_ids: Iterable[int],
    seeds: Sequence[int],
    lengths: Lengths,
) -> list[Cell]:
    """A cell per prompt, net, strategy and seed, in this order; where nothing is drawn, the first
    seed alone."""
    return [
        Cell(each, net, prompt, seed, lengths.of(each))
        for prompt in prompt_ids
        for net in nets
        for each in strategies
        for seed in (seeds[:1] if each.deterministic else seeds)
    ]


def make(
    nets: Mapping[int, LanguageModel],
    cells: Sequence[Cell],
    prompts: Sequence[Prompt],
    purpose: tuple[object, ...],
    tell: Tell,
) -> list[Made]:
    """The sample of each cell, made by nets in double precision and the same in whatever grid it is
    a cell of.

    Its random numbers are those of the net's seed, the purpose, the strategy's name, prompt and
    seed. All that go token by token to one length step together, those of all nets: what filters
    cost is shared. Searches run one after another. `tell` hears of each step how many tokens it
    made.
    """
    together: dict[tuple[object, int], list[int]] = {}
    for i, cell in enumerate(cells):
        search = (cell.strategy, cell.net) if isinstance(cell.strategy, Search) else None
        together.setdefault((search, cell.length), []).append(i)
    made: dict[int, Made] = {}
    for places in together.values():
        ours = [cells[i] for i in places]
        found = _samples(nets, ours, prompts, purpose, tell)
        made |= zip(places, _made(nets, ours, prompts, found), strict=True)
    return [made[i] for i in range(len(cells))]


def _samples(
    nets: Mapping[int, LanguageModel],
    cells: Sequence[Cell],
    prompts: Sequence[Prompt],
    purpose: tuple[object, ...],
    tell: Tell,
) -> Samples:
    """Those of cells with one length, and one search and net if any."""
    texts = [prompts[cell.prompt_id] for cell in cells]
    rng = [_generator(cell, purpose) for cell in cells]
    first, model, length = cells[0].strategy, nets[cells[0].net], cells[0].length
    if isinstance(first, Search):
        return first.find(model, texts, length, rng, tell)
    rows = [
        Row(text, cell.strategy, own, nets[cell.net])
        for text, cell, own in zip(texts, cells, rng, strict=True)
        if isinstance(cell.strategy, Sampler)
    ]
    return sample(model, rows, length, tell)


def _generator(cell: Cell, purpose: tuple[object, ...]) -> Generator:
    return generator(cell.net, *purpose, cell.strategy.name, cell.prompt_id, cell.seed)


def _made(
    nets: Mapping[int, LanguageModel],
    cells: Sequence[Cell],
    prompts: Sequence[Prompt],
    found: Samples,
) -> list[Made]:
    ids = found.rows()
    witnesses: dict[int, Witness | None] = {}
    for net, model in nets.items():
        own = [i for i, cell in enumerate(cells) if cell.net == net and cell.certifiable]
        asked = certify(model, [prompts[cells[i].prompt_id] for i in own], [ids[i] for i in own])
        witnesses |= zip(own, asked, strict=True)
    figures = zip(ids, found.logprob_B.tolist(), found.rescued_B.tolist(), strict=True)
    return [Made(*each, witnesses.get(i)) for i, each in enumerate(figures)]
