"""The one autoregressive loop: rows of any strategies, prompts and seeds step together.

In come a model and rows; out come ids and their log-probabilities. Knows no params, files or text.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from recurrence.decoding.filters.contract import NO_NUMBERS, Filter
from recurrence.decoding.loop import prefill
from recurrence.decoding.loop.choice import draw, likeliest, rescue
from recurrence.decoding.loop.prefill import Prefilled, device_of, prefill_rows, slices
from recurrence.decoding.loop.samples import Prompt, Samples
from recurrence.errors import RecurrenceError
from recurrence.model import LanguageModel

#   B = rows, V = vocabulary, T = tokens so far (of uniforms: tokens to be generated), F = filters

CHUNK_CELLS = 2**27
"""Most logits that one call of the model may return (half a gigabyte); more rows take turns."""


@dataclass(frozen=True, eq=False)
class Sampler:
    """A strategy that goes token by token: filters in order, then a choice from what they leave.

    The choice is a draw, or, `deterministic`, the largest logit (of equals the lowest id).
    """

    name: str
    filters: tuple[Filter, ...] = ()
    banned: tuple[int, ...] = ()
    """Ids that are never chosen; filters see them with a logit of -inf."""
    deterministic: bool = False
    window: int | None = None
    """See `prefill.prefill`."""

    @property
    def uses_history(self) -> bool:
        """Whether a filter looks at more than the logits; if not, the history may be cut."""
        return any(each.reads_history for each in self.filters)

    def generate(
        self, model: LanguageModel, prompts: Sequence[Prompt], length: int, rng: Sequence[Generator]
    ) -> Tensor:
        """`length` new ids after each prompt (ids_BT, on the CPU), row i's from rng[i] alone."""
        rows = [Row(prompt, self, own) for prompt, own in zip(prompts, rng, strict=True)]
        return sample(model, rows, length).ids_BT


@dataclass(frozen=True)
class Row:
    """One sample to be made. Its random numbers come from `rng` alone: no other row changes it."""

    prompt: Prompt
    sampler: Sampler
    rng: Generator
    net: LanguageModel | None = None
    """The model that makes it, where the rows of a batch are of several; all have one
    vocabulary.
    """


class Step(NamedTuple):
    """What one step of the loop chose, on the model's device."""

    ids_B: Tensor
    logprob_B: Tensor
    """ln p of the ids under the model's own distribution, before any filter."""
    rescued_B: Tensor
    """Where there was nothing left to choose from; see `choice.rescue`."""


Stopping = Callable[[Tensor], Tensor]
"""Told each step's ids_B, in the order of the rows; says which rows end with them (done_B)."""


def sample(
    model: LanguageModel,
    rows: Sequence[Row],
    length: int,
    tell: Callable[[int], None] = lambda tokens: None,
    stop: Callable[[int], Stopping] | None = None,
) -> Samples:
    """Continue every row by `length` tokens; `tell` is called at each step with how many it made.

    `stop`, called with a number of rows, makes what ends rows early; the loop ends when all are
    done. Raises RecurrenceError for an empty prompt, or where the model yields no numbers.
    """
    reach = max((prefill.fed(model, 1, row.sampler.window)[0] for row in rows), default=1)
    size = max(1, CHUNK_CELLS // (model.vocab_size * max(prefill.READ_TOKENS, reach)))
    batches = [rows[i : i + size] for i in range(0, len(rows), size)]
    made = Samples.joined(_sample(model, batch, length, tell, stop) for batch in batches)
    if broken := int(made.logprob_B.isnan().sum()):
        raise RecurrenceError(
            f"the model's probabilities stopped being numbers in {broken} of {len(rows)} samples: "
            "its state overflowed; generate fewer tokens, or train it with clipped gradients or "
            "weight decay"
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
    made = []
    alive = []
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
    reading = _Reading(model, placed, device)
    raw_BV = reading.logits_BV
    text_BT = _texts(placed, length).to(device)
    choose = _Choice(placed, length, model.vocab_size, device)
    home_B = torch.tensor(order, device=device).argsort()
    start = text_BT.shape[1] - length
    for end in range(start, start + length):
        if end > start:
            raw_BV = reading.step(text_BT, end)
        step = choose(raw_BV, text_BT[:, :end], end - start)
        text_BT[:, end] = step.ids_B
        yield Step(*(each_B[home_B] for each_B in step))


class _Reading:
    """The nets' side of a batch: each reads its own rows, and the logits come back in their
    order.
    """

    def __init__(self, model: LanguageModel, rows: Sequence[Row], device: torch.device) -> None:
        parts: dict[LanguageModel, list[int]] = {}
        for i, row in enumerate(rows):
            parts.setdefault(row.net or model, []).append(i)
        self.parts: list[tuple[Tensor | slice, Prefilled]] = []
        logits = []
        for net, places in parts.items():
            own = [(rows[i].prompt, rows[i].sampler.window) for i in places]
            read_BV, reads = prefill_rows(net, own)
            logits.append(read_BV)
            where_B = torch.tensor(places, device=device)
            for part, read in reads:
                self.parts.append((part if len(parts) == 1 else where_B[part], read))
        there = [place for places in parts.values() for place in places]
        self.home_B = None if len(parts) == 1 else torch.tensor(there, device=device).argsort()
        self.logits_BV = self._home(logits)

    def step(self, text_BT: Tensor, end: int) -> Tensor:
        """Logits_BV after each row's first `end` tokens."""
        return self._home([
            read.step(text_BT[rows, max(end - read.reach, 0) : end]) for rows, read in self.parts
        ])  # fmt: skip

    def _home(self, logits: list[Tensor]) -> Tensor:
        both_BV = torch.cat(logits)
        return both_BV if self.home_B is None else both_BV[self.home_B]


class _Choice:
    """From the logits of all rows to their next ids.

    Rows of one sampler must stand together, shorter prompts first.
    """

    def __init__(
        self, rows: Sequence[Row], length: int, vocab_size: int, device: torch.device
    ) -> None:
        # Numbers of one step lie side by side, so that a shorter sample begins like a longer one.
        streams = [
            torch.rand(length, 1 + _own_numbers(row), dtype=torch.float64, generator=row.rng)
            for row in rows
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
        drawn_B = draw(left_BV, self.uniform_BT[:, made])
        ids_B = torch.where(self.greedy_B, likeliest(left_BV), drawn_B)
        for group in self.groups:
            group.chosen(ids_B)
        own_B = raw_BV.gather(1, ids_B[:, None])[:, 0]
        return Step(ids_B, own_B - raw_BV.logsumexp(1), rescued_B)


class _Group:
    """Rows of one sampler that are narrowed together, by its filters, started for these rows."""

    def __init__(
        self, sampler: Sampler, rows: slice, prompt_tokens: int, uniform_BTF: Tensor
    ) -> None:
        self.rows = rows
        self.prompt_tokens = prompt_tokens
        numbers = iter(uniform_BTF.unbind(2))
        self.filters = [
            each.start(next(numbers) if each.stateful else NO_NUMBERS) for each in sampler.filters
        ]

    def narrow(self, logits_BV: Tensor, text_BT: Tensor, made: int) -> Tensor:
        """Its rows' logits after all filters."""
        logits_BV = logits_BV[self.rows]
        history_BT = text_BT[self.rows, -(self.prompt_tokens + made) :]
        for each in self.filters:
            logits_BV = each(logits_BV, history_BT)
        return logits_BV

    def chosen(self, ids_B: Tensor) -> None:
        for each in self.filters:
            each.chosen(ids_B[self.rows])


def _own_numbers(row: Row) -> int:
    """How many of its filters are given random numbers of their own."""
    return sum(each.stateful for each in row.sampler.filters)


def _group_key(row: Row) -> tuple[Sampler, int | None]:
    """Rows with prompts of other lengths are narrowed by themselves where it makes a difference."""
    return row.sampler, len(row.prompt) if row.sampler.uses_history else None


def _order(model: LanguageModel, rows: Sequence[Row]) -> list[int]:
    """Places of the rows: those fed alike stand together, and among them those filtered alike."""
    samplers = {sampler: i for i, sampler in enumerate(dict.fromkeys(row.sampler for row in rows))}

    def place(i: int) -> tuple[int, int, int, int]:
        row = rows[i]
        reach, known = prefill.fed(row.net or model, len(row.prompt), row.sampler.window)
        return reach, known, samplers[row.sampler], len(row.prompt)

    return sorted(range(len(rows)), key=place)


def _texts(rows: Sequence[Row], length: int) -> Tensor:
    """Room for everything, as ids_BT: prompts flush right, then `length` places for what comes."""
    start = max(len(row.prompt) for row in rows)
    text_BT = torch.zeros(len(rows), start + length, dtype=torch.int64)
    for text_T, row in zip(text_BT, rows, strict=True):
        text_T[start - len(row.prompt) : start] = torch.tensor(row.prompt)
    return text_BT
