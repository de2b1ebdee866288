"""Hypotheses of a beam: which of all continuations go on, how they are told apart, and their text, traced at the end.

In come log-probabilities of the next token, out come hypotheses. Knows no model, filters or prompts. All prompts step
together; nothing here loops over prompts or hypotheses.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from math import inf
from typing import Protocol

import torch
from torch import Generator, Tensor

#   P = prompts, W = hypotheses of each prompt, V = vocabulary, C = cells to choose from, T = tokens so far

GRAIN_NATS = 2.0**-32
"""Log-probabilities are rounded to multiples of this: sums of them are exact, so that what ties on paper ties here."""
NOISE_CELLS = 2**21
"""Most random numbers that are drawn ahead."""


def rounded(score: Tensor) -> Tensor:
    """To whole multiples of GRAIN_NATS, far above the rounding errors by which one batch differs from another."""
    return (score / GRAIN_NATS).round() * GRAIN_NATS


def first(score_PC: Tensor, count: int) -> Tensor:
    """Places of the `count` largest of each row, best first; of equals the lowest place.

    What is not a number comes first, so that it ends up in the result and is noticed.
    """
    score_PC = score_PC.nan_to_num(nan=inf, posinf=inf, neginf=-inf)
    kth_P1 = score_PC.topk(count).values[:, -1:]
    above_PC, equal_PC = score_PC > kth_P1, score_PC == kth_P1
    room_P1 = count - above_PC.sum(1, keepdim=True)
    kept_PC = above_PC | (equal_PC & (equal_PC.cumsum(1) <= room_P1))
    falling_C = torch.arange(score_PC.shape[1], 0, -1, device=score_PC.device)
    rising = (kept_PC * falling_C).topk(count).indices
    return rising.gather(
        1, score_PC.gather(1, rising).sort(dim=1, descending=True, stable=True).indices
    )


class Pick(Protocol):
    """Which W of all W x V continuations go on, as places (hypothesis x V + token)_PW."""

    def __call__(self, total_PWV: Tensor) -> Tensor:
        """`total_PWV`: the score of each continuation, -inf where there is none."""


def best(total_PWV: Tensor) -> Tensor:
    """Beam search: the likeliest."""
    return first(total_PWV.flatten(1), total_PWV.shape[1])


@dataclass(frozen=True)
class Diverse:
    """Diverse beam search (arXiv 1610.02424): the groups choose in turn, each its own share of the width.

    A token costs `penalty` nats per hypothesis of the earlier groups that just chose it (Hamming diversity). That is
    about this choice alone: the score that a hypothesis carries on stays its log-probability.
    """

    groups: int
    penalty: float

    def __call__(self, total_PWV: Tensor) -> Tensor:
        vocab_size, taken_PV, picked = total_PWV.shape[2], torch.zeros_like(total_PWV[:, 0]), []
        for i, part in enumerate(total_PWV.chunk(self.groups, 1)):
            places = first((part - self.penalty * taken_PV[:, None]).flatten(1), part.shape[1])
            alive = part.flatten(1).gather(1, places) > -inf
            taken_PV = taken_PV.scatter_add(1, places % vocab_size, alive.to(taken_PV.dtype))
            picked.append(places + i * part.shape[1] * vocab_size)
        return torch.cat(picked, 1)


class Stochastic:
    """Stochastic beam search (arXiv 1903.06059): W whole texts drawn without replacement, by Gumbel-top-k.

    Each hypothesis carries G, its log-probability with Gumbel noise; those of its continuations are drawn under the
    condition that the largest is G (section 4.2 of the paper and the stable form of its appendix B.3).
    """

    def __init__(self, uniform: Iterator[Tensor]) -> None:
        self.uniform = uniform
        self.perturbed_PW: Tensor | None = None

    def __call__(self, total_PWV: Tensor) -> Tensor:
        gumbel_PWV = total_PWV - (-next(self.uniform).log()).log()
        if self.perturbed_PW is None:  # one G for the empty text: it moves all scores alike
            self.perturbed_PW = torch.zeros_like(total_PWV[..., 0])
        all_PC = conditioned(gumbel_PWV, self.perturbed_PW).flatten(1)
        places = first(all_PC, total_PWV.shape[1])
        self.perturbed_PW = all_PC.gather(1, places)
        return places


def conditioned(gumbel_PWV: Tensor, top_PW: Tensor) -> Tensor:
    """Gumbels moved monotonically so that the largest of the V becomes top_PW; -inf stays."""
    largest_PW1 = gumbel_PWV.amax(-1, keepdim=True)
    v_PWV = top_PW[..., None] - gumbel_PWV + (-(gumbel_PWV - largest_PW1).expm1()).log()
    moved_PWV = top_PW[..., None] - v_PWV.relu() - (-v_PWV.abs()).exp().log1p()
    return moved_PWV.masked_fill(gumbel_PWV == -inf, -inf)


def noise(
    rng: Sequence[Generator], shape: tuple[int, int, int], device: torch.device
) -> Iterator[Tensor]:
    """uniform_PWV in (0, 1) for each of T steps, float64; row i from rng[i] alone. `shape`: (T, W, V).

    Steps are drawn some at a time, in a stream that does not depend on how many.
    """
    steps, *cells = shape
    ahead = max(1, NOISE_CELLS // (cells[0] * cells[1] * len(rng)))
    for start in range(0, steps, ahead):
        count = min(ahead, steps - start)
        drawn = [torch.rand(count, *cells, dtype=torch.float64, generator=own) for own in rng]
        yield from torch.stack(drawn, 1).clamp_(min=2.0**-54).to(device)


@dataclass(frozen=True)
class Hypotheses:
    """Texts that are scored and not spelled out: each is the text of its parent and one token more. All tensors PW."""

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
        """The empty text in every `every`-th seat; the other seats (-inf) are free for its second best continuation."""
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
        parent, token = places // self.total_PWV.shape[2], places % self.total_PWV.shape[2]
        return Hypotheses(
            self.total_PWV.flatten(1).gather(1, places),
            self.before.logprob.gather(1, parent) + self.own_PWV.flatten(1).gather(1, places),
            (self.before.rescued + self.rescued_PW).gather(1, parent),
            parent,
            token,
            self.before.steps.gather(1, parent) + 1,
        )


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

    As Hugging Face's beam search with `early_stopping=False` does it: what ends must be among the W best continuations
    of its step, the W best ended ones are kept, and a prompt is done once they are W and the best that runs is, so
    normalised, no better than any of them. What reaches the full length counts as ended.
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
        """Of the ended so far and those of the found that end, the W best; a prompt that is done keeps what it has."""
        both = self.ended.beside(replace(found, score=found.score.masked_fill(~ends_PW, -inf)))
        width = ends_PW.shape[1]
        chosen = first(both.normalised(self.length_penalty), width)
        self.ended = both.take(
            torch.where(self.done_P1, torch.arange(width, device=chosen.device), chosen)
        )


class Trace:
    """Back-pointers of every step, from which one text per prompt is read when the search is over."""

    def __init__(self) -> None:
        self.parents: list[Tensor] = []
        self.tokens: list[Tensor] = []

    def add(self, running: Hypotheses) -> None:
        """Remember the hypotheses that go on after this step, in their seats."""
        self.parents.append(running.parent)
        self.tokens.append(running.token)

    def text(self, final: Hypotheses, length: int) -> Tensor:
        """The ids_PT of one hypothesis per prompt (P1), on the CPU, 0 after its end."""
        parents, tokens = torch.stack(self.parents).cpu(), torch.stack(self.tokens).cpu()
        seat_P1, last_P1 = final.parent.cpu(), final.steps.cpu() - 1
        ids_PT = torch.zeros(len(last_P1), length, dtype=torch.int64)
        for t in range(len(tokens) - 1, -1, -1):
            on_P1 = t < last_P1
            ids_PT[:, t : t + 1] = torch.where(on_P1, tokens[t].gather(1, seat_P1), 0)
            seat_P1 = torch.where(on_P1, parents[t].gather(1, seat_P1), seat_P1)
        return ids_PT.scatter_(1, last_P1, final.token.cpu())
