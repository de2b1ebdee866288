"""Contrastive search: likely continuations whose features are unlike those of everything so far."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F

from recurrence.decoding.loop.prefill import prefill
from recurrence.decoding.loop.samples import Prompt, Samples
from recurrence.decoding.search.base import Search, Tell
from recurrence.decoding.search.hypotheses import first, rounded
from recurrence.errors import RecurrenceError
from recurrence.model import LanguageModel, State

#   P = prompts of one length, K = candidates for each, N = P x K, V = vocabulary, H = features,
#   T = tokens so far


@dataclass(frozen=True, eq=False)
class ContrastiveSearch(Search):
    """Contrastive search (arXiv 2202.06417): of the k likeliest tokens v, the one with the largest

        (1 - alpha) p(v) - alpha max_j cos(h_v, h_j)

    h_v: what the model's top layer puts out once v was fed; h_j: the same for every token of prompt
    and text so far. Its choice depends on all of those, so it has a history whatever its filters
    are.
    """

    k: int = 5
    alpha: float = 0.6

    @property
    def uses_history(self) -> bool:
        """Always: its choice depends on the features of everything so far."""
        return True

    @property
    def width(self) -> int:
        """Continuations that are fed at each step."""
        return self.k

    def _cells(self, model: LanguageModel, tokens: int) -> int:
        return 8 * model.vocab_size * self.k + feature_size(model, self.name) * tokens

    def _search(
        self,
        model: LanguageModel,
        prompts: Sequence[Prompt],
        rng: Sequence[Generator],
        length: int,
        tell: Tell,
    ) -> Samples:
        contrast = Contrast(model, prompts, length)
        logprob_P = torch.zeros(len(prompts), dtype=torch.float64, device=contrast.text_PT.device)
        rescued_P = torch.zeros_like(logprob_P, dtype=torch.int64)
        for _ in range(length):
            own_PV = contrast.logits()
            left_PV, now_P = self._narrowed(own_PV, contrast.text_PT)
            ids_P = contrast.choose(left_PV.softmax(1), self.k, self.alpha)
            logprob_P += own_PV.log_softmax(1).gather(1, ids_P[:, None])[:, 0]
            rescued_P += now_P
            tell(len(prompts))
        ids_PT = contrast.text_PT[:, -length:].cpu()
        return Samples(
            ids_PT, logprob_P.cpu(), rescued_P.cpu(), torch.full((len(prompts),), length)
        )


class Contrast:
    """Texts that grow by what is likely and yet unlike all before; see ContrastiveSearch."""

    def __init__(self, model: LanguageModel, prompts: Sequence[Prompt], length: int) -> None:
        """Read the prompts, to which `length` tokens are going to be added."""
        self.model = model
        featured = cast(LanguageModel, _Featured(model))
        self.feature_PH, self.read = prefill(featured, [prompt[:1] for prompt in prompts], None)
        self.text_PT = torch.tensor(prompts, device=self.feature_PH.device)
        units = [F.normalize(self.feature_PH, dim=1)]  # token by token, for the features of each
        for end in range(2, self.text_PT.shape[1] + 1):
            self.feature_PH = self.read.step(self.text_PT[:, :end])
            units.append(F.normalize(self.feature_PH, dim=1))
        self.past_PTH = F.pad(torch.stack(units, 1), (0, 0, 0, length))

    def logits(self) -> Tensor:
        """The model's logits_PV for the next token."""
        weight = next(self.model.parameters())
        return self.model.logits(self.feature_PH.to(weight.dtype)).double()

    def choose(self, p_PV: Tensor, k: int, alpha: float) -> Tensor:
        """Feed the k likeliest; the largest (1 - alpha) p - alpha max cos goes on. Its ids_P.

        Of equals the lowest id; what has probability 0 is no candidate.
        """
        prompts, tokens = self.text_PT.shape
        ids_PK = first(p_PV, min(k, p_PV.shape[1])).sort(dim=1).values
        own_P1 = torch.arange(prompts, device=ids_PK.device)[:, None]
        row_N = own_P1.expand_as(ids_PK).flatten()
        self.read.select(row_N)
        known_NT = self.text_PT[row_N, -self.read.reach :]
        feature_NH = self.read.step(torch.cat([known_NT, ids_PK.view(-1, 1)], 1))
        unit_PKH = F.normalize(feature_NH, dim=1).view(*ids_PK.shape, -1)
        likeness_PK = (unit_PKH @ self.past_PTH[:, :tokens].mT).amax(2)
        p_PK = p_PV.gather(1, ids_PK)
        score_PK = rounded((1 - alpha) * p_PK - alpha * likeness_PK)
        score_PK = score_PK.masked_fill(p_PK == 0, -torch.inf)
        best_P1 = first(score_PK, 1)
        row_P = (own_P1 * ids_PK.shape[1] + best_P1)[:, 0]
        self.read.select(row_P)
        self.feature_PH = feature_NH[row_P]
        self.past_PTH[:, tokens] = unit_PKH.flatten(0, 1)[row_P]
        self.text_PT = torch.cat([self.text_PT, ids_PK.gather(1, best_P1)], 1)
        return self.text_PT[:, -1]


def feature_size(model: LanguageModel, name: str) -> int:
    """How many features the top layer has; RecurrenceError in a strategy's name if it has none."""
    if not hasattr(model, "features"):
        raise RecurrenceError(
            f"strategy {name}: contrastive search compares a model's hidden states, and a model "
            "that counts has none; leave it out of the strategies of this model"
        )
    return int(model.core.output_size)


class _Featured(nn.Module):
    """A model that gives features in the place of logits, so that prefill and step carry them."""

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        self.model = model
        self.context = model.context

    def initial_state(self, lanes: int) -> State:
        return self.model.initial_state(lanes)

    def forward(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        if self.context is None:
            feature_BTH, _, state = self.model.features(ids_BT, state)
            return feature_BTH, state
        return self.model.features(ids_BT, self.initial_state(len(ids_BT)))[0][:, -1], state
