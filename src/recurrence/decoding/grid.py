"""All samples that are made of one model: every strategy with every prompt and seed, as many together as can be.

In come a model, prompts and cells; out comes a sample per cell. Knows no params, files or text.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

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
    prompt_id: int
    seed: int
    length: int

    @property
    def certifiable(self) -> bool:
        """Whether the model's state, read by feeding a token at a time, decides all that follows."""
        ours = self.strategy
        return ours.deterministic and not ours.uses_history and ours.window is None


@dataclass(frozen=True)
class Made:
    """One sample."""

    ids_T: Tensor
    logprob_nats: float
    rescued: int
    witness: Witness | None


def grid(
    strategies: Sequence[Sampler | Search],
    prompts: int,
    seeds: Sequence[int],
    length: int,
    long_length: int,
) -> list[Cell]:
    """A cell per strategy, prompt and seed, in this order; where nothing is drawn, the first seed alone.

    A search has its `length`, a deterministic strategy that goes token by token its `long_length`.
    """
    return [
        Cell(
            each,
            p,
            seed,
            long_length if each.deterministic and isinstance(each, Sampler) else length,
        )
        for each in strategies
        for p in range(prompts)
        for seed in (seeds[:1] if each.deterministic else seeds)
    ]


def make(
    model: LanguageModel,
    cells: Sequence[Cell],
    prompts: Sequence[Prompt],
    purpose: tuple[object, ...],
    tell: Tell,
) -> list[Made]:
    """The sample of each cell, made by a model in double precision and the same in whatever grid it is a cell of.

    Its random numbers are those of the purpose, strategy's name, prompt and seed. All that go token by token to one
    length step together; searches run one after another. `tell` hears of each step how many tokens it made.
    """
    together: dict[tuple[Search | None, int], list[int]] = {}
    for i, cell in enumerate(cells):
        search = cell.strategy if isinstance(cell.strategy, Search) else None
        together.setdefault((search, cell.length), []).append(i)
    made: dict[int, Made] = {}
    for places in together.values():
        ours = [cells[i] for i in places]
        found = _samples(model, ours, [prompts[cell.prompt_id] for cell in ours], purpose, tell)
        made |= zip(places, _made(model, ours, prompts, found), strict=True)
    return [made[i] for i in range(len(cells))]


def _samples(
    model: LanguageModel,
    cells: Sequence[Cell],
    prompts: Sequence[Prompt],
    purpose: tuple[object, ...],
    tell: Tell,
) -> Samples:
    """Those of cells with one length, and one search if any."""
    rng = [generator(*purpose, cell.strategy.name, cell.prompt_id, cell.seed) for cell in cells]
    first, length = cells[0].strategy, cells[0].length
    if isinstance(first, Search):
        return first.find(model, prompts, length, rng, tell)
    samplers = [cell.strategy for cell in cells if isinstance(cell.strategy, Sampler)]
    rows = [Row(*each) for each in zip(prompts, samplers, rng, strict=True)]
    return sample(model, rows, length, tell)


def _made(
    model: LanguageModel, cells: Sequence[Cell], prompts: Sequence[Prompt], found: Samples
) -> list[Made]:
    ids = found.rows()
    certifiable = [i for i, cell in enumerate(cells) if cell.certifiable]
    asked = certify(
        model, [prompts[cells[i].prompt_id] for i in certifiable], [ids[i] for i in certifiable]
    )
    witnesses = dict(zip(certifiable, asked, strict=True))
    figures = zip(ids, found.logprob_B.tolist(), found.rescued_B.tolist(), strict=True)
    return [Made(*each, witnesses.get(i)) for i, each in enumerate(figures)]
