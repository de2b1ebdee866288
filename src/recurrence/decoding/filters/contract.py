"""What every filter owes, and how it says what it depends on.

A filter stands between a model's logits and the choice of a token. At work on a batch of rows it is
called once per step, (logits_BV, history_BT) -> new logits_BV, float64 in and out, and told
afterwards what was chosen. The history holds the prompt and all that was generated since. A filter

- never writes to its arguments, and treats every row by itself;
- leaves -inf as -inf, and something to choose where there was something;
- never moves the zero of the logits: what stays is unchanged, or changed as its formula says;
- says whether it reads history, whether it draws, and whether it has a state of its own.

A definition makes a filter of the value in a params block and of the Setting that it is for, and
raises ValueError for a wrong value. It names the source of its formula; defaults are those of the
named system. Where probabilities are equal at a bar, the lowest ids stay.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self

import torch
from torch import Tensor

from recurrence.model import LanguageModel
from recurrence.vocab import Vocab

#   B = rows, V = vocabulary, T = tokens so far (of uniform_BT: tokens to be generated)


class Running(Protocol):
    """A filter at work on its rows, all with prompts of one length."""

    def __call__(self, logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        """The new logits."""

    def chosen(self, ids_B: Tensor) -> None:
        """Told after the choice, once per step."""


class Filter(Protocol):
    """What a strategy holds; `start` puts it to work."""

    @property
    def reads_history(self) -> bool:
        """Whether its effect depends on more than the logits of the step."""

    @property
    def draws(self) -> bool:
        """Whether it tosses coins, so that even the largest of what it leaves is random."""

    @property
    def stateful(self) -> bool:
        """Whether it carries something from step to step and must start anew for every batch."""

    def start(self, uniform_BT: Tensor) -> Running:
        """For new rows. Column t, in [0, 1) and on the logits' device, is for generated token t."""


Rule = Callable[[Tensor, Tensor], Tensor]
"""(logits_BV, history_BT) -> new logits_BV."""


@dataclass(frozen=True)
class Stateless:
    """A filter that is a rule: what it does depends on its arguments alone."""

    rule: Rule
    reads_history: bool = False
    draws: ClassVar[bool] = False
    stateful: ClassVar[bool] = False

    def start(self, uniform_BT: Tensor) -> Self:
        return self

    def __call__(self, logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        return self.rule(logits_BV, history_BT)

    def chosen(self, ids_B: Tensor) -> None:
        """Nothing to remember."""


@dataclass(frozen=True)
class Stateful:
    """A filter that remembers what was chosen, or tosses coins of its own."""

    start: Callable[[Tensor], Running]
    draws: bool = False
    reads_history: ClassVar[bool] = True
    stateful: ClassVar[bool] = True


@dataclass(frozen=True)
class Setting:
    """What a definition may need to know of where its filter is used.

    `bits`: the model's validation bits per token. `amateur`: the weaker model of contrastive
    decoding, in double precision, eval mode, and on the device of the logits.
    """

    vocab: Vocab
    bits: float | None = None
    amateur: LanguageModel | None = None


Definition = Callable[[Any, Setting], Filter]
"""What params.yaml names: (value of the block, where it is used) -> filter."""

NO_NUMBERS = torch.empty(0, 0)
"""What `start` is given of a filter that has no state."""
