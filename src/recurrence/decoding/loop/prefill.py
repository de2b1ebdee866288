"""The model's side of generating: prompts are read once (prefill), then a token is fed per step.

In come a model and ids, out come logits in double precision; which token is chosen is the caller's
business. On a GPU the model's step is a CUDA graph, over ids and a state that stay where they are
(see graphs.py).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby
from typing import TypeVar

import torch
from torch import Tensor

from recurrence import graphs
from recurrence.decoding.loop.samples import Prompt
from recurrence.errors import RecurrenceError
from recurrence.graphs import Repeated, put
from recurrence.model import LanguageModel, State

#   B = rows, P = distinct prompts, V = vocabulary, T = tokens so far

Key = TypeVar("Key")

READ_TOKENS = 64
"""A prompt is read in pieces of so many tokens, since the model returns logits for each."""


@dataclass
class Prefilled:
    """Rows whose texts were read, and which the model reads on alike.

    At each step their last `known` tokens, at most `reach`, go into one state.
    """

    model: LanguageModel
    reach: int
    known: int
    state: State
    _recorded: Repeated[Tensor] = field(init=False, repr=False)
    _buffers: dict[torch.Size, tuple[Tensor, State]] = field(
        init=False, repr=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        counts = next(self.model.parameters(), None) is None  # as the baselines do, on the CPU
        make = None if counts else graphs.maker(device_of(self.model))
        self._recorded = Repeated(make, "the model's step")

    def step(self, text_BT: Tensor) -> Tensor:
        """Logits_BV (float64) after each row's newest token; the text may hold more than is fed."""
        self.known = min(self.reach, self.known + 1)
        ids_BT = text_BT[:, -self.known :]
        if self._recorded.make is None:
            return self._read(ids_BT)
        if ids_BT.shape not in self._buffers:
            ids = torch.empty_like(ids_BT, memory_format=torch.contiguous_format)
            self._buffers[ids_BT.shape] = ids, tuple(map(torch.empty_like, self.state))
        fixed_BT, fixed_state = self._buffers[ids_BT.shape]
        put((fixed_BT, *fixed_state), (ids_BT, *self.state))
        logits_BV = self._recorded(ids_BT.shape, lambda: self._step_in_place(fixed_BT, fixed_state))
        self.state = fixed_state
        return logits_BV.clone()  # the next replay writes over it

    def select(self, index_B: Tensor) -> None:
        """Let row i go on from what row `index_B[i]` has read: reorders, doubles and drops rows."""
        self.state = tuple(each.index_select(1, index_B) for each in self.state)

    def _read(self, ids_BT: Tensor) -> Tensor:
        logits, self.state = self.model(ids_BT, self.state)
        return _newest(self.model, logits)

    def _step_in_place(self, ids_BT: Tensor, state: State) -> Tensor:
        self.state = state
        logits_BV = self._read(ids_BT)
        put(state, self.state)
        return logits_BV


def prefill(
    model: LanguageModel, prompts: Sequence[Prompt], window: int | None
) -> tuple[Tensor, Prefilled]:
    """Read prompts of one length from zero state: logits_BV (float64) after them, and what goes on.

    `window`: that many of the last tokens are fed again at every step into the state that already
    saw them, as some notebooks did; None feeds the new token alone. A model with a `context` sees
    its context either way.
    """
    logits_BV, state = _absorb(model, prompts)
    return logits_BV, Prefilled(model, *fed(model, len(prompts[0]), window), state)


def prefill_rows(
    model: LanguageModel, rows: Sequence[tuple[Prompt, int | None]]
) -> tuple[Tensor, list[tuple[slice, Prefilled]]]:
    """The same for rows (prompt, window) of any lengths, each distinct prompt read once.

    Neighbouring rows that are fed alike go on together; each such part comes with its places.
    """
    prompts = sorted(dict.fromkeys(prompt for prompt, _ in rows), key=len)
    parts = [_absorb(model, list(same)) for _, same in groupby(prompts, key=len)]
    logits_PV = torch.cat([logits_BV for logits_BV, _ in parts])
    state = tuple(torch.cat(each, 1) for each in zip(*(state for _, state in parts), strict=True))
    places = {prompt: i for i, prompt in enumerate(prompts)}
    place_B = torch.tensor([places[prompt] for prompt, _ in rows], device=logits_PV.device)
    alike = []
    for (reach, known), part in slices(fed(model, len(prompt), window) for prompt, window in rows):
        read = Prefilled(model, reach, known, state)
        read.select(place_B[part])
        alike.append((part, read))
    return logits_PV[place_B], alike


def fed(model: LanguageModel, prompt_tokens: int, window: int | None) -> tuple[int, int]:
    """The most last tokens that a row feeds at a step, and how many of those its prompt has."""
    reach = model.context or window or 1
    return reach, min(reach, prompt_tokens)


def slices(keys: Iterable[Key]) -> list[tuple[Key, slice]]:
    """Stretches of equal keys as (key, slice)."""
    end = 0
    found = []
    for key, stretch in groupby(keys):
        begin = end
        end += len(list(stretch))
        found.append((key, slice(begin, end)))
    return found


def device_of(model: torch.nn.Module) -> torch.device:
    """Where a model computes; the CPU for one without tensors."""
    tensors = chain(model.parameters(), model.buffers())
    return next((tensor.device for tensor in tensors), torch.device("cpu"))


def _absorb(model: LanguageModel, prompts: Sequence[Prompt]) -> tuple[Tensor, State]:
    """Logits_PV after prompts of one length, and the state they leave.

    Raises RecurrenceError for an empty prompt, or where the model yields no numbers.
    """
    if not all(prompts):
        raise RecurrenceError("the prompt is empty; it must hold at least one token")
    ids_PT = torch.tensor(prompts, device=device_of(model))[:, -(model.context or 0) :]
    state = model.initial_state(len(ids_PT))
    for piece_PT in torch.split(ids_PT, model.context or READ_TOKENS, 1):
        logits, state = model(piece_PT, state)
    logits_PV = _newest(model, logits)
    if logits_PV.isnan().any():
        raise RecurrenceError(
            "the model's probabilities are not numbers: its training diverged; train it again"
        )
    return logits_PV, state


def _newest(model: LanguageModel, logits: Tensor) -> Tensor:
    """Logits_BV after the last token: all that a window model gives, else the end of logits_BTV."""
    return (logits if model.context else logits[:, -1]).double()
