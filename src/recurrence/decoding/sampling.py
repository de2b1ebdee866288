"""The one autoregressive loop: rows of any strategies, prompts and seeds step together, a token each per step.

In come a model and rows; out come ids and their log-probabilities. Knows no params, files or text.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple, TypeGuard, cast

import torch
from torch import Generator, Tensor

from recurrence.decoding import feeding
from recurrence.decoding.feedback import Feedback, Running
from recurrence.decoding.feeding import Prompt, Samples, device_of, read_rows, slices
from recurrence.decoding.filters import Filter
from recurrence.errors import RecurrenceError
from recurrence.model import LanguageModel

#   B = rows, V = vocabulary, T = tokens so far (of uniforms: tokens to be generated)

CHUNK_CELLS = 2**27
"""Most logits that one call of the model may return (half a gigabyte); more rows than that are taken in turns."""


@dataclass(frozen=True, eq=False)
class Sampler:
    """A strategy that goes one token at a time: filters in order, then one choice from what they leave.

    The choice is a draw, or, `deterministic`, the largest logit (of equals the lowest id).
    """

    name: str
    filters: tuple[Filter | Feedback, ...] = ()
    banned: tuple[int, ...] = ()
    """Ids that are never chosen; filters see them with a logit of -inf."""
    deterministic: bool = False
    window: int | None = None
    """See `feeding.read`."""
    uses_history: bool = False
    """Whether a filter looks at more than the model's logits. If none does, the history it is shown may be cut."""

    @property
    def feedbacks(self) -> list[Feedback]:
        """The filters that are started afresh for every batch of rows."""
        return [each for each in self.filters if _is_feedback(each)]

    def generate(
        self, model: LanguageModel, prompts: Sequence[Prompt], length: int, rng: Sequence[Generator]
    ) -> Tensor:
        """`length` new ids after each prompt (ids_BT, on the CPU), row i drawing from rng[i] alone."""
        rows = [Row(prompt, self, own) for prompt, own in zip(prompts, rng, strict=True)]
        return sample(model, rows, length).ids_BT


@dataclass(frozen=True)
class Row:
    """One sample to be made. Its random numbers come from `rng` alone, so it is the same in any company."""

    prompt: Prompt
    sampler: Sampler
    rng: Generator


class Step(NamedTuple):
    """What one step of the loop chose, on the model's device."""

    ids_B: Tensor
    logprob_B: Tensor
    """ln p of the ids under the model's own distribution, before any filter."""
    rescued_B: Tensor
    """Where there was nothing left to choose from; see `rescue`."""


Stopping = Callable[[Tensor], Tensor]
"""Told of every step's ids_B, in the order of the rows; says which rows end with them (done_B, on any device)."""


def sample(
    model: LanguageModel,
    rows: Sequence[Row],
    length: int,
    tell: Callable[[int], None] = lambda tokens: None,
    stop: Callable[[int], Stopping] | None = None,
) -> Samples:
    """Continue every row by `length` tokens; `tell` hears of each step how many tokens it made.

    `stop`, called with a number of rows, makes what ends rows early; the loop ends when all are done. Raises
    RecurrenceError for an empty prompt, or where the model yields no numbers.
    """
    reach = max((feeding.feeding(model, 1, row.sampler.window)[0] for row in rows), default=1)
    size = max(1, CHUNK_CELLS // (model.vocab_size * max(feeding.READ_TOKENS, reach)))
    parts = [
        _sample(model, rows[i : i + size], length, tell, stop) for i in range(0, len(rows), size)
    ]
    made = Samples(
        *(
            torch.cat([getattr(part, field) for part in parts])
            for field in Samples.__dataclass_fields__
        )
    )
    if broken := int(made.logprob_B.isnan().sum()):
        raise RecurrenceError(
            f"the model's probabilities stopped being numbers in {broken} of {len(rows)} samples: its state "
            "overflowed; generate fewer tokens, or train it with clipped gradients or weight decay"
        )
    return made


def _sample(
    model: LanguageModel,
    rows: Sequence[Row],
    length: int,
    tell: Callable[[int], None],
    stop: Callable[[int], Stopping] | None,
) -> Samples:
    stopping = stop(len(rows)) if stop else None
    alive_B = torch.ones(len(rows), dtype=torch.bool)
    made, alive = [], []
    for step in steps(model, rows, length):
        made.append(step)
        alive.append(alive_B)
        tell(len(rows))
        if stopping:
            alive_B = alive_B & ~stopping(step.ids_B).cpu()
            if not alive_B.any():
                break
    alive_BT = torch.stack(alive, 1)
    ids_BT, logprob_BT, rescued_BT = (
        torch.stack(each, 1).cpu().where(alive_BT, torch.zeros((), dtype=each[0].dtype))
        for each in zip(*made, strict=True)
    )
    padded_BT = torch.nn.functional.pad(ids_BT, (0, length - ids_BT.shape[1]))
    return Samples(padded_BT, logprob_BT.sum(1), rescued_BT.sum(1), alive_BT.sum(1))


@torch.inference_mode()
def steps(model: LanguageModel, rows: Sequence[Row], length: int) -> Iterator[Step]:
    """The loop itself: yields each step, its rows in the order given."""
    order = _order(model, rows)
    placed = [rows[i] for i in order]
    device = device_of(model)
    raw_BV, feeds = read_rows(model, [(row.prompt, row.sampler.window) for row in placed])
    text_BT = _texts(placed, length).to(device)
    choose = _Choice(placed, length, model.vocab_size, device)
    home_B = torch.tensor(order, device=device).argsort()
    start = text_BT.shape[1] - length
    for end in range(start, start + length):
        if end > start:
            raw_BV = torch.cat([feed.step(text_BT[part, :end]) for part, feed in feeds])
        step = choose(raw_BV, text_BT[:, :end], end - start)
        text_BT[:, end] = step.ids_B
        yield Step(*(each_B[home_B] for each_B in step))


class _Choice:
    """From the logits of all rows to their next ids. Rows of one sampler must stand together, shorter prompts first."""

    def __init__(
        self, rows: Sequence[Row], length: int, vocab_size: int, device: torch.device
    ) -> None:
        # Numbers of one step lie side by side, so that a shorter sample begins like a longer one.
        streams = [
            torch.rand(length, 1 + len(r.sampler.feedbacks), dtype=torch.float64, generator=r.rng)
            for r in rows
        ]
        self.uniform_BT = torch.stack([stream_TF[:, 0] for stream_TF in streams]).to(device)
        self.groups: list[_Group] = []
        self.banned_BV = torch.zeros(len(rows), vocab_size, dtype=torch.bool, device=device)
        for (sampler, prompt_tokens), part in slices(_group_key(row) for row in rows):
            shown = prompt_tokens or len(rows[part.start].prompt)
            uniform_BTF = torch.stack(streams[part])[:, :, 1:].to(device)
            self.groups.append(_Group(sampler, part, shown, uniform_BTF))
            self.banned_BV[part, list(sampler.banned)] = True
        self.greedy_B = torch.tensor([row.sampler.deterministic for row in rows], device=device)

    def __call__(self, raw_BV: Tensor, text_BT: Tensor, made: int) -> Step:
        """Choose after `made` tokens."""
        allowed_BV = raw_BV.masked_fill(self.banned_BV, -inf)
        left_BV = torch.cat([group.narrow(allowed_BV, text_BT, made) for group in self.groups])
        left_BV, rescued_B = rescue(left_BV, allowed_BV, self.banned_BV)
        ids_B = torch.where(
            self.greedy_B, likeliest(left_BV), draw(left_BV, self.uniform_BT[:, made])
        )
        for group in self.groups:
            group.chosen(ids_B)
        return Step(ids_B, raw_BV.gather(1, ids_B[:, None])[:, 0] - raw_BV.logsumexp(1), rescued_B)


class _Group:
    """Rows of one sampler that are narrowed together: its filters in order, started for these rows."""

    def __init__(
        self, sampler: Sampler, rows: slice, prompt_tokens: int, uniform_BTF: Tensor
    ) -> None:
        self.rows, self.prompt_tokens = rows, prompt_tokens
        self.running: list[Running] = [
            each.start(uniform_BT)
            for each, uniform_BT in zip(sampler.feedbacks, uniform_BTF.unbind(2), strict=True)
        ]
        started = iter(self.running)
        self.filters = [
            next(started) if _is_feedback(each) else cast(Filter, each) for each in sampler.filters
        ]

    def narrow(self, logits_BV: Tensor, text_BT: Tensor, made: int) -> Tensor:
        """Its rows' logits after all filters."""
        logits_BV, history_BT = (
            logits_BV[self.rows],
            text_BT[self.rows, -(self.prompt_tokens + made) :],
        )
        for each in self.filters:
            logits_BV = each(logits_BV, history_BT)
        return logits_BV

    def chosen(self, ids_B: Tensor) -> None:
        for each in self.running:
            each.chosen(ids_B[self.rows])


def rescue(left_BV: Tensor, allowed_BV: Tensor, banned_BV: Tensor) -> tuple[Tensor, Tensor]:
    """The one place that decides where a row has nothing left to choose from: (logits_BV, rescued_B).

    Such a row falls back to the model's logits without the banned ids; where they too are all -inf, every id that is
    not banned gets the same chance.
    """
    dead_B1 = left_BV.amax(-1, keepdim=True) == -inf
    empty_B1 = allowed_BV.amax(-1, keepdim=True) == -inf
    even_BV = torch.zeros_like(allowed_BV).masked_fill(banned_BV, -inf)
    return torch.where(dead_B1, torch.where(empty_B1, even_BV, allowed_BV), left_BV), dead_B1[:, 0]


def likeliest(logits_BV: Tensor) -> Tensor:
    """The id with the largest logit, of equals the lowest."""
    ids_V = torch.arange(logits_BV.shape[-1], device=logits_BV.device)
    top_BV = logits_BV == logits_BV.amax(-1, keepdim=True)
    return torch.where(top_BV, ids_V, len(ids_V) - 1).amin(-1)


def draw(logits_BV: Tensor, uniform_B: Tensor) -> Tensor:
    """The first id at which the cumulative probability exceeds the row's uniform number in [0, 1); float64."""
    cdf_BV = logits_BV.double().softmax(-1).cumsum(-1)
    goal_B1 = (
        uniform_B[:, None] * cdf_BV[:, -1:]
    )  # below the last entry, as a float64 uniform is at most 1 - 2**-53
    ids_B = torch.searchsorted(cdf_BV, goal_B1, right=True)[:, 0]
    return ids_B.clamp(max=logits_BV.shape[-1] - 1)  # beyond it only where the logits are NaN


def _is_feedback(each: Filter | Feedback) -> TypeGuard[Feedback]:
    return hasattr(each, "start")


def _group_key(row: Row) -> tuple[Sampler, int | None]:
    """Rows with prompts of other lengths are narrowed by themselves where it makes a difference."""
    apart = row.sampler.uses_history or row.sampler.feedbacks
    return row.sampler, len(row.prompt) if apart else None


def _order(model: LanguageModel, rows: Sequence[Row]) -> list[int]:
    """Places of the rows such that those that are fed alike stand together, and within them those filtered alike."""
    samplers = {sampler: i for i, sampler in enumerate(dict.fromkeys(row.sampler for row in rows))}

    def place(i: int) -> tuple[int, int, int, int]:
        fed = feeding.feeding(model, len(rows[i].prompt), rows[i].sampler.window)
        return *fed, samplers[rows[i].sampler], len(rows[i].prompt)

    return sorted(range(len(rows)), key=place)


def _texts(rows: Sequence[Row], length: int) -> Tensor:
    """Room for everything, as ids_BT: prompts flush right, then `length` places for what is generated."""
    start = max(len(row.prompt) for row in rows)
    text_BT = torch.zeros(len(rows), start + length, dtype=torch.int64)
    for text_T, row in zip(text_BT, rows, strict=True):
        text_T[start - len(row.prompt) : start] = torch.tensor(row.prompt)
    return text_BT
