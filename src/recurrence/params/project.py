"""params.yaml -> one frozen tree of blocks. Every name that exists (a corpus, a model, a strategy)
is a block there.
"""

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BeforeValidator, TypeAdapter, ValidationError, model_validator

from recurrence import paths
from recurrence.errors import RecurrenceError, nearest
from recurrence.numerics import Numerics
from recurrence.params.block import Block, Count, Flag, Key, Name
from recurrence.params.corpora import Corpus
from recurrence.params.decoding import Loops, Protocol, Sampling, Sizes, Strategy
from recurrence.params.models import Model, Recipe
from recurrence.params.names import UNREAD, Names
from recurrence.params.reading import read_file, read_tree
from recurrence.wording import worded

Chosen = TypeVar("Chosen")
MaybeRecipe = Annotated[Recipe | None, BeforeValidator(lambda given: given or None)]
"""That of a model that counts is empty."""
StrategySet = tuple[Name, ...]


class Compute(Block):
    """The machine, and how it computes. No stage depends on it, so a change here trains nothing
    anew.

    What is computed otherwise than by default is another result all the same:
    reports/<corpus>/machine.csv says how it was.
    """

    numerics: Numerics = "portable"
    """portable: the same bytes on every x86-64 processor with AVX2, each net on one core. fast:
    whatever is quickest here. A model may have its own.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Count | None = None
    """Cores that a stage may use; absent: all there are. A large net in fast numerics takes so many
    threads; others take one, and so many seeds train side by side.
    """
    precision: Literal["float32", "tf32", "bf16"] = "float32"
    """Of training alone; scores and samples never have less than float32. tf32: products on a GPU
    keep 10 bits of their factors. bf16: products and layers keep 7; weights and optimizer stay
    float32. Figures that are to be reproduced are made with float32.
    """
    deterministic: Flag = False
    """On a GPU: the same seed gives the same bytes, at some cost. On a CPU it does anyway."""
    cuda_graphs: Flag = True
    """On a GPU, launch a step as a whole; false only to look for errors. The results are the
    same.
    """


class Params(Block):
    """The whole of params.yaml."""

    corpora: dict[Name, Corpus]
    recipes: dict[Name, MaybeRecipe] = {}
    models: dict[Key, Model]
    sampling: dict[Key, Sampling] = {}
    """By the model's key; a model without a block here is trained and scored, but not sampled."""
    protocol: Protocol = Protocol.model_validate({"size": "small", "small": {}})
    strategies: dict[Name, Strategy]
    strategy_sets: dict[Name, StrategySet] = {}
    """Some of the strategies, by a name that `sampling` may use."""
    loops: Loops = Loops()
    compute: Compute = Compute()

    @model_validator(mode="after")
    def _check(self) -> Self:
        for key, block in self.models.items():
            where = f"models.{key}"
            _known(where, "corpus", block.corpus, self.corpora)
            if key != f"{block.corpus}-{block.name}":
                raise ValueError(
                    f"{where}: the key must be corpus-name, here {block.corpus}-{block.name}"
                )
            _known(where, "core", block.core, core_names())
            if "recipe" not in block.model_fields_set:
                raise ValueError(
                    f"{where}.recipe: missing; name one of recipes: (dvc.yaml reads it), "
                    f"for a model that counts one that is empty"
                )
        for name, chosen in self.strategy_sets.items():
            for each in chosen:
                _known(f"strategy_sets.{name}", "strategies", each, self.strategies, "strategy")
        if self.protocol.reference is not None:
            _known("protocol", "reference", self.protocol.reference, self.strategies, "strategy")
        for key, sampled in self.sampling.items():
            self._check_sampling(f"sampling.{key}", key, sampled)
        return self

    def _check_sampling(self, where: str, key: str, sampled: Sampling) -> None:
        if key not in self.models:
            raise ValueError(f"{where}: no model {key!r}; {nearest(key, self.models)}")
        model = self.models[key]
        for field in ("corpus", "name"):
            if (ours := getattr(sampled, field)) != (must := getattr(model, field)):
                raise ValueError(
                    f"{where}.{field}: must be the model's own, {must!r}, got {ours!r}"
                )
        others = [
            each.name
            for each in self.models.values()
            if each.corpus == model.corpus and each is not model
        ]
        for field in ("reference", "amateur"):
            if (name := getattr(sampled, field)) == model.name:
                raise ValueError(
                    f"{where}.{field}: must be another model than {name!r} itself; "
                    f"{nearest('', others)}"
                )
            _known(where, field, name, others, f"model of {model.corpus}")
        for name in sampled.strategies or ():
            _known(where, "strategies", name, self.strategies, "strategy")


def _known(where: str, field: str, name: str, valid: Any, kind: str | None = None) -> None:
    if name not in valid:
        raise ValueError(f"{where}.{field}: no {kind or field} {name!r}; {nearest(name, valid)}")


def core_names() -> list[str]:
    """The cores there are: the files of cores/."""
    return sorted(
        p.stem for p in (Path(__file__).parents[1] / "cores").glob("*.py") if p.stem != "__init__"
    )


def parse(text: str, where: str = "params.yaml") -> Params:
    """Validate the text of a params file; raises RecurrenceError naming the key, the rule and the
    value.
    """
    tree = read_tree(text, where)
    if not isinstance(tree, dict):
        raise RecurrenceError(
            f"{where}: must be a mapping with the keys {', '.join(Params.model_fields)}"
        )
    try:
        return Params.model_validate(tree, context=_names(tree))
    except ValidationError as error:
        raise RecurrenceError(worded(error, where, tree, Params)) from error


def _names(tree: dict[Any, Any]) -> Names:
    return Names(
        _each(tree.get("recipes"), TypeAdapter(MaybeRecipe)),
        _each(tree.get("strategy_sets"), TypeAdapter(StrategySet)),
    )


def _each(section: Any, kind: TypeAdapter[Any]) -> dict[str, Any]:
    """The valid blocks of a section; the others stand for nothing."""
    found: dict[str, Any] = {}
    for name, block in section.items() if isinstance(section, dict) else ():
        try:
            found[name] = kind.validate_python(block)
        except ValidationError:
            found[name] = UNREAD
    return found


@lru_cache(maxsize=4)
def _load(path: Path, _stamp: int) -> Params:
    return parse(read_file(path), path.name)


def load() -> Params:
    """The project's params.yaml."""
    path = paths.params()
    try:
        return _load(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise RecurrenceError(
            f"{path}: cannot be read ({error.strerror}); is RECURRENCE_ROOT right?"
        ) from error


def corpus(key: str) -> Corpus:
    """The block of one corpus; an unknown name is met with the nearest."""
    return _block(load().corpora, key, "corpora")


def model(key: str) -> Model:
    """The block of one model by its key, `corpus-name` (or `corpus/name`)."""
    return _block(load().models, key.replace("/", "-", 1), "models")


def strategies() -> dict[str, Strategy]:
    return load().strategies


def sampling(key: str) -> Sampling:
    """How one model is sampled, by its key, `corpus-name` (or `corpus/name`)."""
    return _block(load().sampling, key.replace("/", "-", 1), "sampling")


def sampled_of(corpus_name: str) -> dict[str, Sampling]:
    """The models of one corpus that are sampled, in the order of params.yaml."""
    return {k: s for k, s in load().sampling.items() if s.corpus == corpus_name}


def protocol() -> Sizes:
    """The sizes that params.yaml has chosen."""
    return load().protocol.sizes


def models_of(corpus_name: str) -> dict[str, Model]:
    """The models of one corpus, in the order of params.yaml."""
    return {k: m for k, m in load().models.items() if m.corpus == corpus_name}


def _block(blocks: dict[str, Chosen], key: str, section: str) -> Chosen:
    if key not in blocks:
        raise RecurrenceError(f"params.yaml: {section} has no {key!r}; {nearest(key, blocks)}")
    return blocks[key]
