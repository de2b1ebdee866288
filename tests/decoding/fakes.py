"""Models whose next token is known, and one sample made as the definitions say."""

from collections.abc import Sequence
from math import inf

import torch
from torch import Tensor, nn

from recurrence.decoding.filters.contract import NO_NUMBERS
from recurrence.decoding.loop.samples import Prompt
from recurrence.decoding.loop.sampling import Sampler

#   B = rows, T = tokens, V = vocabulary

State = tuple[Tensor, ...]


class Fixed(nn.Module):
    """The same logits whatever was read; with a context it answers as a window model does."""

    def __init__(self, logits: Sequence[float], context: int | None = None) -> None:
        super().__init__()
        self.logits_V = torch.tensor(logits, dtype=torch.float64)
        self.vocab_size, self.context = len(logits), context

    def initial_state(self, lanes: int) -> State:
        return ()

    def forward(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        shape = ids_BT.shape[:1] if self.context else ids_BT.shape
        return self.logits_V.expand(*shape, -1), state


class Cyclic(Fixed):
    """After i comes i + 1, nearly always."""

    def __init__(self, size: int) -> None:
        super().__init__([0.0] * size)

    def forward(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        return 9.0 * nn.functional.one_hot(
            (ids_BT + 1) % self.vocab_size, self.vocab_size
        ).double(), state


class Fading(nn.Module):
    """Logits mix all tokens ever read, older ones fainter: any change of what is fed shows.

    `fed` keeps what each call was given.
    """

    def __init__(self, size: int = 11, context: int | None = None) -> None:
        super().__init__()
        gen = torch.Generator().manual_seed(7)
        self.mix_VV = torch.randn(size, size, generator=gen, dtype=torch.float64) * 2
        self.vocab_size, self.context = size, context
        self.fed: list[Tensor] = []

    def initial_state(self, lanes: int) -> State:
        return (torch.zeros(1, lanes, self.vocab_size, dtype=torch.float64),)

    def forward(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        self.fed.append(ids_BT.clone())
        if self.context:
            assert ids_BT.shape[1] <= self.context
            state = self.initial_state(len(ids_BT))
        h_BV, out = state[0][0], []
        for ids_B in ids_BT.unbind(1):
            h_BV = 0.7 * h_BV + nn.functional.one_hot(ids_B, self.vocab_size)
            out.append(h_BV @ self.mix_VV)
        return (out[-1] if self.context else torch.stack(out, 1)), (h_BV[None],)


def naive(
    model: nn.Module, prompt: Prompt, sampler: Sampler, length: int, rng: torch.Generator
) -> tuple[list[int], float, int]:
    """One sample, token by token: ids, ln p, rescues. A state only where a window is fed again."""
    own = sum(each.stateful for each in sampler.filters)
    uniform_TF = torch.rand(length, 1 + own, dtype=torch.float64, generator=rng)
    numbers = iter(uniform_TF[:, 1:].T)
    chain = [
        each.start(next(numbers)[None] if each.stateful else NO_NUMBERS) for each in sampler.filters
    ]
    text, logprob, rescued = list(prompt), 0.0, 0
    state, feed = model.initial_state(1), list(prompt)
    for uniform in uniform_TF[:, 0]:
        logits_V, state = read_anew(model, sampler, text, feed, state)
        left_V = logits_V.clone()
        left_V[list(sampler.banned)] = -inf
        allowed_V = left_V
        for each in chain:
            left_V = each(left_V[None], torch.tensor([text]))[0]
        if all(z == -inf for z in left_V):
            rescued += 1
            left_V = allowed_V
        if all(z == -inf for z in left_V):
            left_V = torch.tensor(
                [-inf if i in sampler.banned else 0.0 for i in range(len(left_V))]
            )
        cdf = left_V.softmax(-1).cumsum(-1)
        drawn = next(i for i, total in enumerate(cdf) if total > uniform)
        chosen = left_V.tolist().index(left_V.max()) if sampler.deterministic else drawn
        for each in chain:
            each.chosen(torch.tensor([chosen]))
        text.append(chosen)
        feed = text[-(sampler.window or 1) :]
        logprob += float(logits_V.log_softmax(-1)[chosen])
    return text[len(prompt) :], logprob, rescued


def read_anew(
    model: nn.Module, sampler: Sampler, text: list[int], feed: list[int], state: State
) -> tuple[Tensor, State]:
    """The logits after a text, all of it read again unless a window is fed into the state."""
    if model.context:
        return model(torch.tensor([text[-model.context :]]), model.initial_state(1))[0][0], state
    if sampler.window:
        logits, state = model(torch.tensor([feed]), state)
        return logits[0, -1], state
    return model(torch.tensor([text]), model.initial_state(1))[0][0, -1], state
