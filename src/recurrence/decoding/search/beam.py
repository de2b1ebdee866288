"""Beam search and its diverse and stochastic kinds: the best of hypotheses that grow together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from recurrence.decoding.loop.prefill import READ_TOKENS, prefill
from recurrence.decoding.loop.samples import Prompt, Samples
from recurrence.decoding.search import endings, picks
from recurrence.decoding.search.base import Search, Tell
from recurrence.decoding.search.hypotheses import Growth, Hypotheses, Trace, rounded
from recurrence.model import LanguageModel

#   P = prompts of one length, W = hypotheses of each, N = P x W, V = vocabulary, T = tokens so far


@dataclass(frozen=True, eq=False)
class Beam(Search):
    """Beam search: of all continuations of `width` hypotheses, the `width` likeliest go on.

    `eos` None: all run the full length, and the likeliest wins. An id: hypotheses end at that
    token, and the one with the best ln p / tokens ** length_penalty wins.
    """

    width: int = 4
    length_penalty: float = 1.0
    eos: int | None = None

    def _pick(
        self, rng: Sequence[Generator], shape: tuple[int, int, int], device: torch.device
    ) -> picks.Pick:
        return picks.best

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
        own_PV, read = prefill(model, prompts, self.window)
        running = Hypotheses.start(len(prompts), self.width, self._seats_apart(), own_PV.device)
        pick = self._pick(rng, (length, self.width, model.vocab_size), own_PV.device)
        ending = (
            endings.Through(pick)
            if self.eos is None
            else endings.Stop(self.eos, self.length_penalty, running)
        )
        seat_P1 = torch.arange(len(prompts), device=own_PV.device)[:, None]
        row_N = seat_P1.expand(-1, self.width).flatten()
        read.select(row_N)
        own_NV = own_PV[row_N]
        text_NT = torch.tensor(prompts, device=own_PV.device)[row_N]
        kept = self._kept(model, len(prompts[0]))
        trace = Trace()
        for step in range(length):
            if step:
                own_NV = read.step(text_NT)
            running = ending.step(self._growth(running, own_NV, text_NT))
            trace.add(running)
            row_N = (seat_P1 * self.width + running.parent).flatten()
            read.select(row_N)
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
    """Diverse beam search (arXiv 1610.02424): `groups` beams that avoid each other's tokens.

    Each has width / groups hypotheses. A token that n hypotheses of earlier groups have just chosen
    costs n * penalty nats. The text with the highest probability, of all groups, wins: the penalty
    steers the search and is no part of the score.
    """

    groups: int = 4
    penalty: float = 0.5

    def _pick(
        self, rng: Sequence[Generator], shape: tuple[int, int, int], device: torch.device
    ) -> picks.Pick:
        return picks.Diverse(self.groups, self.penalty)

    def _seats_apart(self) -> int:
        return self.width // self.groups


@dataclass(frozen=True, eq=False)
class StochasticBeam(Beam):
    """Stochastic beam search (arXiv 1903.06059): `width` texts are drawn, the likeliest wins.

    They are drawn without replacement; the one drawn first would be a plain sample of the model.
    """

    deterministic: ClassVar[bool] = False

    def _pick(
        self, rng: Sequence[Generator], shape: tuple[int, int, int], device: torch.device
    ) -> picks.Pick:
        return picks.Stochastic(picks.noise(rng, shape, device))
