"""What the original notebooks printed, from notebooks.yaml: the figures that a model is compared
with.
"""

from functools import cache
from pathlib import Path

import yaml

from recurrence.errors import RecurrenceError, nearest
from recurrence.params import Block


class Printed(Block):
    """The validation table of one model in one notebook, a value per epoch."""

    source: str
    """The notebook, by what it is about."""
    model: str
    valid_nats: tuple[float, ...]
    valid_accuracy: tuple[float, ...] = ()
    """Empty where the notebook printed none."""
    last_nats: float | None = None
    """The last printed loss, where the table breaks off before it."""
    note: str | None = None
    """What to know before comparing."""

    @property
    def nats(self) -> float:
        """The figure compared with: the last that was printed."""
        return self.valid_nats[-1] if self.last_nats is None else self.last_nats

    @property
    def accuracy(self) -> float | None:
        """The accuracy beside it, None where none was printed."""
        return self.valid_accuracy[-1] if self.valid_accuracy else None

    def figures(self) -> dict[str, float | str | None]:
        """What a model's scores repeat of it."""
        return {
            "nats": self.nats,
            "accuracy": self.accuracy,
            "source": self.source,
            "note": self.note,
        }


@cache
def load() -> dict[str, Printed]:
    """Every table by its id."""
    text = Path(__file__).with_name("notebooks.yaml").read_text(encoding="utf-8")
    return {name: Printed.model_validate(block) for name, block in yaml.safe_load(text).items()}


def printed(name: str) -> Printed:
    """The table with that id (`notebook:` of a model's block); an unknown id is met with the
    nearest.
    """
    if name not in load():
        raise RecurrenceError(
            f"params.yaml: notebook: no printed figures {name!r}; {nearest(name, load())}"
        )
    return load()[name]
