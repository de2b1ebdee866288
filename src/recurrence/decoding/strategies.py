"""A strategy's params block becomes the object that generates."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from recurrence import params
from recurrence.decoding import feedback, filters, penalties
from recurrence.decoding.feedback import Feedback
from recurrence.decoding.filters import Filter, Setting
from recurrence.decoding.sampling import Sampler
from recurrence.decoding.search import SEARCHES, Search, SearchSetting
from recurrence.errors import RecurrenceError, nearest

Factory = TypeVar("Factory")

FILTERS: dict[str, Callable[[Any, Setting], Filter | Feedback]] = {
    **filters.FILTERS,
    **penalties.FILTERS,
    **feedback.FILTERS,
}
"""The filters that a block may name; each takes the block's value and raises ValueError if it is wrong."""
HISTORY = filters.HISTORY | penalties.HISTORY | feedback.HISTORY
"""Those whose effect depends on more than the model's state."""
CHANCE = frozenset({"xtc"})
"""Those that draw lots: what they leave is random even where the largest of it is taken."""
UNITS = {"char", "word"}


def build_strategy(name: str, block: params.Strategy, setting: Setting) -> Sampler | Search:
    """The strategy of a block where it is used: a ban of the specials it does not allow, filters, a choice or search.

    `allow` may name what this vocabulary does not have, as one block serves many. Raises RecurrenceError for a filter
    or search that does not exist, a value it cannot take, or a ban of the whole vocabulary.
    """
    where, vocab = f"params.yaml: strategies.{name}", setting.vocab
    banned = tuple(vocab.index[token] for token in vocab.specials if token not in block.allow)
    if len(banned) == len(vocab):
        raise RecurrenceError(
            f"{where}.allow: every token is a special that is not allowed; allow one of them"
        )
    named = [(key, value) for entry in block.filters for key, value in entry.items()]
    with _at(f"{where}.filters"):
        chain = tuple(
            _known("filter", key, FILTERS)(for_unit(value, vocab.unit), setting)
            for key, value in named
        )
    uses_history = any(key in HISTORY for key, _ in named)
    if block.search is not None:
        given = SearchSetting(name, setting, chain, banned, block.window, uses_history)
        with _at(f"{where}.search"):
            [(key, value)] = block.search.items()
            return _known("search", key, SEARCHES)(for_unit(value, vocab.unit), given)
    if block.pick == "argmax" and (lots := [key for key, _ in named if key in CHANCE]):
        raise RecurrenceError(
            f"{where}.pick: must be sample beside {lots[0]}, which draws lots itself, got argmax"
        )
    return Sampler(name, chain, banned, block.pick == "argmax", block.window, uses_history)


def for_unit(value: Any, unit: str) -> Any:
    """The value with every {char: x, word: y} in it replaced by what that gives for the unit.

    Raises ValueError where it gives nothing for it.
    """
    if isinstance(value, Mapping) and value and value.keys() <= UNITS:
        if unit not in value:
            raise ValueError(
                f"{dict(value)} has no value for {unit}s; give {{char: ..., word: ...}}"
            )
        return for_unit(value[unit], unit)
    if isinstance(value, Mapping):
        return {key: for_unit(each, unit) for key, each in value.items()}
    return [for_unit(each, unit) for each in value] if isinstance(value, list) else value


def _known(kind: str, name: str, registry: Mapping[str, Factory]) -> Factory:
    if name not in registry:
        raise ValueError(f"no {kind} {name!r}; {nearest(name, registry)}")
    return registry[name]


@contextmanager
def _at(where: str) -> Iterator[None]:
    """What goes wrong here is the fault of this place in params.yaml."""
    try:
        yield
    except ValueError as error:
        raise RecurrenceError(f"{where}: {error}") from error
