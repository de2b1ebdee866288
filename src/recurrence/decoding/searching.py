"""Searches: strategies that look at several continuations of a prompt before they commit themselves.

In come a model and prompts; out come one text per prompt and its log-probability, as from the sampling loop. The
filters of a strategy narrow the distribution of every hypothesis; what they leave is what the search is about.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import inf
from typing import ClassVar

import torch
from torch import Generator, Tensor

from recurrence.decoding import beams
from recurrence.decoding.beams import Growth, Hypotheses, Trace, rounded
from recurrence.decoding.contrast import Contrast, feature_size
from recurrence.decoding.feeding import READ_TOKENS, Prompt, Samples, feeding, read
from recurrence.decoding.filters import Filter
from recurrence.decoding.sampling import CHUNK_CELLS, rescue
from recurrence.errors import RecurrenceError
from recurrence.model import LanguageModel

#   P = prompts of one length, W = hypotheses of each, N = rows that step together, V = vocabulary, T = tokens so far

Tell = Callable[[int], None]


@dataclass(frozen=True, eq=False)
class Search(ABC):
    """What all searches share: the narrowing of the distributions, and prompts of any lengths in bounded memory.

    `banned` ids are never chosen. `uses_history` says whether any filter looks at the text; those that do not see
    only its end. `window` as in `feeding.read`.
    """

    deterministic: ClassVar[bool] = True

    name: str
    filters: tuple[Filter, ...] = ()
    banned: tuple[int, ...] = ()
    window: int | None = None
    uses_history: bool = False

    def generate(
        self, model: LanguageModel, prompts: Sequence[Prompt], length: int, rng: Sequence[Generator]
    ) -> Tensor:
        """New ids after each prompt (ids_BT, on the CPU, 0 after a text's end), row i drawing from rng[i] alone."""
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
        """The best text of at most `length` tokens after each prompt; `tell` hears of each step how many it made.

        Raises RecurrenceError for an empty prompt, or where the model yields no numbers.
        """
        order, parts = [], []
        for places in self._batches(model, prompts, length):
            order += places
            ours = [prompts[i] for i in places], [rng[i] for i in places]
            parts.append(self._search(model, *ours, length, tell))
        home_B = torch.tensor(order).argsort()
        fields = Samples.__dataclass_fields__
        found = Samples(
            *(torch.cat([getattr(part, field) for part in parts])[home_B] for field in fields)
        )
        if broken := int(found.logprob_B.isnan().sum()):
            raise RecurrenceError(
                f"{self.name}: the model's probabilities stopped being numbers in {broken} of {len(order)} samples: "
                "its state overflowed; generate fewer tokens, or train it with clipped gradients or weight decay"
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
        return 0 if self.uses_history else feeding(model, prompt_tokens, self.window)[0]

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


@dataclass(frozen=True, eq=False)
class Beam(Search):
    """Beam search: of all continuations of `width` hypotheses, the `width` likeliest go on.

    `eos` None: all run the full length, and the likeliest wins. An id: hypotheses end at that token, and the one with
    the best ln p / tokens ** length_penalty wins.
    """

    width: int = 4
    length_penalty: float = 1.0
    eos: int | None = None

    def _pick(
        self, rng: Sequence[Generator], shape: tuple[int, int, int], device: torch.device
    ) -> beams.Pick:
        return beams.best

    def _seats_apart(self) -> int:
        """One of so many seats starts with the empty text."""
        return self.width

    def _cells(self, model: LanguageModel, tokens: int) -> int:
        return model.vocab_size * max(READ_TOKENS, 8 * self.width) + 2 * self.width * tokens

    def _search(
        self,
        model: LanguageModel,
        prompts: Sequence[Prompt],
        rng: Sequence[Generator],
        length: int,
        tell: Tell,
    ) -> Samples:
        own_PV, feed = read(model, prompts, self.window)
        running = Hypotheses.start(len(prompts), self.width, self._seats_apart(), own_PV.device)
        pick = self._pick(rng, (length, self.width, model.vocab_size), own_PV.device)
        ending = (
            beams.Through(pick)
            if self.eos is None
            else beams.Stop(self.eos, self.length_penalty, running)
        )
        seat_P1 = torch.arange(len(prompts), device=own_PV.device)[:, None]
        row_N = seat_P1.expand(-1, self.width).flatten()
        feed.select(row_N)
        own_NV, text_NT = own_PV[row_N], torch.tensor(prompts, device=own_PV.device)[row_N]
        kept, trace = self._kept(model, len(prompts[0])), Trace()
        for step in range(length):
            if step:
                own_NV = feed.step(text_NT)
            running = ending.step(self._growth(running, own_NV, text_NT))
            trace.add(running)
            row_N = (seat_P1 * self.width + running.parent).flatten()
            feed.select(row_N)
            text_NT = torch.cat([text_NT[row_N], running.token.view(-1, 1)], 1)[:, -kept:]
            tell(len(prompts))
            if ending.over():
                break
        final = ending.final(running)
        return Samples(
            trace.text(final, length),
            *(each[:, 0].cpu() for each in (final.logprob, final.rescued, final.steps)),
        )

    def _growth(self, running: Hypotheses, own_NV: Tensor, text_NT: Tensor) -> Growth:
        """What every continuation of every hypothesis is worth."""
        left_NV, rescued_N = self._narrowed(own_NV, text_NT)
        shape = running.score.shape
        ln_p_PWV = rounded(left_NV.log_softmax(1)).view(*shape, -1)
        own_PWV = own_NV.log_softmax(1).view(*shape, -1)
        return Growth(running, running.score[..., None] + ln_p_PWV, own_PWV, rescued_N.view(shape))


@dataclass(frozen=True, eq=False)
class DiverseBeam(Beam):
    """Diverse beam search (arXiv 1610.02424): `groups` beams of width / groups that shun each other's tokens.

    A token that n hypotheses of earlier groups have just chosen costs n * penalty nats. The text with the highest
    probability, of all groups, wins: the penalty steers the search and is no part of the score.
    """

    groups: int = 4
    penalty: float = 0.5

    def _pick(
        self, rng: Sequence[Generator], shape: tuple[int, int, int], device: torch.device
    ) -> beams.Pick:
        return beams.Diverse(self.groups, self.penalty)

    def _seats_apart(self) -> int:
        return self.width // self.groups


@dataclass(frozen=True, eq=False)
class StochasticBeam(Beam):
    """Stochastic beam search (arXiv 1903.06059): `width` texts drawn without replacement, of which the likeliest wins.

    The text that was drawn first would be a plain sample of the model.
    """

    deterministic: ClassVar[bool] = False

    def _pick(
        self, rng: Sequence[Generator], shape: tuple[int, int, int], device: torch.device
    ) -> beams.Pick:
        return beams.Stochastic(beams.noise(rng, shape, device))


@dataclass(frozen=True, eq=False)
class ContrastiveSearch(Search):
    """Contrastive search (arXiv 2202.06417): of the k likeliest tokens v, the one with the largest

        (1 - alpha) p(v) - alpha max_j cos(h_v, h_j)

    h_v: what the model's top layer puts out once v was fed; h_j: the same for every token of prompt and text so far.
    Its choice depends on all of those, so it has a history whatever its filters are.
    """

    uses_history: bool = True
    k: int = 5
    alpha: float = 0.6

    @property
    def width(self) -> int:
        """Continuations that are fed at each step."""
        return self.k

    def _cells(self, model: LanguageModel, tokens: int) -> int:
        return 8 * model.vocab_size * self.k + feature_size(model, self.name) * tokens

    def _search(
        self,
        model: LanguageModel,
        prompts: Sequence[Prompt],
        rng: Sequence[Generator],
        length: int,
        tell: Tell,
    ) -> Samples:
        contrast = Contrast(model, prompts, length)
        logprob_P = torch.zeros(len(prompts), dtype=torch.float64, device=contrast.text_PT.device)
        rescued_P = torch.zeros_like(logprob_P, dtype=torch.int64)
        for _ in range(length):
            own_PV = contrast.logits()
            left_PV, now_P = self._narrowed(own_PV, contrast.text_PT)
            ids_P = contrast.choose(left_PV.softmax(1), self.k, self.alpha)
            logprob_P += own_PV.log_softmax(1).gather(1, ids_P[:, None])[:, 0]
            rescued_P += now_P
            tell(len(prompts))
        ids_PT = contrast.text_PT[:, -length:].cpu()
        return Samples(
            ids_PT, logprob_P.cpu(), rescued_P.cpu(), torch.full((len(prompts),), length)
        )
