"""params.yaml -> frozen models; the only place that validates or words a params error.

Every name that exists (a corpus, a model, a strategy) is a block here. Lengths count tokens, losses are nats.
"""

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from recurrence import paths
from recurrence.errors import RecurrenceError, nearest
from recurrence.wording import worded

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]
Probability = Annotated[float, Field(ge=0, lt=1)]
Chosen = TypeVar("Chosen")


class Block(BaseModel):
    """A params block: unknown keys are errors, values do not change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


# ---------------------------------------------------------------- corpora


class Source(Block):
    """Where a corpus comes from. `kind` names the reader in corpora/."""

    kind: Literal["text", "archive", "human_numbers"]
    addresses: tuple[str, ...] = ()
    """Public address first, then further ones; a path is taken as a local file. Tried in order after the mirror."""
    digests: tuple[Annotated[str, Field(pattern=r"^(md5:[0-9a-f]{32}|sha256:[0-9a-f]{64})$")], ...] = ()
    """Digests of the downloaded file, any of which is accepted; empty: not checked (a corpus of one's own)."""
    members: dict[Literal["train", "valid"], str] = {}
    """archive: a glob over member names for each part."""
    member_digests: dict[str, Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]] = {}
    """Digests of members (archive) or of the files written (human_numbers)."""
    encoding: str = "utf-8"

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.kind != "human_numbers" and not self.addresses:
            raise ValueError("addresses must name at least one path or address")
        if (self.kind == "archive") != bool(self.members):
            raise ValueError("members goes with kind: archive, and archive needs it")
        return self


class Tokens(Block):
    """How text becomes tokens."""

    unit: Literal["char", "word"]
    lower: bool = False
    newlines: Literal["keep", "drop"] = "keep"
    """char: whether the newline is a character of the text. word: always a separator."""
    eos: Literal["none", "part", "line"] = "none"
    """Where an <eos> is put: nowhere, once at the end of each part, or after every line."""
    words: Literal["space", "punctuation"] = "space"
    """word: split at white space, or also split punctuation off (for raw prose)."""


class Split(Block):
    """The ordered split; nothing is shuffled. Which value is read depends on the rule."""

    rule: Literal["line_fraction", "line", "token_windows", "given"]
    fraction: Annotated[float, Field(gt=0, lt=1)] = 0.8
    """line_fraction: ceil(fraction x lines) go to train. token_windows: int(fraction x windows) windows do."""
    line: Count | None = None
    window: Count | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.rule == "line") != (self.line is not None):
            raise ValueError("line goes with rule: line, which needs it")
        if (self.rule == "token_windows") != (self.window is not None):
            raise ValueError("window goes with rule: token_windows, which needs it")
        return self


class VocabRule(Block):
    """How the vocabulary is built."""

    built_from: Literal["train", "all"] = "train"
    """`all` only where a notebook did so (its figures need it); it lets the vocabulary see the validation text."""
    min_count: Count = 1
    max_size: Count | None = None
    order: Literal["count", "first_use", "sorted"] = "count"
    """count: by descending count, ties alphabetical."""
    specials: tuple[str, ...] = ("<unk>", "<pad>")
    """Put first, in this order. Without <unk>, a token outside the vocabulary is an error."""


class Sample(Block):
    """Use only the first lines of each part, so that the same stages run on a small machine."""

    train_lines: Count
    valid_lines: Count


class Prompts(Block):
    """What `generate` continues: evenly spaced held-out windows, and texts given here."""

    held_out: Annotated[int, Field(ge=0)] = 8
    prompt_tokens: Count = 64
    texts: tuple[str, ...] = ()
    length: Count = 1000
    """Tokens generated per sample."""
    seeds: tuple[int, ...] = (0, 1)
    """Sampling seeds; a deterministic strategy uses the first alone."""
    checkpoints: Count = 1
    """How many of a model's training seeds generate."""


class Corpus(Block):
    """One corpus and everything that follows from its text. dvc wants each key that a stage names written out ({} will
    do for vocab and prompts), so they have no default here either."""

    source: Source
    tokens: Tokens
    split: Split
    vocab: VocabRule
    sample: Sample | None = None
    prompts: Prompts


# ---------------------------------------------------------------- models


class Dropout(Block):
    """Dropout probabilities by place. The first five are AWD-LSTM's; the last two are plain (a new mask per step)."""

    embedding: Probability = 0.0
    """Whole rows of the embedding matrix, one mask per forward (dropoute)."""
    input: Probability = 0.0
    """Locked over time, after the embedding (dropouti)."""
    weight: Probability = 0.0
    """DropConnect on the hidden-to-hidden matrices, once per forward (wdrop)."""
    hidden: Probability = 0.0
    """Locked, between layers (dropouth)."""
    output: Probability = 0.0
    """Locked, on the last layer's output (dropout)."""
    plain_between: Probability = 0.0
    """Between layers, as nn.LSTM's own `dropout`."""
    plain_output: Probability = 0.0
    """On the last layer's output, before the head."""


class Batches(Block):
    """How the id stream becomes batches."""

    loader: Literal["variable_bptt", "lanes", "rows", "windows"]
    """variable_bptt: fastai 0.7's loader. lanes: fixed windows along lanes, remainder dropped.
    rows: fixed windows one after another, no lanes. windows: single-target windows in a new random order per epoch."""
    size: Count
    """Rows (lanes) per batch."""
    bptt: Count
    """Tokens per window (the mean, for variable_bptt)."""
    stride: Count | None = None
    """Distance between windows; default bptt. Only `windows` may overlap (stride < bptt)."""
    targets: Literal["each", "last"] = "each"
    """A target after every token of a window, or only after its last."""
    state: Literal["carry", "reset", "zero"] = "carry"
    """carry: never reset, flows from train to validation to the next epoch. reset: zero at the start of each training
    epoch and of each validation. zero: zero for every window."""
    skip_valid: Annotated[int, Field(ge=0)] = 0
    """Tokens of the validation stream to pass over in as_notebook validation (a notebook's own cut)."""
    notebook_split: Literal["none", "random_windows", "last_window"] = "none"
    """The notebook's own validation over windows of the WHOLE text: a random 20 % (leaky), or the last window alone.
    as_notebook figures then come from a second training on the remaining windows; `exact` never sees them."""


class Optimizer(Block):
    """Adam as the notebook had it."""

    betas: tuple[Probability, Probability] = (0.9, 0.999)
    eps: Positive = 1e-8
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    decoupled: bool = False
    """False: L2 added to the gradient. True: p -= lr * weight_decay * p (AdamW)."""
    decay_biases: bool = True
    """False: the biases of Linear heads are not decayed (fastai 2)."""


class Schedule(Block):
    """Learning rate (and, for one_cycle, beta 1) as a function of the step."""

    kind: Literal["constant", "cosine_restarts", "one_cycle"]
    lr: Positive | Literal["leftover"]
    """Peak learning rate; `leftover`: what the phase before left in the optimizer."""
    cycle_batches: Count | Literal["epoch"] = "epoch"
    """cosine_restarts: length of the first cycle; epoch: as many batches as the loader says an epoch has."""
    cycle_mult: Count = 1
    warm_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """cosine_restarts: at the very start, this fraction of the first cycle runs at lr/100."""
    pct_start: Annotated[float, Field(gt=0, lt=1)] = 0.25
    div: Positive = 25.0
    div_final: Positive = 1e5
    moms: tuple[Probability, Probability, Probability] = (0.95, 0.85, 0.95)


class Phase(Block):
    """Some epochs under one schedule."""

    epochs: Count
    schedule: Schedule
    optimizer: Optimizer | None = None
    """Given: a new optimizer (state forgotten). Absent: the phase before goes on with its state."""


class Recipe(Block):
    """How a model with gradients is trained."""

    batches: Batches
    phases: Annotated[tuple[Phase, ...], Field(min_length=1)]
    clip: Positive | None = None
    """Bound on the gradient norm over all parameters."""
    ar: Annotated[float, Field(ge=0)] = 0.0
    """Activation regularization: ar * mean(h^2) on the last layer's output."""
    ar_on: Literal["raw", "dropped"] = "raw"
    tar: Annotated[float, Field(ge=0)] = 0.0
    """Temporal activation regularization: tar * mean((h_t - h_{t-1})^2) on the raw output."""
    sample_tokens: Count | None = None
    """Train, and validate after each epoch, on the first so many tokens only (for schedules on a small machine)."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.phases[0].optimizer is None:
            raise ValueError("phases.0.optimizer must be given: there is no earlier phase to keep")
        if self.phases[0].schedule.lr == "leftover":
            raise ValueError("phases.0.schedule.lr must be a number: there is no earlier phase to inherit from")
        return self


class Model(Block):
    """One model: a core, its sizes, a recipe, and the seeds it is trained with."""

    corpus: Name
    name: Name
    core: Name
    """A file in src/recurrence/cores/."""
    layers: Count = 1
    embedding: Count | None = None
    hidden: Count | None = None
    tied: bool = False
    """The head's weights are the embedding's."""
    head_bias: bool = True
    init_range: Positive | None = None
    """Embedding and head weights uniform in +-init_range; default: torch's own."""
    context: Count | None = None
    """A window model sees only so many tokens, from zero state; absent: state is carried."""
    dropout: Dropout = Dropout()
    options: dict[str, Any] = {}
    """The core's own settings."""
    recipe: Recipe | None = None
    """Absent for a baseline that counts."""
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (0,)
    notebook: str | None = None
    """The id in notebooks.yaml whose printed figures this model is compared with."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds must differ from one another, got {list(self.seeds)}")
        return self


# ---------------------------------------------------------------- decoding and loops


class Strategy(Block):
    """A decoding strategy: filters in the order they are applied, then one choice."""

    pick: Literal["argmax", "sample"]
    filters: tuple[dict[str, Any], ...] = ()
    """Each a one-key mapping, filter name to its value: {top_k: 5}."""
    allow: tuple[str, ...] = ("<eos>",)
    """Specials that may be emitted; all others are banned."""
    feeding: Literal["stateful", "rolling"] = "stateful"
    """stateful: one token per step. rolling: the last `window` tokens again at every step, state kept (notebooks)."""
    window: Count | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.feeding == "rolling") != (self.window is not None):
            raise ValueError("window goes with feeding: rolling, which needs it")
        for entry in self.filters:
            if len(entry) != 1:
                raise ValueError(f"filters must be one-key mappings like {{top_k: 5}}, got {entry}")
        return self


class Loops(Block):
    """What counts as a loop (an exact run with copies >= 2 and matched >= the floor)."""

    floor: dict[Literal["char", "word"], Count] = {"char": 40, "word": 20}
    """Least evidence in matched tokens; raised where the corpus's own training text has longer runs."""
    human_windows: Count = 200
    """Windows of the corpus's own text, of the samples' length, scored beside the samples."""


class Compute(Block):
    """The machine; changes nothing in the results' meaning, so no stage depends on it."""

    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: Count | None = None


class Params(Block):
    """The whole of params.yaml."""

    corpora: dict[Name, Corpus]
    models: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*-[a-z][a-z0-9_]*$")], Model]
    strategies: dict[Name, Strategy]
    loops: Loops = Loops()
    compute: Compute = Compute()

    @model_validator(mode="after")
    def _check(self) -> Self:
        cores = core_names()
        for key, block in self.models.items():
            where = f"models.{key}"
            if block.corpus not in self.corpora:
                raise ValueError(f"{where}.corpus: no corpus {block.corpus!r}; {nearest(block.corpus, self.corpora)}")
            if key != f"{block.corpus}-{block.name}":
                raise ValueError(f"{where}: the key must be corpus-name, here {block.corpus}-{block.name}")
            if block.core not in cores:
                raise ValueError(f"{where}.core: no core {block.core!r}; {nearest(block.core, cores)}")
        return self


def core_names() -> list[str]:
    """The cores there are: the files of cores/."""
    return sorted(p.stem for p in (Path(__file__).parent / "cores").glob("*.py") if p.stem != "__init__")


class _NoDoubles(yaml.SafeLoader):
    """YAML takes the last of two equal keys without a word; a block copied and not renamed would vanish."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.MarkedYAMLError(problem=f"the key {key.value!r} is there twice", problem_mark=key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)


def parse(text: str, where: str = "params.yaml") -> Params:
    """Validate the text of a params file; raises RecurrenceError naming the key, the rule and the value."""
    try:
        tree = yaml.load(text, _NoDoubles)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise RecurrenceError(f"{where}{at}: not YAML as it should be: {error.problem}") from error
    except yaml.YAMLError as error:
        raise RecurrenceError(f"{where}: not YAML: {error}") from error
    if not isinstance(tree, dict):
        raise RecurrenceError(f"{where}: must be a mapping with the keys {', '.join(Params.model_fields)}")
    try:
        return Params.model_validate(tree)
    except ValidationError as error:
        raise RecurrenceError(worded(error, where, tree, Params)) from error


@lru_cache(maxsize=4)
def _load(path: Path, _stamp: int) -> Params:
    return parse(path.read_text(encoding="utf-8"), path.name)


def load() -> Params:
    """The project's params.yaml."""
    path = paths.params()
    try:
        return _load(path, path.stat().st_mtime_ns)
    except OSError as error:
        raise RecurrenceError(f"{path}: cannot be read ({error.strerror}); is RECURRENCE_ROOT right?") from error
    except UnicodeDecodeError as error:
        raise RecurrenceError(f"{path}: not UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8") from error


def corpus(key: str) -> Corpus:
    """The block of one corpus; an unknown name is met with the nearest."""
    return _block(load().corpora, key, "corpora")


def model(key: str) -> Model:
    """The block of one model by its key, `corpus-name` (or `corpus/name`)."""
    return _block(load().models, key.replace("/", "-", 1), "models")


def strategies() -> dict[str, Strategy]:
    return load().strategies


def models_of(corpus_name: str) -> dict[str, Model]:
    """The models of one corpus, in the order of params.yaml."""
    return {k: m for k, m in load().models.items() if m.corpus == corpus_name}


def _block(blocks: dict[str, Chosen], key: str, section: str) -> Chosen:
    if key not in blocks:
        raise RecurrenceError(f"params.yaml: {section} has no {key!r}; {nearest(key, blocks)}")
    return blocks[key]
