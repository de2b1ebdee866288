"""Which continuations go on: the likeliest, diverse groups, or a draw without replacement."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import Protocol

import torch
from torch import Generator, Tensor

from recurrence.decoding.search.hypotheses import first

#   P = prompts, W = hypotheses of each prompt, V = vocabulary, C = cells to choose from, T = tokens

NOISE_CELLS = 2**21
"""Most random numbers that are drawn ahead."""


class Pick(Protocol):
    """Which W of all W x V continuations go on, as places (hypothesis x V + token)_PW."""

    def __call__(self, total_PWV: Tensor) -> Tensor:
        """`total_PWV`: the score of each continuation, -inf where there is none."""


def best(total_PWV: Tensor) -> Tensor:
    """Beam search: the likeliest."""
    return first(total_PWV.flatten(1), total_PWV.shape[1])


@dataclass(frozen=True)
class Diverse:
    """Diverse beam search (arXiv 1610.02424): groups choose in turn, each its share of the width.

    A token costs `penalty` nats per hypothesis of the earlier groups that just chose it (Hamming
    diversity). That is about this choice alone: the score that a hypothesis carries on stays its
    log-probability.
    """

    groups: int
    penalty: float

    def __call__(self, total_PWV: Tensor) -> Tensor:
        vocab_size = total_PWV.shape[2]
        taken_PV = torch.zeros_like(total_PWV[:, 0])
        picked = []
        for i, part in enumerate(total_PWV.chunk(self.groups, 1)):
            places = first((part - self.penalty * taken_PV[:, None]).flatten(1), part.shape[1])
            alive = part.flatten(1).gather(1, places) > -inf
            taken_PV = taken_PV.scatter_add(1, places % vocab_size, alive.to(taken_PV.dtype))
            picked.append(places + i * part.shape[1] * vocab_size)
        return torch.cat(picked, 1)


class Stochastic:
    """Stochastic beam search (arXiv 1903.06059): W texts without replacement, by Gumbel-top-k.

    Each hypothesis carries G, its log-probability with Gumbel noise; those of its continuations are
    drawn under the condition that the largest is G (section 4.2 of the paper and the stable form of
    its appendix B.3).
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
    """uniform_PWV in (0, 1), float64, for each step; row i from rng[i] alone. Shape: (T, W, V).

    Steps are drawn some at a time, in a stream that does not depend on how many.
    """
    steps, *cells = shape
    ahead = max(1, NOISE_CELLS // (cells[0] * cells[1] * len(rng)))
    for start in range(0, steps, ahead):
        count = min(ahead, steps - start)
        drawn = [torch.rand(count, *cells, dtype=torch.float64, generator=own) for own in rng]
        yield from torch.stack(drawn, 1).clamp_(min=2.0**-54).to(device)
