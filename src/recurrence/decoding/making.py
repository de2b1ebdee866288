"""Samples by cell: found again where they were made before, else made, and kept batch by batch.

In come nets, prompts and what each strategy and net is known by; out come samples, the same whether
they are found or made, and however they are dealt out to batches. Knows no params or text.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from recurrence.decoding.grid import Cell, Made, make
from recurrence.decoding.kept import Kept
from recurrence.decoding.loop.samples import Prompt
from recurrence.model import LanguageModel

BATCH_WORK = 300_000_000
"""Weights times rows of a batch: so much is at stake when a run is killed (some minutes)."""
LEAST_ROWS = 64
"""Rows below which a batch costs nearly as much as with more of them."""


@dataclass(frozen=True)
class Maker:
    """Everything that decides a sample, and where samples are kept."""

    nets: Mapping[int, LanguageModel]
    """In double precision, by the seed they were trained with."""
    prompts: Sequence[Prompt]
    purpose: tuple[object, ...]
    """What the samples are for, as random numbers go by it."""
    strategy_digests: Mapping[str, str]
    """Of a strategy's block and code, and all else that it reads, by name."""
    net_digests: Mapping[int, str]
    """Of a net's weights."""
    kept: Kept

    def samples(
        self, cells: Sequence[Cell], tell: Callable[[int], None] = lambda tokens: None
    ) -> list[Made]:
        """The sample of each cell; `tell` hears of the tokens that were made or found."""
        keys = [self.key(cell) for cell in cells]
        there = self.kept.samples
        absent = [i for i, key in enumerate(keys) if key not in there]
        tell(sum(cell.length for cell in cells) - sum(cells[i].length for i in absent))
        for places in self._batches(absent):
            batch = [cells[i] for i in places]
            made = make(self.nets, batch, self.prompts, self.purpose, tell)
            self.kept.keep({keys[i]: one for i, one in zip(places, made, strict=True)})
        return [there[key] for key in keys]

    def key(self, cell: Cell) -> str:
        """All that decides the sample of a cell, as a digest."""
        facts = (
            self.strategy_digests[cell.strategy.name],
            self.net_digests[cell.net],
            self.purpose,
            cell.sample_id,
            cell.length,
            self.prompts[cell.prompt_id],
        )
        return hashlib.sha256(repr(facts).encode()).hexdigest()

    def _batches(self, places: Sequence[int]) -> Iterator[Sequence[int]]:
        model = next(iter(self.nets.values()))
        weights = sum(tensor.numel() for tensor in model.parameters())
        size = max(LEAST_ROWS, BATCH_WORK // max(weights, 1))
        yield from (places[start : start + size] for start in range(0, len(places), size))
