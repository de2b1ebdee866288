"""When hypotheses end, and with them a search: at the full length, or at <eos>."""

from dataclasses import dataclass, replace
from math import inf
from typing import Protocol

import torch
from torch import Tensor

from recurrence.decoding.search.hypotheses import Growth, Hypotheses, first
from recurrence.decoding.search.picks import Pick, best

#   P = prompts, W = hypotheses of each prompt, V = vocabulary


class Ending(Protocol):
    """When a hypothesis, and with them a search, ends."""

    def step(self, growth: Growth) -> Hypotheses:
        """The W hypotheses that go on."""

    def over(self) -> bool:
        """Whether no prompt can find anything better any more."""

    def final(self, running: Hypotheses) -> Hypotheses:
        """The best of each prompt (P1), given those that run still."""


@dataclass(frozen=True)
class Through:
    """All run the full length: <eos> is a token like any other."""

    pick: Pick

    def step(self, growth: Growth) -> Hypotheses:
        return growth.grown(self.pick(growth.total_PWV))

    def over(self) -> bool:
        return False

    def final(self, running: Hypotheses) -> Hypotheses:
        return running.take(first(running.score, 1))


class Stop:
    """A hypothesis ends at <eos>; the best per tokens ** length_penalty wins.

    As Hugging Face's beam search with `early_stopping=False` does it: what ends must be among the W
    best continuations of its step, the W best ended ones are kept, and a prompt is done once they
    are W and the best that runs is, so normalised, no better than any of them. What reaches the
    full length counts as ended.
    """

    def __init__(self, eos: int, length_penalty: float, start: Hypotheses) -> None:
        self.eos, self.length_penalty = eos, length_penalty
        self.ended = replace(
            start, score=torch.full_like(start.score, -inf), steps=torch.ones_like(start.steps)
        )
        self.done_P1 = torch.zeros_like(start.parent[:, :1], dtype=torch.bool)

    def step(self, growth: Growth) -> Hypotheses:
        chosen = growth.grown(best(growth.total_PWV))
        self._keep(chosen, chosen.token == self.eos)
        others_PWV = growth.total_PWV.clone()
        others_PWV[..., self.eos] = -inf
        running = replace(growth, total_PWV=others_PWV).grown(best(others_PWV))
        worst_P1 = self.ended.normalised(self.length_penalty).amin(1, keepdim=True)
        self.done_P1 |= running.normalised(self.length_penalty)[:, :1] <= worst_P1
        return running

    def over(self) -> bool:
        return bool(self.done_P1.all())

    def final(self, running: Hypotheses) -> Hypotheses:
        self._keep(running, running.score > -inf)
        return self.ended.take(first(self.ended.normalised(self.length_penalty), 1))

    def _keep(self, found: Hypotheses, ends_PW: Tensor) -> None:
        """Keep the W best of those that ended so far; a prompt that is done stays as it is."""
        both = self.ended.beside(replace(found, score=found.score.masked_fill(~ends_PW, -inf)))
        width = ends_PW.shape[1]
        chosen = first(both.normalised(self.length_penalty), width)
        self.ended = both.take(
            torch.where(self.done_P1, torch.arange(width, device=chosen.device), chosen)
        )
