"""The blocks that say how models are sampled, by which strategies, and what counts as a loop."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import ConfigDict, Field, ValidationInfo, field_validator, model_validator

from recurrence.errors import nearest
from recurrence.params.block import Block, Count, Name, Number, Whole
from recurrence.params.names import looked_up

Family = Literal["search", "greedy", "greedy with filters", "pure sampling", "truncated sampling"]


class Strategy(Block):
    """A decoding strategy: filters in the order they are applied, then one choice, or a search.

    Any value in filters and search may be {char: x, word: y}, read by the vocabulary's unit;
    subwords are read as words where there is no `subword: z` beside them.
    """

    pick: Literal["argmax", "sample"] | None = None
    search: dict[str, Any] | None = None
    """One key, the search's name, to its settings: {beam: {width: 4}}."""
    filters: tuple[dict[str, Any], ...] = ()
    """Each a one-key mapping, filter name to its value: {top_k: 5}."""
    allow: tuple[str, ...] = ("<eos>",)
    """Specials that may be emitted; all others are banned."""
    feeding: Literal["stateful", "rolling"] = "stateful"
    """stateful: one token per step. rolling: the last `window` tokens again at every step, state
    kept (notebooks).
    """
    window: Count | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.pick is None) == (self.search is None):
            raise ValueError(
                "either pick (argmax or sample) or search must be given, one of the two"
            )
        if self.search is not None and len(self.search) != 1:
            raise ValueError(
                f"search must be a one-key mapping like {{beam: {{width: 4}}}}, got {self.search}"
            )
        if (self.feeding == "rolling") != (self.window is not None):
            raise ValueError("window goes with feeding: rolling, which needs it")
        for entry in self.filters:
            if len(entry) != 1:
                raise ValueError(f"filters must be one-key mappings like {{top_k: 5}}, got {entry}")
        return self

    @property
    def family(self) -> Family:
        """By what it mainly is; reports group strategies by it."""
        if self.search is not None:
            return "search"
        if self.pick == "argmax":
            return "greedy with filters" if self.filters else "greedy"
        return "truncated sampling" if self.filters else "pure sampling"


class Sampling(Block):
    """That a model is sampled, and which other models of its corpus have a part in that."""

    corpus: Name
    name: Name
    """Both as in the model's own block, for dvc.yaml to read."""
    reference: Name
    """The reference model: under its first net the samples are priced, in nats per token."""
    amateur: Name
    """The weaker model that contrastive decoding subtracts."""
    strategies: tuple[Name, ...] | None = None
    """In params.yaml a list, or the name of one of `strategy_sets:`. Default: all."""

    @field_validator("strategies", mode="before")
    @classmethod
    def _by_name(cls, value: Any, info: ValidationInfo) -> Any:
        return looked_up(value, info, "strategy_sets")


Unit = Literal["char", "word", "subword"]
Chosen = TypeVar("Chosen")


def is_by_unit(value: Mapping[str, Any]) -> bool:
    """Whether a mapping gives a value for each kind of unit, and is no block of another kind."""
    return bool(value) and value.keys() <= set(get_args(Unit))


def for_unit(values: Mapping[Unit, Chosen], unit: str) -> Chosen:
    """The value for corpora of a unit; subwords take that of words where they have none of their
    own.
    """
    known = {str(each): value for each, value in values.items()}
    return known.get(unit, known["word"])


ByUnit = dict[Unit, Count]
"""A number for corpora of characters, one for those of words, and where it differs one for
subwords.
"""


class Sizes(Block):
    """How much is sampled, and on how much the detector is tried.

    Every net of a model is sampled. In a first pass each strategy continues a few prompts with each
    of them. Then `candidates` of the settings are tried for recommendation, the nearest to human
    text first: half of the nets continues fresh prompts until the loop rate is known to be at most
    `protocol.bound`, or it is clear that it will not be.
    """

    pairs: Whole = 24
    """The first pass: pairs of a net and a held-out prompt, for each strategy. They are dealt out
    evenly: 24 are 5 prompts for each of 5 nets, 24 for a single one."""
    seeds: Annotated[tuple[Whole, ...], Field(min_length=1)] = (0,)
    """Sampling seeds; a deterministic strategy uses the first alone."""
    candidates: Whole = 6
    """Most settings of a model that are tried for recommendation."""
    most: ByUnit = {"char": 400, "word": 130}
    """Most pairs of a net and a fresh prompt for one candidate. Without a loop 381 show that at
    most 1 % loop, 125 that at most 3 % do.
    """
    card_trials: Count = 4
    """Planted loops per cell of the detector card's grid."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds must differ from one another, got {list(self.seeds)}")
        if missing := {"char", "word"} - set(self.most):
            raise ValueError(f"most: must be {{char: ..., word: ...}}, {min(missing)} is missing")
        return self


class Protocol(Block):
    """Sizes by name, which of them is meant, and by what settings are compared and chosen."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Sizes] = Field(init=False)

    size: Name
    reference: Name | None = None
    """The strategy with which the others are compared: pure sampling. Without it, none are."""
    bound: dict[Unit, Annotated[Number, Field(gt=0, lt=1)]] = {
        "char": 0.01,
        "word": 0.03,
    }
    """A setting is recommended if at most this share of its samples loops (95 % confidence)."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.size not in self.__pydantic_extra__:
            raise ValueError(
                f"size: no size {self.size!r}; {nearest(self.size, self.__pydantic_extra__)}"
            )
        if missing := {"char", "word"} - set(self.bound):
            raise ValueError(f"bound: must be {{char: ..., word: ...}}, {min(missing)} is missing")
        return self

    @property
    def sizes(self) -> Sizes:
        """Those of the chosen size."""
        return self.__pydantic_extra__[self.size]


class Loops(Block):
    """What counts as a loop (an exact run with copies >= 2 and matched >= the floor)."""

    floor: ByUnit = {"char": 40, "word": 20}
    """Least evidence in matched tokens; raised where the corpus's own training text has longer
    runs.
    """
    human_windows: Count = 200
    """Windows of the corpus's own text, of the samples' length, scored beside the samples."""
