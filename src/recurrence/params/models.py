"""The blocks that say what a model is: a core, its sizes, and the recipe by which it is trained."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from recurrence.numerics import Numerics
from recurrence.params.block import Block, Count, Flag, Name, Number, Positive, Probability, Whole
from recurrence.params.names import Names, looked_up

Layers = Annotated[Count, Field(le=1000)]
Width = Annotated[Count, Field(le=1 << 20)]
"""More units than any layer has; from some number on, torch cannot even say how large its weights
would be.
"""


class Dropout(Block):
    """Dropout probabilities by place. The first five are AWD-LSTM's; the last two are plain (a new
    mask per step).
    """

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
    rows: fixed windows one after another, no lanes. windows: single-target windows in a new random
    order per epoch.
    """
    size: Count
    """Rows (lanes) per batch."""
    bptt: Count
    """Tokens per window (the mean, for variable_bptt)."""
    stride: Count | None = None
    """Distance between windows; default bptt. Only `windows` may overlap (stride < bptt)."""
    targets: Literal["each", "last"] = "each"
    """A target after every token of a window, or only after its last."""
    state: Literal["carry", "reset", "zero"] = "carry"
    """carry: never reset, flows from train to validation to the next epoch. reset: zero at the
    start of each training epoch and of each validation. zero: zero for every window.
    """
    skip_valid: Whole = 0
    """Tokens of the validation stream to pass over in as_notebook validation (a notebook's own
    cut).
    """
    notebook_split: Literal["none", "random_windows", "last_window"] = "none"
    """The notebook's own validation over windows of the WHOLE text: a random 20 % (leaky), or the
    last window alone. as_notebook figures then come from a second training on the remaining
    windows; `exact` never sees them.
    """


class Optimizer(Block):
    """Adam as the notebook had it."""

    betas: tuple[Probability, Probability] = (0.9, 0.999)
    eps: Positive = 1e-8
    weight_decay: Annotated[Number, Field(ge=0)] = 0.0
    decoupled: Flag = False
    """False: L2 added to the gradient. True: p -= lr * weight_decay * p (AdamW)."""
    decay_biases: Flag = True
    """False: the biases of Linear heads are not decayed (fastai 2)."""


class Schedule(Block):
    """Learning rate (and, for one_cycle, beta 1) as a function of the step."""

    kind: Literal["constant", "cosine_restarts", "one_cycle"]
    lr: Positive | Literal["leftover"]
    """Peak learning rate; `leftover`: what the phase before left in the optimizer."""
    cycle_batches: Count | Literal["epoch"] = "epoch"
    """cosine_restarts: length of the first cycle; epoch: as many batches as the loader says an
    epoch has.
    """
    cycle_mult: Count = 1
    warm_fraction: Annotated[Number, Field(ge=0, lt=1)] = 0.0
    """cosine_restarts: at the very start, this fraction of the first cycle runs at lr/100."""
    pct_start: Annotated[Number, Field(gt=0, lt=1)] = 0.25
    div: Positive = 25.0
    div_final: Positive = 1e5
    moms: tuple[Probability, Probability, Probability] = (0.95, 0.85, 0.95)


class Phase(Block):
    """Some epochs under one schedule."""

    epochs: Count
    schedule: Schedule
    optimizer: Optimizer | None = None
    """Given: a new optimizer (state forgotten). Absent: the phase before goes on with its state."""


class OnDivergence(Block):
    """What to do when the loss is no longer finite: go back to the last good state, with a lower
    learning rate.
    """

    reduce_lr: Annotated[Number, Field(gt=0, lt=1)]
    """What the learning rate of all that follows is multiplied with."""
    at_most: Count
    """How often; the next time it stops."""


class Recipe(Block):
    """How a model with gradients is trained."""

    batches: Batches
    phases: Annotated[tuple[Phase, ...], Field(min_length=1)]
    clip: Positive | None = None
    """Bound on the gradient norm over all parameters."""
    ar: Annotated[Number, Field(ge=0)] = 0.0
    """Activation regularization: ar * mean(h^2) on the last layer's output."""
    ar_on: Literal["raw", "dropped"] = "raw"
    tar: Annotated[Number, Field(ge=0)] = 0.0
    """Temporal activation regularization: tar * mean((h_t - h_{t-1})^2) on the raw output."""
    sample_tokens: Count | None = None
    """Train, and validate after each epoch, on the first so many tokens only (for schedules on a
    small machine).
    """
    on_divergence: Annotated[OnDivergence | None, Field(exclude_if=lambda value: value is None)] = (
        None
    )
    """Absent: stop. Where it is absent, config.json has no such key."""

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.phases[0].optimizer is None:
            raise ValueError("phases.0.optimizer must be given: there is no earlier phase to keep")
        if self.phases[0].schedule.lr == "leftover":
            raise ValueError(
                "phases.0.schedule.lr must be a number: there is no earlier phase to inherit from"
            )
        return self


class Model(Block):
    """One model: a core, its sizes, a recipe, and the seeds it is trained with."""

    corpus: Name
    name: Name
    core: Name
    """A file in src/recurrence/cores/."""
    layers: Layers = 1
    embedding: Width | None = None
    hidden: Width | None = None
    tied: Flag = False
    """The head's weights are the embedding's."""
    head_bias: Flag = True
    init_range: Annotated[Number, Field(gt=0, le=1000)] | None = None
    """Embedding and head weights uniform in +-init_range; default: torch's own."""
    context: Count | None = None
    """A window model sees only so many tokens, from zero state; absent: state is carried."""
    dropout: Dropout = Dropout()
    options: dict[str, Any] = {}
    """The core's own settings."""
    recipe: Recipe | None = None
    """In params.yaml the name of one of `recipes:`. That of a model that counts is empty: None."""
    seeds: Annotated[tuple[Whole, ...], Field(min_length=1)] = (0,)
    numerics: Annotated[Numerics | None, Field(exclude_if=lambda value: value is None)] = None
    """Of this model alone, where it shall be another than compute.numerics."""
    notebook: str | None = None
    """The id in notebooks.yaml whose printed figures this model is compared with."""

    @field_validator("recipe", mode="before")
    @classmethod
    def _by_name(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(info.context, Names) and not isinstance(value, str):
            raise ValueError(f"must be the name of one of recipes:, got {value!r}")
        return looked_up(value, info, "recipes")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds must differ from one another, got {list(self.seeds)}")
        return self
