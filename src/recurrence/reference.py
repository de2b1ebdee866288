"""The price of a text: mean nats per token under a model that did not write it, which reads its
prompt first.

In: a reference model and rows of (prompt, text) ids. Out: a figure per row. Rows are read side by
side and do not touch one another; what a row costs depends on its company only by single-precision
rounding (some 1e-7), so figures are rounded.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from recurrence.errors import RecurrenceError
from recurrence.model import LanguageModel
from recurrence.model.counting import CountedModel, Ids
from recurrence.scoring import MOST_LOGITS, token_scores

#   B = rows, T = time, V = vocabulary

ROWS, STEPS = 64, 256
"""Rows read at a time, and tokens of each."""
DIGITS = 5
"""Decimals that are kept."""


@dataclass(frozen=True)
class Text:
    """What is to be priced, and what comes before it; a text of people may have nothing before
    it.
    """

    prompt: Ids
    ids: Ids

    @property
    def whole(self) -> NDArray[np.int64]:
        return np.concatenate([self.prompt, self.ids]).astype(np.int64)

    @property
    def targets(self) -> int:
        """Tokens that are predicted: all, or all but the first where nothing is before it."""
        return len(self.ids) - (len(self.prompt) == 0)


def nats_per_token(
    model: LanguageModel | CountedModel,
    texts: Sequence[Text],
    device: torch.device | str = "cpu",
    tell: Callable[[int], None] = lambda tokens: None,
) -> NDArray[np.float64]:
    """Mean nats per token of each text, after its prompt, under a model on `device` in eval mode;
    rounded.

    NaN for a text with nothing to predict. `tell` hears how many tokens were read. A model with a
    `context` sees at most so many tokens before each. Raises RecurrenceError for ids that the model
    does not know.
    """
    largest = max((int(text.whole.max()) for text in texts if len(text.whole)), default=0)
    if largest >= model.vocab_size:
        raise RecurrenceError(
            f"token ids must be below the reference model's vocabulary of {model.vocab_size}, got "
            f"{largest}"
        )
    found = np.full(len(texts), np.nan)
    if model.context is not None:
        for i, text in enumerate(texts):
            if text.targets > 0:
                found[i] = (
                    -token_scores(model, text.whole, device=device)
                    .log_probs[-text.targets :]
                    .mean()
                )
            tell(len(text.whole))
    else:
        order = sorted(
            (i for i, text in enumerate(texts) if text.targets > 0),
            key=lambda i: len(texts[i].whole),
        )
        for start in range(0, len(order), ROWS):
            places = order[start : start + ROWS]
            found[places] = _side_by_side(model, [texts[i] for i in places], device)
            tell(sum(len(texts[i].whole) for i in places))
    return found.round(DIGITS)


@torch.inference_mode()
def _side_by_side(
    model: LanguageModel, texts: Sequence[Text], device: torch.device | str
) -> NDArray[np.float64]:
    """The same of texts read from a common start; what stands after the end of a shorter one is not
    counted.
    """
    wholes = [torch.from_numpy(text.whole) for text in texts]
    ids_BT = torch.nn.utils.rnn.pad_sequence(wholes, batch_first=True).to(device)
    end_B = torch.tensor([len(whole) for whole in wholes], device=device)
    targets_B = torch.tensor([text.targets for text in texts], device=device)
    total_B, state = (
        torch.zeros(len(texts), dtype=torch.float64, device=device),
        model.initial_state(len(texts)),
    )
    steps = max(1, min(STEPS, MOST_LOGITS // (len(texts) * model.vocab_size)))
    for start in range(0, ids_BT.shape[1] - 1, steps):
        x_BT, y_BT = ids_BT[:, start : start + steps], ids_BT[:, start + 1 : start + 1 + steps]
        logits_BTV, state = model(x_BT[:, : y_BT.shape[1]], state)
        at_T = torch.arange(start + 1, start + 1 + y_BT.shape[1], device=device)
        counted_BT = (at_T >= (end_B - targets_B)[:, None]) & (at_T < end_B[:, None])
        total_B += torch.where(counted_BT, _nats(logits_BTV, y_BT).double(), 0.0).sum(1)
    return (total_B / targets_B).cpu().numpy()


def _nats(logits_BTV: Tensor, y_BT: Tensor) -> Tensor:
    return F.cross_entropy(logits_BTV.flatten(0, -2), y_BT.flatten(), reduction="none").view_as(
        y_BT
    )
