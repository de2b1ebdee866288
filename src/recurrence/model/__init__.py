"""LanguageModel = embedding + core + head. It knows ids and logits, not text."""

import inspect
from importlib import import_module
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from recurrence import params
from recurrence.cores import Core
from recurrence.errors import RecurrenceError, nearest
from recurrence.model.dropout import Dropout, LockedDropout, drop_rows

#   B = lanes, T = time, V = vocabulary, E = embedding size, H = hidden size, L = layers

State = tuple[Tensor, ...]
"""Tensors, each LBH; empty where a model keeps none."""


class LanguageModel(nn.Module):
    """Predicts the next token at every position, or, with `context`, after the last token of a
    window.

    forward(ids_BT, state) -> (logits, next state). context None: logits_BTV. context n: T is 1..n,
    the core starts from zero state, logits_BV are those after the last token, and the state passes
    through unused.
    """

    def __init__(self, block: params.Model, vocab_size: int) -> None:
        super().__init__()
        if block.embedding is None or block.hidden is None:
            where = f"params.yaml: models.{block.corpus}-{block.name}"
            raise RecurrenceError(
                f"{where}: embedding and hidden must be given for core {block.core!r}"
            )
        self.vocab_size = vocab_size
        self.context = block.context
        self.embedding = nn.Embedding(vocab_size, block.embedding)
        self.core: Core = _core(block)
        self.head = _head(block, self.core.output_size, vocab_size)
        self.drop_embedding = block.dropout.embedding
        self.drop_input = LockedDropout(block.dropout.input)
        self.drop_output = nn.Sequential(
            LockedDropout(block.dropout.output), Dropout(block.dropout.plain_output)
        )
        if block.init_range is not None:
            nn.init.uniform_(self.embedding.weight, -block.init_range, block.init_range)
            if self.head.weight is not None:
                nn.init.uniform_(self.head.weight, -block.init_range, block.init_range)

    def initial_state(self, lanes: int) -> State:
        """Zeros for so many lanes, on the model's device."""
        like = self.embedding.weight
        return tuple(like.new_zeros(layers, lanes, size) for layers, size in self.core.state_shapes)

    def forward(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        if self.context is None:
            _, dropped_BTH, state = self.features(ids_BT, state)
            return self.logits(dropped_BTH), state
        _, dropped_BTH, _ = self.features(ids_BT, self.initial_state(ids_BT.shape[0]))
        return self.logits(dropped_BTH[:, -1]), state

    def features(self, ids_BT: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        """The core's last output, raw and after output dropout (the regularizers want both), and
        the next state.
        """
        raw_BTH, state = self.core(self.drop_input(self.embed(ids_BT)), state)
        return raw_BTH, self.drop_output(raw_BTH), state

    def embed(self, ids_BT: Tensor) -> Tensor:
        """Ids -> vectors_BTE, in training without the rows that are dropped."""
        return F.embedding(
            ids_BT, drop_rows(self.embedding.weight, self.drop_embedding, self.training)
        )

    def logits(self, features: Tensor) -> Tensor:
        """(..., H) -> (..., V); tied, by the embedding's own weights."""
        weight_VH = self.embedding.weight if self.head.weight is None else self.head.weight
        return F.linear(features, weight_VH, self.head.bias)


class Head(nn.Linear):
    """A linear layer whose weight may be absent (tied); only its parameters are used."""


def _head(block: params.Model, size: int, vocab_size: int) -> Head:
    if block.tied and size != block.embedding:
        raise RecurrenceError(
            f"params.yaml: models.{block.corpus}-{block.name}.tied: the core's output ({size}) "
            f"must be as wide as the "
            f"embedding ({block.embedding})"
        )
    head = Head(size, vocab_size, bias=block.head_bias)
    if block.tied:
        head.weight = None  # type: ignore[assignment]
    return head


def core_module(name: str) -> ModuleType:
    """The file of cores/ with that name."""
    if name not in params.core_names():
        raise RecurrenceError(f"no core {name!r}; {nearest(name, params.core_names())}")
    return import_module(f"recurrence.cores.{name}")


def counts(block: params.Model) -> bool:
    """Whether the block's core counts, and so takes no recipe, rather than learn by gradient.

    Raises RecurrenceError where the block has a recipe and should not, or the reverse.
    """
    counted = hasattr(core_module(block.core), "Counted")
    if counted == (block.recipe is not None):
        rule = "counts and takes no recipe" if counted else "learns by gradient and needs a recipe"
        where = f"params.yaml: models.{block.corpus}-{block.name}.recipe"
        raise RecurrenceError(f"{where}: core {block.core!r} {rule}")
    return counted


def build_model(block: params.Model, vocab_size: int) -> LanguageModel:
    """A new model with torch's global generator for its initial weights."""
    return LanguageModel(block, vocab_size)


def blank_model(block: params.Model, vocab_size: int) -> LanguageModel:
    """A model without numbers, on torch's meta device: for the names and shapes of its parts."""
    with torch.device("meta"), _Undrawn():
        return build_model(block, vocab_size)


class _Undrawn(TorchFunctionMode):
    """Leaves weights undrawn: for tensors without numbers torch would load its compiler,
    seconds.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if getattr(func, "__name__", "") in ("normal_", "uniform_"):
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))


def _core(block: params.Model) -> Core:
    kind: Any = core_module(block.core).Core
    own = set(inspect.signature(kind).parameters) - {
        "input_size",
        "hidden_size",
        "layers",
        "dropout",
    }
    where = f"params.yaml: models.{block.corpus}-{block.name}"
    if unknown := sorted(set(block.options) - own):
        raise RecurrenceError(
            f"{where}.options: core {block.core!r} has no {unknown[0]!r}; "
            f"{nearest(unknown[0], own)}"
        )
    try:
        core: Core = kind(
            block.embedding, block.hidden, block.layers, block.dropout, **block.options
        )
    except (KeyError, TypeError, ValueError) as error:
        raise RecurrenceError(f"{where}: {error}") from error
    return core
