"""What there is to play with: trained models, each with what its texts are held against, and
strategies.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from recurrence.decoding.loop.sampling import Sampler
from recurrence.decoding.search.base import Search
from recurrence.params import Strategy
from recurrence.play.writing import Writer


@dataclass(frozen=True)
class Opened:
    """A trained model, ready to write, and what its strategies are built by."""

    writer: Writer
    reference: str | None
    """The name of the reference model."""
    built: Callable[[str, Strategy], Sampler | Search]
    """The strategy of a name and block; RecurrenceError for a value that it cannot take."""


@dataclass(frozen=True)
class House:
    """What there is to play with."""

    models: Sequence[str]
    strategies: Mapping[str, Strategy]
    opened: Callable[[str], Opened]
    """A model by its name, loaded once."""
