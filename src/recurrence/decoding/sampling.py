"""The one autoregressive loop: rows of any strategies, prompts and seeds step together, a token each per step.

In come a model and rows; out come ids and their log-probabilities. Knows no params, files or text.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, groupby
from typing import TypeVar

import torch
from torch import Generator, Tensor

from recurrence.decoding.filters import Filter
from recurrence.errors import RecurrenceError
from recurrence.model import LanguageModel, State

#   B = rows, P = distinct prompts, V = vocabulary, T = tokens so far, L (of state) = layers, H = hidden

Prompt = tuple[int, ...]
Key = TypeVar("Key")

CHUNK_CELLS = 2**27
"""Most logits that one call of the model may return (half a gigabyte); more rows than that are taken in turns."""
READ_TOKENS = 64
"""A prompt is read in pieces of so many tokens, since the model returns logits for each."""


@dataclass(frozen=True, eq=False)
class Sampler:
    """A strategy that goes one token at a time: filters in order, then one draw from what they leave.

    `window`: that many of the last tokens are fed again at every step into the state that already saw them, as some
    notebooks did; None feeds the new token alone. A model with a `context` sees its context either way.
    """

    name: str
    filters: tuple[Filter, ...]
    deterministic: bool = False
    window: int | None = None

    def narrow(self, logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        """The logits after all filters, in their order."""
        for each in self.filters:
            logits_BV = each(logits_BV, history_BT)
        return logits_BV

    def generate(
        self, model: LanguageModel, prompts: Sequence[Prompt], length: int, rng: Sequence[Generator]
    ) -> Tensor:
        """`length` new ids after each prompt (ids_BT, on the CPU), row i drawing from rng[i] alone."""
        rows = [Row(prompt, self, own) for prompt, own in zip(prompts, rng, strict=True)]
        return sample(model, rows, length)[0]


@dataclass(frozen=True)
class Row:
    """One sample to be made. Its random numbers come from `rng` alone, so it is the same in any company."""

    prompt: Prompt
    sampler: Sampler
    rng: Generator


def sample(
    model: LanguageModel, rows: Sequence[Row], length: int, tell: Callable[[int], None] = lambda tokens: None
) -> tuple[Tensor, Tensor]:
    """Continue every row by `length` tokens; `tell` hears of each step how many tokens it made.

    Returns (ids_BT, logprob_B) on the CPU: int64 ids, and per row the sum of ln p of its tokens under the model's own
    distribution, before any filter. Raises RecurrenceError for an empty prompt, or where the model yields no numbers.
    """
    cells_per_row = model.vocab_size * max([READ_TOKENS, *(_feeding(model, row)[0] for row in rows)])
    size = max(1, CHUNK_CELLS // cells_per_row)
    ids, logprobs = [], []
    for start in range(0, len(rows), size):
        made = []
        for step in steps(model, rows[start : start + size], length):
            made.append(step)
            tell(len(step[0]))
        ids.append(torch.stack([ids_B for ids_B, _ in made], 1).cpu())
        logprobs.append(torch.stack([logprob_B for _, logprob_B in made], 1).sum(1).cpu())
    ids_BT, logprob_B = torch.cat(ids), torch.cat(logprobs)
    if broken := int(logprob_B.isnan().sum()):
        raise RecurrenceError(
            f"the model's probabilities stopped being numbers in {broken} of {len(rows)} samples: its state "
            "overflowed; generate fewer tokens, or train it with clipped gradients or weight decay"
        )
    return ids_BT, logprob_B


@torch.inference_mode()
def steps(model: LanguageModel, rows: Sequence[Row], length: int) -> Iterator[tuple[Tensor, Tensor]]:
    """The loop itself: yields (ids_B, logprob_B) per step, on the model's device, rows in the order given."""
    if any(not row.prompt for row in rows):
        raise RecurrenceError("the prompt is empty; it must hold at least one token")
    order = _order(model, rows)
    placed = [rows[i] for i in order]
    device = _device(model)
    home_B = torch.tensor(order, device=device).argsort()
    uniform_BT = torch.stack([torch.rand(length, dtype=torch.float64, generator=row.rng) for row in placed]).to(device)
    text_BT = _texts(placed, length).to(device)
    start = text_BT.shape[1] - length
    raw_BV, feeds = _read(model, placed)
    if raw_BV.isnan().any():
        raise RecurrenceError("the model's probabilities are not numbers: its training diverged; train it again")
    slices = _slices([(row.sampler, len(row.prompt)) for row in placed])
    for end in range(start, start + length):
        if end > start:
            raw_BV = torch.cat([feed.step(model, text_BT[feed.rows, :end]) for feed in feeds])
        raw_BV = raw_BV.double()
        left_BV = torch.cat([s.narrow(raw_BV[part], text_BT[part, start - n : end]) for (s, n), part in slices])
        ids_B = draw(left_BV, uniform_BT[:, end - start])
        text_BT[:, end] = ids_B
        logprob_B = raw_BV.gather(1, ids_B[:, None])[:, 0] - raw_BV.logsumexp(1)
        yield ids_B[home_B], logprob_B[home_B]


def draw(logits_BV: Tensor, uniform_B: Tensor) -> Tensor:
    """The first id at which the cumulative probability exceeds the row's uniform number in [0, 1); float64."""
    cdf_BV = logits_BV.double().softmax(-1).cumsum(-1)
    goal_B1 = uniform_B[:, None] * cdf_BV[:, -1:]  # below the last entry, as a float64 uniform is at most 1 - 2**-53
    ids_B = torch.searchsorted(cdf_BV, goal_B1, right=True)[:, 0]
    return ids_B.clamp(max=logits_BV.shape[-1] - 1)  # beyond it only where the logits are NaN


@dataclass
class _Feed:
    """Rows that the model reads alike: at each step their last `known` tokens, at most `reach`, into one state."""

    rows: slice
    reach: int
    known: int
    state: State

    def step(self, model: LanguageModel, text_BT: Tensor) -> Tensor:
        """Logits_BV after the newest token."""
        self.known = min(self.reach, self.known + 1)
        logits, self.state = model(text_BT[:, -self.known :], self.state)
        return _newest(model, logits)


def _feeding(model: LanguageModel, row: Row) -> tuple[int, int]:
    """How many of its last tokens a row feeds at each step, at most, and how many of those its prompt has."""
    reach = model.context or row.sampler.window or 1
    return reach, min(reach, len(row.prompt))


def _order(model: LanguageModel, rows: Sequence[Row]) -> list[int]:
    """Places of the rows such that those that are fed alike stand together, and within them those filtered alike."""
    samplers = {sampler: i for i, sampler in enumerate(dict.fromkeys(row.sampler for row in rows))}

    def place(i: int) -> tuple[int, int, int, int]:
        return *_feeding(model, rows[i]), samplers[rows[i].sampler], len(rows[i].prompt)

    return sorted(range(len(rows)), key=place)


def _texts(rows: Sequence[Row], length: int) -> Tensor:
    """Room for everything, as ids_BT: prompts flush right, then `length` places for what is generated."""
    start = max(len(row.prompt) for row in rows)
    text_BT = torch.zeros(len(rows), start + length, dtype=torch.int64)
    for text_T, row in zip(text_BT, rows, strict=True):
        text_T[start - len(row.prompt) : start] = torch.tensor(row.prompt)
    return text_BT


def _slices(keys: Sequence[Key]) -> list[tuple[Key, slice]]:
    """Runs of equal keys as (key, slice)."""
    ends, found = 0, []
    for key, run in groupby(keys):
        begin, ends = ends, ends + len(list(run))
        found.append((key, slice(begin, ends)))
    return found


def _read(model: LanguageModel, rows: Sequence[Row]) -> tuple[Tensor, list[_Feed]]:
    """Read every distinct prompt once, from zero state: the logits_BV after it, and the feeds that go on from there."""
    prompts = sorted(dict.fromkeys(row.prompt for row in rows), key=len)
    device, logits, states = _device(model), [], []
    for _, same in groupby(prompts, key=len):
        ids_PT = torch.tensor(list(same), device=device)[:, -(model.context or 0) :]
        state = model.initial_state(len(ids_PT))
        for piece_PT in torch.split(ids_PT, model.context or READ_TOKENS, 1):
            last, state = model(piece_PT, state)
        logits.append(_newest(model, last))
        states.append(state)
    places = {prompt: i for i, prompt in enumerate(prompts)}
    place_B = torch.tensor([places[row.prompt] for row in rows], device=device)
    joined = [torch.cat(parts, 1) for parts in zip(*states, strict=True)]
    feeds = []
    for (reach, known), part in _slices([_feeding(model, row) for row in rows]):
        feeds.append(_Feed(part, reach, known, tuple(each.index_select(1, place_B[part]) for each in joined)))
    return torch.cat(logits)[place_B], feeds


def _newest(model: LanguageModel, logits: Tensor) -> Tensor:
    """Logits_BV after the last token: all that a window model gives, else the end of logits_BTV."""
    return logits if model.context else logits[:, -1]


def _device(model: LanguageModel) -> torch.device:
    tensors = chain(model.parameters(), model.buffers())
    return next((tensor.device for tensor in tensors), torch.device("cpu"))
