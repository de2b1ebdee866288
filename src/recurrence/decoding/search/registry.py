"""The searches that a strategy may name: the value of its block becomes the search.

In: the block's value, and what else the block says and where it is used. Out: a search, ready to
generate; ValueError where the value is wrong.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from recurrence.decoding.filters.contract import Filter, Setting, Stateless
from recurrence.decoding.filters.values import choice, number, settings, whole
from recurrence.decoding.search.base import Search
from recurrence.decoding.search.beam import Beam, DiverseBeam, StochasticBeam
from recurrence.decoding.search.contrastive import ContrastiveSearch
from recurrence.tokens import EOS


@dataclass(frozen=True)
class SearchSetting:
    """What a strategy's block says beside the search's own settings, and where it is used."""

    name: str
    setting: Setting
    filters: tuple[Filter, ...] = ()
    banned: tuple[int, ...] = ()
    window: int | None = None

    def common(self) -> dict[str, Any]:
        """The fields that all searches have; raises ValueError for a filter with a state."""
        rules = tuple(each for each in self.filters if isinstance(each, Stateless))
        if len(rules) < len(self.filters):
            raise ValueError(
                "a filter with memory or chance of its own cannot follow the hypotheses of a search"
            )
        return {
            "name": self.name,
            "filters": rules,
            "banned": self.banned,
            "window": self.window,
        }


def beam(value: Any, given: SearchSetting) -> Search:
    """{width: 4, length_penalty: 1, eos: through|stop}; a lone number is the width.

    The defaults are Hugging Face's. A vocabulary without <eos> has nothing to stop at.
    """
    got = settings("beam", value, "width", {"width": 4, "length_penalty": 1.0, "eos": "through"})
    stops = choice("beam.eos", got["eos"], ("through", "stop")) == "stop"
    eos = given.setting.vocab.index.get(EOS) if stops else None
    if eos in given.banned:
        raise ValueError(f"beam.eos: to stop at {EOS}, the strategy's allow must name it")
    return Beam(
        **given.common(),
        width=whole("beam.width", got["width"]),
        length_penalty=number("beam.length_penalty", got["length_penalty"]),
        eos=eos,
    )


def diverse_beam(value: Any, given: SearchSetting) -> Search:
    """{width: 4, groups: as many as the width, penalty: 0.5}; a lone number is the width.

    The paper has penalties of 0.2 to 0.8.
    """
    got = settings("diverse_beam", value, "width", {"width": 4, "groups": None, "penalty": 0.5})
    width = whole("diverse_beam.width", got["width"])
    groups = width if got["groups"] is None else whole("diverse_beam.groups", got["groups"])
    if width % groups:
        raise ValueError(f"diverse_beam.groups must divide the width {width}, got {groups}")
    penalty = number("diverse_beam.penalty", got["penalty"], least=0)
    return DiverseBeam(**given.common(), width=width, groups=groups, penalty=penalty)


def stochastic_beam(value: Any, given: SearchSetting) -> Search:
    """{width: 4}; a lone number is the width."""
    got = settings("stochastic_beam", value, "width", {"width": 4})
    return StochasticBeam(**given.common(), width=whole("stochastic_beam.width", got["width"]))


def contrastive_search(value: Any, given: SearchSetting) -> Search:
    """{k: 5, alpha: 0.6}; a lone number is k. Alpha 0 is greedy.

    The paper has k from 3 to 10 and alpha 0.6.
    """
    got = settings("contrastive_search", value, "k", {"k": 5, "alpha": 0.6})
    if given.window is not None:
        raise ValueError(
            f"contrastive_search feeds each token once: window must be null, got {given.window}"
        )
    return ContrastiveSearch(
        **given.common(),
        k=whole("contrastive_search.k", got["k"]),
        alpha=number("contrastive_search.alpha", got["alpha"], least=0, most=1),
    )


SEARCHES: dict[str, Callable[[Any, SearchSetting], Search]] = {
    "beam": beam,
    "diverse_beam": diverse_beam,
    "stochastic_beam": stochastic_beam,
    "contrastive_search": contrastive_search,
}
"""By name; each takes the block's value and raises ValueError if it is wrong."""
