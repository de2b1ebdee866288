"""A digest for each stage and key of the pipeline: of the code that it reads, and of values with
their defaults.

dvc.yaml says what a stage goes over, which models' weights and which params it reads (`params` and
`meta: {reads: ...}`); the rest is found in the code. With these digests as its params a stage is
due when what it reads changes, and not when a file beside it does.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import recurrence
from recurrence import params
from recurrence.code import DIGITS, Code
from recurrence.corpora.own import own_files, tokenizer_file
from recurrence.errors import RecurrenceError
from recurrence.params import Corpus, Sampling, Strategy

PACKAGE = Path(recurrence.__file__).parent
OWN = "digest"
"""The stage that writes the digests; it has none."""

FIELD = re.compile(r"\$\{item\.(\w+)\}")
MODEL = re.compile(r"data/models/\$\{item\.corpus\}/\$\{item\.(\w+)\}")
"""A model whose weights a stage reads or writes, by the field that names it."""
MODELS = "data/models/${key}"
"""All models of a corpus."""


def digests(
    package: Path, stages: Mapping[str, Any], given: params.Params, root: Path
) -> dict[str, dict[str, str]]:
    """By stage and key. `stages` are those of dvc.yaml; texts of one's own are found from
    `root`.
    """
    code = Code(package)
    return {
        verb: {
            key: _Edge(verb, fields["do"], given, key).digest(code, root)
            for key in _keys(fields, given)
        }
        for verb, fields in stages.items()
        if verb != OWN
    }


def strategy_digest(strategy: Strategy, cores: Iterable[str], package: Path = PACKAGE) -> str:
    """What a strategy's samples depend on beside weights, prompts and sizes.

    That is its block, the code of its filters or search, and what all strategies have in common;
    `cores` are those of the models that have a part in its samples.
    """
    roots = ["decoding.making", "decoding.strategies", *(f"cores.{core}" for core in cores)]
    read = _code(package).read(roots, _registries([strategy]))
    return _digest([read.digest, strategy.model_dump(mode="json")])


_CODE: dict[Path, Code] = {}


def _code(package: Path) -> Code:
    """A package's code, read once in the life of a process."""
    return _CODE.setdefault(package, Code(package))


@dataclass(frozen=True)
class _Edge:
    """One stage at one key: `fields` are what dvc.yaml says of the stage."""

    verb: str
    fields: Mapping[str, Any]
    params: params.Params
    key: str

    def digest(self, code: Code, root: Path) -> str:
        read = code.read(
            [f"stages.{self.verb}", *(f"cores.{core}" for core in self.cores())],
            _registries(self.strategies(), self.corpus),
        )
        values = [*self.values(), *self.results()]
        if "FILTERS" in read.registries:
            values += [each.model_dump(mode="json") for each in self.strategies()]
        if self.verb == "download":
            values += self.sources(root)
        if self.verb == "build_vocab" and self.corpus.tokens.tokenizer is not None:
            values.append(self.tokenizer(root))
        return _digest([read.digest, *values])

    @property
    def corpus(self) -> Corpus:
        return self.params.corpora[self.key.partition("-")[0]]

    @property
    def sampled(self) -> Sampling | None:
        return self.params.sampling.get(self.key)

    def cores(self) -> set[str]:
        """Those of the models whose weights the stage reads or writes."""
        named = {field for path in self._paths("deps", "outs") for field in MODEL.findall(path)}
        corpus = self.key.partition("-")[0]
        block = self.sampled or self.params.models.get(self.key)
        names = {getattr(block, field) for field in named}
        return {self.params.models[f"{corpus}-{name}"].core for name in names}

    def strategies(self) -> list[Strategy]:
        """Those of the model, where it is sampled."""
        known = self.params.strategies
        if self.sampled is None:
            return []
        return [known[name] for name in self.sampled.strategies or known]

    def values(self) -> Iterator[Any]:
        """What the stage reads of params.yaml, with all defaults."""
        named = [*self.fields.get("params", ()), *self.fields.get("meta", {}).get("reads", ())]
        for place in named:
            if isinstance(place, str) and not place.startswith("recipes."):  # a model holds its own
                yield _plain(_at(self.params, self._filled(place)))

    def results(self) -> Iterator[Any]:
        """The blocks of all models of a corpus, for a stage that reads the results of all."""
        if MODELS in self._paths("deps"):
            ours = (self.params.models, self.params.sampling)
            for blocks in ours:
                yield {k: _plain(b) for k, b in blocks.items() if b.corpus == self.key}
            yield {name: _plain(block) for name, block in self.params.strategies.items()}

    def sources(self, root: Path) -> Iterator[str]:
        """The content of a corpus's own files; that of one which is not there is none."""
        return map(_content, own_files(self.corpus.source, root).values())

    def tokenizer(self, root: Path) -> str:
        """The content of a tokenizer.json of one's own; that of one which is not there is none."""
        try:
            path = tokenizer_file(self.corpus.tokens, root)
        except RecurrenceError:  # the stage says so
            return ""
        return "" if path is None else _content(path)

    def _paths(self, *kinds: str) -> list[str]:
        given = [each for kind in kinds for each in self.fields.get(kind, ())]
        return [next(iter(each)) if isinstance(each, dict) else each for each in given]

    def _filled(self, place: str) -> list[str]:
        place = place.replace("${protocol.size}", self.params.protocol.size)
        block = self.sampled or self.params.models.get(self.key)
        place = FIELD.sub(lambda found: str(getattr(block, found[1])), place)
        return place.replace("${key}", self.key).split(".")


def _keys(fields: Mapping[str, Any], given: params.Params) -> Iterable[str]:
    """The keys that a stage goes over; none for a stage that is none of ours."""
    section: str = str(fields.get("foreach", "")).strip("${}")
    return getattr(given, section) if section in ("corpora", "models", "sampling") else ()


def _registries(
    strategies: Iterable[Strategy], corpus: Corpus | None = None
) -> dict[str, list[str]]:
    """What these use of the code's registries."""
    return {
        "FILTERS": [name for each in strategies for entry in each.filters for name in entry],
        "SEARCHES": [name for each in strategies for name in each.search or ()],
        "KINDS": [corpus.source.kind] if corpus else [],
    }


def _at(tree: Any, place: Iterable[str]) -> Any:
    for part in place:
        tree = tree[part] if isinstance(tree, dict) else getattr(tree, part)
    return tree


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json") if isinstance(value, params.Block) else value


def _content(path: Path) -> str:
    """A digest of a file, or of all files of a folder."""
    if path.is_dir():
        inside = sorted(each for each in path.rglob("*") if each.is_file())
        return _digest([(each.relative_to(path).as_posix(), _content(each)) for each in inside])
    if not path.is_file():
        return ""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _digest(facts: Any) -> str:
    text = json.dumps(facts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
