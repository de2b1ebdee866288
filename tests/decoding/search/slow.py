"""Models for the tests of searches, and searches written slowly, from their definitions."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from recurrence import params
from recurrence.decoding.loop.samples import Prompt
from recurrence.decoding.search.base import Search
from recurrence.model import build_model
from recurrence.randomness import generator

#   B = rows, P = prompts, W = hypotheses of each, V = vocabulary, T = tokens

State = tuple[Tensor, ...]
Text = tuple[int, ...]
LnP = Callable[[Text], list[float]]


class Table(nn.Module):
    """Logits looked up by a hash of everything ever read, so that any mix-up of states shows.

    With a context the hash is of the last tokens alone. Whole numbers for logits make many exact
    ties.
    """

    def __init__(
        self, seed: int, size: int = 3, context: int | None = None, whole: bool = False
    ) -> None:
        super().__init__()
        table = (
            torch.randn(
                997, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
            )
            * 2
        )
        self.table = table.round() if whole else table
        self.vocab_size, self.context = size, context

    def initial_state(self, lanes: int) -> State:
        return (torch.full((1, lanes, 1), 5.0, dtype=torch.float64),)

    def forward(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        if self.context:
            assert ids_BT.shape[1] <= self.context
            state = self.initial_state(len(ids_BT))
        hash_B, out = state[0][0, :, 0], []
        for ids_B in ids_BT.unbind(1):
            hash_B = (hash_B * 31 + ids_B + 1) % 997
            out.append(self.table[hash_B.long()])
        return (out[-1] if self.context else torch.stack(out, 1)), (hash_B[None, :, None],)


class Chain(nn.Module):
    """A Markov chain given by the probabilities of each token after each."""

    context = None

    def __init__(self, p: Sequence[Sequence[float]]) -> None:
        super().__init__()
        self.ln_p_VV, self.vocab_size = torch.tensor(p, dtype=torch.float64).log(), len(p)

    def initial_state(self, lanes: int) -> State:
        return ()

    def forward(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        return self.ln_p_VV[ids_BT], state


def ln_p(model: nn.Module, prompt: Prompt) -> LnP:
    """The model's next-token log-probabilities after prompt + text, read from the beginning."""

    def after(text: Text) -> list[float]:
        ids_1T = torch.tensor([prompt + text])[:, -(model.context or 0) :]
        logits = model(ids_1T, model.initial_state(1))[0]
        return (logits if model.context else logits[:, -1])[0].double().log_softmax(0).tolist()

    return after


def rngs(count: int, *parts: object) -> list[torch.Generator]:
    return [generator(*parts, i) for i in range(count)]


def text_of(found: Search, model: nn.Module, prompt: Prompt, length: int) -> Text:
    made = found.find(model, [prompt], length, rngs(1))
    return tuple(made.ids_BT[0, : made.length_B[0]].tolist())


def grains(value: float) -> int:
    """As scores are compared: in whole grains, exact."""
    return round(value * 2**32)


def slow_beam(
    after: LnP, width: int, length: int, groups: int = 1, penalty: float = 0.0
) -> tuple[list[tuple[int, Text]], list[list[tuple[int, Text]]]]:
    """(all hypotheses, best first; those of each group); a hypothesis is (grains, text)."""
    live: list[list[tuple[int, Text]]] = [[(0, ())] for _ in range(groups)]
    for _ in range(length):
        taken: list[int] = []
        for g in range(groups):
            found = [
                (
                    score + grains(each) - penalty * 2**32 * taken.count(v),
                    -i,
                    -v,
                    score + grains(each),
                    (*text, v),
                )
                for i, (score, text) in enumerate(live[g])
                for v, each in enumerate(after(text))
            ]
            live[g] = [
                (score, text) for *_, score, text in sorted(found, reverse=True)[: width // groups]
            ]
            taken += [text[-1] for _, text in live[g]]
    together = [hypothesis for group in live for hypothesis in group]
    return sorted(together, key=lambda each: -each[0]), live


def slow_stop(after: LnP, width: int, length: int, eos: int, alpha: float) -> Text:
    """Hugging Face's rule in words: see `endings.Stop`."""
    live: list[tuple[int, Text]] = [(0, ())]
    ended: list[tuple[float, Text]] = []
    for steps in range(1, length + 1):
        found = [
            (score + grains(each), -i, -v, (*text, v))
            for i, (score, text) in enumerate(live)
            for v, each in enumerate(after(text))
        ]
        found.sort(reverse=True)
        ended += [
            (score / steps**alpha, text) for score, *_, text in found[:width] if text[-1] == eos
        ]
        ended = sorted(ended, key=lambda each: -each[0])[:width]
        live = [(score, text) for score, *_, text in found if text[-1] != eos][:width]
        if len(ended) == width and live[0][0] / steps**alpha <= ended[-1][0]:
            break
    else:
        ended += [(score / length**alpha, text) for score, text in live]
    return max(ended, key=lambda each: each[0])[1]


def lstm(context: int | None = None) -> nn.Module:
    torch.manual_seed(5)
    block = params.Model(
        corpus="c", name="m", core="lstm", embedding=8, hidden=12, layers=2, context=context
    )
    model = build_model(block, 11).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)  # else everything is about as likely
    return model
