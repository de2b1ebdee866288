"""What every kind of model from outside gives: texts that continue prompts."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from recurrence.params import Strategy

Tell = Callable[[int], None]


@dataclass(frozen=True)
class Continuation:
    """One text after a prompt."""

    text: str
    nats: float | None = None
    """-ln p of all of it under the model itself, before any filter; None where the model does not
    say.
    """
    rescued: int = 0
    """Steps at which the filters had left nothing."""


@dataclass(frozen=True)
class Reading:
    """A text as a model reads it: where each of its tokens begins, and -ln p of each given all
    before it.

    The first token has nothing before it and costs 0.
    """

    starts: tuple[int, ...]
    nats: tuple[float, ...]


class Outside(Protocol):
    """A model from outside."""

    @property
    def name(self) -> str:
        """How the page calls it."""

    @property
    def about(self) -> str:
        """What it is, in a few words."""

    def takes(self, name: str, block: Strategy) -> str:
        """Why it cannot be sampled under a strategy; empty where it can."""

    def continued(
        self, name: str, block: Strategy, prompts: Sequence[str], length: int, seed: int, tell: Tell
    ) -> list[Continuation]:
        """A text of at most `length` of the model's tokens after each prompt; `tell` hears of
        tokens made.
        """

    def read(self, text: str) -> Reading | None:
        """What a text costs token by token; None where the model does not say."""

    def uses_history(self, block: Strategy) -> bool:
        """Whether the choice depends on more than the model's own probabilities."""
