"""A strategy's params block becomes the object that generates."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import log
from typing import Any, TypeVar

import torch

from recurrence import params, paths
from recurrence.decoding.filters.contract import Setting
from recurrence.decoding.filters.registry import FILTERS
from recurrence.decoding.loop.sampling import Sampler
from recurrence.decoding.search.base import Search
from recurrence.decoding.search.registry import SEARCHES, SearchSetting
from recurrence.errors import RecurrenceError, nearest
from recurrence.files import read_json
from recurrence.model.checkpoint import load_model, seeds_in
from recurrence.vocab import Vocab

Entry = TypeVar("Entry")

UNITS = {"char", "word", "subword"}


def build_strategy(name: str, block: params.Strategy, setting: Setting) -> Sampler | Search:
    """The strategy of a block where it is used: bans, filters, and a choice or a search.

    What is banned are the specials that `allow` does not name; it may name what this vocabulary
    does not have, as one block serves many. Raises RecurrenceError for a filter or search that does
    not exist, a value it cannot take, or a ban of the whole vocabulary.
    """
    where = f"params.yaml: strategies.{name}"
    vocab = setting.vocab
    banned = tuple(vocab.index[token] for token in vocab.specials if token not in block.allow)
    if len(banned) == len(vocab):
        raise RecurrenceError(
            f"{where}.allow: every token is a special that is not allowed; allow one of them"
        )
    named = [(key, value) for entry in block.filters for key, value in entry.items()]
    with _at(f"{where}.filters"):
        chain = tuple(
            known("filter", key, FILTERS)(for_unit(value, vocab.unit), setting)
            for key, value in named
        )
    if block.search is not None:
        given = SearchSetting(name, setting, chain, banned, block.window)
        with _at(f"{where}.search"):
            [(key, value)] = block.search.items()
            return known("search", key, SEARCHES)(for_unit(value, vocab.unit), given)
    drawing = [key for (key, _), each in zip(named, chain, strict=True) if each.draws]
    if block.pick == "argmax" and drawing:
        raise RecurrenceError(
            f"{where}.pick: must be sample beside {drawing[0]}, which draws lots itself, got argmax"
        )
    return Sampler(name, chain, banned, block.pick == "argmax", block.window)


def setting_of(asked: params.Sampling, vocab: Vocab, where: torch.device) -> Setting:
    """What a trained model's filters may need to know.

    That is its validation bits per token, and its amateur (the first seed), loaded on the device.
    Raises RecurrenceError where the amateur is not trained.
    """
    nats = read_json(paths.scores(asked.corpus, asked.name))["exact"]["nats"]
    folder = paths.model(asked.corpus, asked.amateur)
    if not (seeds := seeds_in(folder)):
        raise RecurrenceError(
            f"{folder}: holds no weights, and {asked.name} needs it as its amateur; train it first"
        )
    return Setting(vocab, nats / log(2), load_model(folder, seeds[0], where).double())


def for_unit(value: Any, unit: str) -> Any:
    """The value with every {char: x, word: y} in it replaced by what that gives for the unit.

    Raises ValueError where it gives nothing for it.
    """
    if isinstance(value, Mapping) and value and value.keys() <= UNITS:
        chosen = "word" if unit == "subword" and unit not in value else unit
        if chosen not in value:
            raise ValueError(
                f"{dict(value)} has no value for {unit}s; give {{char: ..., word: ...}}"
            )
        return for_unit(value[chosen], unit)
    if isinstance(value, Mapping):
        return {key: for_unit(each, unit) for key, each in value.items()}
    return [for_unit(each, unit) for each in value] if isinstance(value, list) else value


def known(kind: str, name: str, registry: Mapping[str, Entry]) -> Entry:
    """What a name stands for; ValueError, with the nearest name, where it stands for nothing."""
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
