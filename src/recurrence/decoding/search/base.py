"""What all searches share: filters, bans, and prompts of any lengths in bounded memory.

In come a model and prompts; out come one text per prompt and its log-probability, as from the
sampling loop. The filters of a strategy narrow the distribution of every hypothesis; the search is
about what they leave.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import inf
from typing import ClassVar

import torch
from torch import Generator, Tensor

from recurrence.decoding.filters.contract import Stateless
from recurrence.decoding.loop.choice import rescue
from recurrence.decoding.loop.prefill import fed
from recurrence.decoding.loop.samples import Prompt, Samples
from recurrence.decoding.loop.sampling import CHUNK_CELLS
from recurrence.errors import RecurrenceError
from recurrence.model import LanguageModel

#   P = prompts of one length, N = rows that step together, V = vocabulary, T = tokens so far

Tell = Callable[[int], None]


@dataclass(frozen=True, eq=False)
class Search(ABC):
    """What all searches share: narrowing, and prompts of any lengths in bounded memory.

    `banned` ids are never chosen. `window` as in `prefill.prefill`. The filters have no state, as
    none could follow the hypotheses of a search.
    """

    deterministic: ClassVar[bool] = True

    name: str
    filters: tuple[Stateless, ...] = ()
    banned: tuple[int, ...] = ()
    window: int | None = None

    @property
    def uses_history(self) -> bool:
        """Whether the choice depends on more than the model's state; if not, texts may be cut."""
        return any(each.reads_history for each in self.filters)

    def generate(
        self, model: LanguageModel, prompts: Sequence[Prompt], length: int, rng: Sequence[Generator]
    ) -> Tensor:
        """New ids after each prompt, as ids_BT on the CPU; 0 after a text's end.

        Row i draws from rng[i] alone.
        """
        return self.find(model, prompts, length, rng).ids_BT

    @torch.inference_mode()
    def find(
        self,
        model: LanguageModel,
        prompts: Sequence[Prompt],
        length: int,
        rng: Sequence[Generator],
        tell: Tell = lambda tokens: None,
    ) -> Samples:
        """The best text of at most `length` tokens after each prompt.

        `tell` is called at each step with how many tokens it made. Raises RecurrenceError for an
        empty prompt, or where the model yields no numbers.
        """
        order: list[int] = []
        parts = []
        for places in self._batches(model, prompts, length):
            order += places
            ours = [prompts[i] for i in places], [rng[i] for i in places]
            parts.append(self._search(model, *ours, length, tell))
        found = Samples.joined(parts).at(torch.tensor(order).argsort())
        if broken := int(found.logprob_B.isnan().sum()):
            raise RecurrenceError(
                f"{self.name}: the model's probabilities stopped being numbers in {broken} of "
                f"{len(order)} samples: its state overflowed; generate fewer tokens, or train it "
                "with clipped gradients or weight decay"
            )
        return found

    def _batches(
        self, model: LanguageModel, prompts: Sequence[Prompt], length: int
    ) -> Iterator[list[int]]:
        """Places of prompts of one length, so many at a time that the memory stays bounded."""
        by_length = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        for tokens, places in groupby(by_length, key=lambda i: len(prompts[i])):
            same = list(places)
            size = max(1, CHUNK_CELLS // self._cells(model, tokens + length))
            yield from (same[start : start + size] for start in range(0, len(same), size))

    def _narrowed(self, own_NV: Tensor, text_NT: Tensor) -> tuple[Tensor, Tensor]:
        """The logits after bans and filters, and in which rows nothing had been left."""
        banned_NV = torch.zeros_like(own_NV, dtype=torch.bool)
        for column in self.banned:  # few; an index tensor would be sent to the device at every step
            banned_NV[:, column] = True
        allowed_NV = own_NV.masked_fill(banned_NV, -inf)
        left_NV = allowed_NV
        for each in self.filters:
            left_NV = each(left_NV, text_NT)
        return rescue(left_NV, allowed_NV, banned_NV)

    def _kept(self, model: LanguageModel, prompt_tokens: int) -> int:
        """How many tokens of its end a text keeps while it grows; 0 for all."""
        return 0 if self.uses_history else fed(model, prompt_tokens, self.window)[0]

    @abstractmethod
    def _cells(self, model: LanguageModel, tokens: int) -> int:
        """Numbers that are held at once for a prompt whose text grows to so many tokens."""

    @abstractmethod
    def _search(
        self,
        model: LanguageModel,
        prompts: Sequence[Prompt],
        rng: Sequence[Generator],
        length: int,
        tell: Tell,
    ) -> Samples:
        """`find` for prompts of one length."""
