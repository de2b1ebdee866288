"""Contrastive decoding: a token counts for less where a weaker model, the amateur, likes it too."""

from math import inf
from typing import Any

from torch import Tensor

from recurrence.decoding.filters.contract import Filter, Setting, Stateful
from recurrence.decoding.filters.logits import keep, log_probabilities, reaches
from recurrence.decoding.filters.values import number, settings
from recurrence.decoding.loop.prefill import Prefilled, prefill
from recurrence.model import LanguageModel

#   B = rows, V = vocabulary, T = tokens so far (of uniform_BT: tokens to be generated)


def contrastive_decoding(value: Any, setting: Setting) -> Filter:
    """ln p - ln p_amateur in place of the logits, where p >= alpha max p.

    {alpha: 0.1, temperature: 1}; a lone number is alpha, and `temperature` divides the amateur's
    logits. The amateur reads the same history, whichever filters stand before this one. arXiv
    2210.15097: alpha 0.1.
    """
    given = settings("contrastive_decoding", value, "alpha", {"alpha": 0.1, "temperature": 1})
    alpha = number("contrastive_decoding.alpha", given["alpha"], above=0, most=1)
    divisor = number("contrastive_decoding.temperature", given["temperature"], above=0)
    amateur = setting.amateur
    if amateur is None:
        raise ValueError(
            "contrastive_decoding needs a second, weaker model: name it as `amateur`, got none"
        )
    if amateur.vocab_size != len(setting.vocab):
        raise ValueError(
            "contrastive_decoding: the amateur must have the model's vocabulary, got one of "
            f"{amateur.vocab_size} tokens and not {len(setting.vocab)}"
        )
    return Stateful(lambda uniform_BT: _Contrastive(amateur, alpha, divisor))


class _Contrastive:
    def __init__(self, amateur: LanguageModel, alpha: float, divisor: float) -> None:
        self.amateur = amateur
        self.alpha = alpha
        self.divisor = divisor
        self.read: Prefilled | None = None

    def __call__(self, logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        if self.read is None:
            texts = [tuple(ids_T) for ids_T in history_BT.tolist()]
            weak_BV, self.read = prefill(self.amateur, texts, None)
        else:
            weak_BV = self.read.step(history_BT)
        ln_p_BV = log_probabilities(logits_BV)
        p_BV = ln_p_BV.exp()
        plausible_BV = reaches(p_BV, self.alpha * p_BV.amax(-1, keepdim=True))
        ln_ratio_BV = ln_p_BV - log_probabilities(weak_BV / self.divisor).clamp(min=-1e6)
        return keep(ln_ratio_BV, plausible_BV & (logits_BV > -inf))

    def chosen(self, ids_B: Tensor) -> None:
        """The next history says it."""
