"""Hypotheses of a beam: texts that are scored and not spelled out, and the trace that does so.

In come log-probabilities of the next token, out come hypotheses. Knows no model, filters or
prompts. All prompts step together; nothing here loops over prompts or hypotheses.
"""

from dataclasses import dataclass, fields
from math import inf

import torch
from torch import Tensor

#   P = prompts, W = hypotheses of each prompt, V = vocabulary, C = cells to choose from, T = tokens

GRAIN_NATS = 2.0**-32
"""Log-probabilities are rounded to multiples of this: their sums are exact, and ties stay ties."""


def rounded(score: Tensor) -> Tensor:
    """To whole multiples of GRAIN_NATS, far above the roundings by which two batches differ."""
    return (score / GRAIN_NATS).round() * GRAIN_NATS


def first(score_PC: Tensor, count: int) -> Tensor:
    """Places of the `count` largest of each row, best first; of equals the lowest place.

    What is not a number comes first, so that it ends up in the result and is noticed.
    """
    score_PC = score_PC.nan_to_num(nan=inf, posinf=inf, neginf=-inf)
    kth_P1 = score_PC.topk(count).values[:, -1:]
    above_PC = score_PC > kth_P1
    equal_PC = score_PC == kth_P1
    room_P1 = count - above_PC.sum(1, keepdim=True)
    kept_PC = above_PC | (equal_PC & (equal_PC.cumsum(1) <= room_P1))
    falling_C = torch.arange(score_PC.shape[1], 0, -1, device=score_PC.device)
    rising = (kept_PC * falling_C).topk(count).indices
    order = score_PC.gather(1, rising).sort(dim=1, descending=True, stable=True).indices
    return rising.gather(1, order)


@dataclass(frozen=True)
class Hypotheses:
    """Texts, scored and not spelled out: that of a parent and one token more. Tensors are PW."""

    score: Tensor
    """Sum of ln p under the narrowed distributions that the search is about."""
    logprob: Tensor
    """Sum of ln p under the model's own."""
    rescued: Tensor
    parent: Tensor
    token: Tensor
    steps: Tensor
    """Tokens generated."""

    @classmethod
    def start(cls, prompts: int, width: int, every: int, device: torch.device) -> "Hypotheses":
        """The empty text in every `every`-th seat; its continuations fill the others (-inf)."""
        zero = torch.zeros(prompts, width, dtype=torch.int64, device=device)
        score = torch.full((prompts, width), -inf, dtype=torch.float64, device=device)
        score[:, ::every] = 0
        return cls(score, torch.zeros_like(score), zero, zero, zero, zero)

    def take(self, index: Tensor) -> "Hypotheses":
        """Those at the places, per prompt."""
        return Hypotheses(*(getattr(self, field.name).gather(1, index) for field in fields(self)))

    def beside(self, others: "Hypotheses") -> "Hypotheses":
        """These and others of the same prompts."""
        pairs = ((getattr(self, field.name), getattr(others, field.name)) for field in fields(self))
        return Hypotheses(*(torch.cat(pair, 1) for pair in pairs))

    def normalised(self, length_penalty: float) -> Tensor:
        """Score per tokens ** length_penalty."""
        return self.score / self.steps.to(self.score.dtype) ** length_penalty


@dataclass(frozen=True)
class Growth:
    """One step of all hypotheses: what every continuation is worth."""

    before: Hypotheses
    total_PWV: Tensor
    own_PWV: Tensor
    """The model's own ln p."""
    rescued_PW: Tensor

    def grown(self, places: Tensor) -> Hypotheses:
        """The hypotheses at these places."""
        parent = places // self.total_PWV.shape[2]
        token = places % self.total_PWV.shape[2]
        return Hypotheses(
            self.total_PWV.flatten(1).gather(1, places),
            self.before.logprob.gather(1, parent) + self.own_PWV.flatten(1).gather(1, places),
            (self.before.rescued + self.rescued_PW).gather(1, parent),
            parent,
            token,
            self.before.steps.gather(1, parent) + 1,
        )


class Trace:
    """Back-pointers of every step, from which a text per prompt is read when the search is over."""

    def __init__(self) -> None:
        self.parents: list[Tensor] = []
        self.tokens: list[Tensor] = []

    def add(self, running: Hypotheses) -> None:
        """Remember the hypotheses that go on after this step, in their seats."""
        self.parents.append(running.parent)
        self.tokens.append(running.token)

    def text(self, final: Hypotheses, length: int) -> Tensor:
        """The ids_PT of one hypothesis per prompt (P1), on the CPU, 0 after its end."""
        parents = torch.stack(self.parents).cpu()
        tokens = torch.stack(self.tokens).cpu()
        seat_P1 = final.parent.cpu()
        last_P1 = final.steps.cpu() - 1
        ids_PT = torch.zeros(len(last_P1), length, dtype=torch.int64)
        for t in range(len(tokens) - 1, -1, -1):
            on_P1 = t < last_P1
            ids_PT[:, t : t + 1] = torch.where(on_P1, tokens[t].gather(1, seat_P1), 0)
            seat_P1 = torch.where(on_P1, parents[t].gather(1, seat_P1), seat_P1)
        return ids_PT.scatter_(1, last_P1, final.token.cpu())
