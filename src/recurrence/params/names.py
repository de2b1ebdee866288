"""Names that stand for something else in params.yaml: a model's recipe, a set of strategies.

Below params/ nobody meets such a name: a block holds what it stands for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationInfo

from recurrence.errors import nearest

UNREAD = object()
"""In place of what is itself wrong: its own section says so."""


@dataclass(frozen=True)
class Names:
    """What the names of the file that is being read stand for, each already validated or UNREAD."""

    recipes: Mapping[str, Any]
    strategy_sets: Mapping[str, Any]


def looked_up(value: Any, info: ValidationInfo, section: str) -> Any:
    """What a name stands for in a section.

    What is read from elsewhere than params.yaml (a model's own config.json) has no names; there,
    and where it is no name, the value itself comes back. Raises ValueError for an unknown name.
    """
    if not isinstance(info.context, Names) or not isinstance(value, str):
        return value
    known: Mapping[str, Any] = getattr(info.context, section)
    if value not in known:
        raise ValueError(f"{section} has no {value!r}; {nearest(value, known)}")
    return None if known[value] is UNREAD else known[value]
