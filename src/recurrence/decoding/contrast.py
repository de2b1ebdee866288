"""The features that contrastive search compares: of everything read so far, and of each candidate once it was fed.

In come a model, prompts of one length and the probabilities of the next token; out comes the token chosen.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recurrence.decoding.beams import first, rounded
from recurrence.decoding.feeding import Prompt, read
from recurrence.errors import RecurrenceError
from recurrence.model import LanguageModel, State

#   P = prompts, K = candidates for each, N = P x K, V = vocabulary, T = tokens so far, H = features


class Contrast:
    """Texts that grow by the candidate that is likely and yet unlike all before; see `search.ContrastiveSearch`."""

    def __init__(self, model: LanguageModel, prompts: Sequence[Prompt], length: int) -> None:
        """Read the prompts, to which `length` tokens are going to be added."""
        self.model = model
        featured = cast(LanguageModel, _Featured(model))
        self.feature_PH, self.feed = read(featured, [prompt[:1] for prompt in prompts], None)
        self.text_PT = torch.tensor(prompts, device=self.feature_PH.device)
        units = [F.normalize(self.feature_PH, dim=1)]  # token by token, for the features of each
        for end in range(2, self.text_PT.shape[1] + 1):
            self.feature_PH = self.feed.step(self.text_PT[:, :end])
            units.append(F.normalize(self.feature_PH, dim=1))
        self.past_PTH = F.pad(torch.stack(units, 1), (0, 0, 0, length))

    def logits(self) -> Tensor:
        """The model's logits_PV for the next token."""
        weight = next(self.model.parameters())
        return self.model.logits(self.feature_PH.to(weight.dtype)).double()

    def choose(self, p_PV: Tensor, k: int, alpha: float) -> Tensor:
        """Feed the k likeliest, and go on with the one that (1 - alpha) p - alpha max cos puts first: its ids_P.

        Of equals the lowest id; what has probability 0 is no candidate.
        """
        prompts, tokens = self.text_PT.shape
        ids_PK = first(p_PV, min(k, p_PV.shape[1])).sort(dim=1).values
        own_P1 = torch.arange(prompts, device=ids_PK.device)[:, None]
        row_N = own_P1.expand_as(ids_PK).flatten()
        self.feed.select(row_N)
        feature_NH = self.feed.step(
            torch.cat([self.text_PT[row_N, -self.feed.reach :], ids_PK.view(-1, 1)], 1)
        )
        unit_PKH = F.normalize(feature_NH, dim=1).view(*ids_PK.shape, -1)
        likeness_PK = (unit_PKH @ self.past_PTH[:, :tokens].mT).amax(2)
        p_PK = p_PV.gather(1, ids_PK)
        score_PK = rounded((1 - alpha) * p_PK - alpha * likeness_PK).masked_fill(
            p_PK == 0, -torch.inf
        )
        best_P1 = first(score_PK, 1)
        row_P = (own_P1 * ids_PK.shape[1] + best_P1)[:, 0]
        self.feed.select(row_P)
        self.feature_PH = feature_NH[row_P]
        self.past_PTH[:, tokens] = unit_PKH.flatten(0, 1)[row_P]
        self.text_PT = torch.cat([self.text_PT, ids_PK.gather(1, best_P1)], 1)
        return self.text_PT[:, -1]


def feature_size(model: LanguageModel, name: str) -> int:
    """How many features the model's top layer has; RecurrenceError, in the name of a strategy, where it has none."""
    if not hasattr(model, "features"):
        raise RecurrenceError(
            f"strategy {name}: contrastive search compares a model's hidden states, and a model that counts has none; "
            "leave it out of the strategies of this model"
        )
    return int(model.core.output_size)


class _Featured(nn.Module):
    """A model that gives features in the place of logits, so that a Feed carries them."""

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        self.model, self.context = model, model.context

    def initial_state(self, lanes: int) -> State:
        return self.model.initial_state(lanes)

    def forward(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        if self.context is None:
            feature_BTH, _, state = self.model.features(ids_BT, state)
            return feature_BTH, state
        return self.model.features(ids_BT, self.initial_state(len(ids_BT)))[0][:, -1], state
