"""A strategy's params block becomes the object that generates."""

from recurrence import params
from recurrence.decoding.filters import FILTERS, Filter, ban, top_k
from recurrence.decoding.sampling import Sampler
from recurrence.errors import RecurrenceError, nearest
from recurrence.vocab import Vocab


def build_strategy(name: str, block: params.Strategy, vocab: Vocab) -> Sampler:
    """The strategy of a block for one vocabulary: a ban of the specials it does not allow, its filters, one choice.

    `allow` may name what this vocabulary does not have, as one block serves many. Raises RecurrenceError for a filter
    that does not exist, a value it cannot take, or a ban of the whole vocabulary.
    """
    where = f"params.yaml: strategies.{name}"
    banned = [vocab.index[token] for token in vocab.specials if token not in block.allow]
    if len(banned) == len(vocab):
        raise RecurrenceError(f"{where}.allow: every token is a special that is not allowed; allow one of them")
    chain = [ban(banned)] if banned else []
    for entry in block.filters:
        for filter_name, value in entry.items():
            chain.append(_filter(f"{where}.filters", filter_name, value))
    if block.pick == "argmax":
        chain.append(top_k(1))
    return Sampler(name, tuple(chain), block.pick == "argmax", block.window)


def _filter(where: str, name: str, value: object) -> Filter:
    if name not in FILTERS:
        raise RecurrenceError(f"{where}: no filter {name!r}; {nearest(name, FILTERS)}")
    try:
        return FILTERS[name](value)
    except ValueError as error:
        raise RecurrenceError(f"{where}: {error}") from error
