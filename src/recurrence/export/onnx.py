"""A trained model as an ONNX graph of one step: ids and a state in, logits and the next state out.

A state-carrying model reads one token of each lane at a time: `ids` (B, 1) and `state_0`,
`state_1`, ... as the core has them, each (L, B, H), zeros at first; out come `logits` (B, 1, V) and
`next_state_0`, ... A window model has no state: `ids` (B, context) in, `logits` (B, V) after the
window out. Any number of lanes; float32.

Models that count look tables up and are no graph of tensors. Needs onnx, onnxscript and onnxruntime
(extra `onnx`).
"""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from recurrence.errors import RecurrenceError, in_brief
from recurrence.files import write_json
from recurrence.model import LanguageModel, State, linear_recurrence
from recurrence.model.counting import CountedModel

#   B = lanes, T = time, V = vocabulary

EXAMPLE_LANES = 3
"""Of the inputs with which the graph is traced; the graph takes any number."""
CHECKED_STEPS = 16
ROUNDING = 1e-4
"""Largest difference to torch that may come from the order of float32 sums, as a share of the
largest value.
"""
MOST_BYTES = 1_900_000_000
"""A file of ONNX holds less than 2 GiB; what is larger goes beside it."""


class Step(nn.Module):
    """A model as a function of tensors alone: (ids, state) -> (logits, next state leaf by leaf)."""

    def __init__(self, model: LanguageModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, ids_BT: Tensor, state: State) -> tuple[Tensor, ...]:
        logits, after = self.model(ids_BT, state)
        return (logits, *(() if self.model.context else after))


def export_onnx(model: LanguageModel | CountedModel, folder: Path) -> float:
    """Write model.onnx and onnx.json (names and shapes of what goes in and out) into a folder.

    Returns the largest difference to torch over CHECKED_STEPS steps of carried state under
    onnxruntime, as a share of the largest value. Raises RecurrenceError for a model that counts,
    for what ONNX cannot express, and where the difference is more than rounding.
    """
    if isinstance(model, CountedModel):
        raise RecurrenceError(
            "a model that counts looks its tables up, which is no graph of tensors; export a "
            "trained net"
        )
    needed()
    target = folder / "model.onnx"
    inputs, outputs = names(model)
    _exported(model, inputs, outputs).save(str(target), external_data=_size(model) > MOST_BYTES)
    difference = largest_difference(model, target)
    if not difference <= ROUNDING:
        raise RecurrenceError(
            f"{target}: differs from torch by {difference:.1e} under onnxruntime, more than "
            f"rounding; "
            "do not use it, and tell the project which model this was"
        )
    write_json(folder / "onnx.json", _signature(model, inputs, outputs))
    return difference


def needed() -> None:
    """Raise RecurrenceError, with what to install, unless everything is there."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ModuleNotFoundError as error:
        raise RecurrenceError(
            f"export to ONNX needs {error.name}, which is not installed: pip install "
            f"'recurrence-lab[onnx]'"
        ) from error


def names(model: LanguageModel) -> tuple[list[str], list[str]]:
    """Of inputs and outputs."""
    leaves = range(len(_zero_state(model, 1)))
    inputs = ["ids", *(f"state_{i}" for i in leaves)]
    return inputs, ["logits", *(f"next_state_{i}" for i in leaves)]


def largest_difference(model: LanguageModel, file: Path, lanes: int = 2) -> float:
    """Of logits and states, between torch and onnxruntime, over steps that each carry its own
    state.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    inputs, _ = names(model)
    state = _zero_state(model, lanes)
    theirs = [leaf.numpy() for leaf in state]
    rng = torch.Generator().manual_seed(0)
    worst = 0.0
    for _ in range(CHECKED_STEPS):
        ids_BT = torch.randint(model.vocab_size, (lanes, model.context or 1), generator=rng)
        with torch.inference_mode():
            logits, *after = Step(model)(ids_BT, state)
        got = session.run(None, dict(zip(inputs, [ids_BT.numpy(), *theirs], strict=True)))
        for ours, other in zip([logits, *after], got, strict=True):
            scale = max(1.0, float(ours.abs().max()))
            worst = max(worst, float(np.abs(ours.numpy() - other).max()) / scale)
        state, theirs = tuple(after), got[1:]
    return worst


def _exported(model: LanguageModel, inputs: list[str], outputs: list[str]) -> Any:
    """The graph."""
    state = _zero_state(model, EXAMPLE_LANES)
    example = (torch.zeros(EXAMPLE_LANES, model.context or 1, dtype=torch.int64), state)
    lanes = torch.export.Dim.DYNAMIC
    shapes = ({0: lanes}, tuple({1: lanes} for _ in state))

    with _quiet(), torch.no_grad():
        try:
            with _RowByRow(), _without_writing_in_place():
                program = torch.export.export(Step(model).eval(), example, dynamic_shapes=shapes)
            return torch.onnx.export(
                program, input_names=inputs, output_names=outputs, dynamo=True, verbose=False
            )
        except (RuntimeError, ValueError, TypeError) as error:
            raise RecurrenceError(
                f"ONNX cannot express this model ({in_brief(error)}); export it to huggingface"
            ) from error


class _RowByRow(TorchFunctionMode):
    """Triangular systems written out: ONNX has no solver, and a step or a window has few rows."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        options = kwargs or {}
        if func is torch.linalg.solve_triangular and options == {
            "upper": False,
            "unitriangular": True,
        }:
            return _solved(*args)
        return func(*args, **options)


def _solved(triangle: Tensor, known: Tensor) -> Tensor:
    """x of `triangle` x = `known`, whose diagonal is taken as 1: each row less what those above it
    account for.
    """
    rows = [known[..., :1, :]]
    for i in range(1, known.shape[-2]):
        above = torch.cat(rows, -2)
        rows.append(known[..., i : i + 1, :] - triangle[..., i : i + 1, :i] @ above)
    return torch.cat(rows, -2)


@contextmanager
def _without_writing_in_place() -> Iterator[None]:
    """A linear recurrence as it is computed on a GPU: on a CPU it writes into memory, which fixes
    the sizes.
    """
    before = linear_recurrence.one_by_one
    linear_recurrence.one_by_one = linear_recurrence.doubling
    try:
        yield
    finally:
        linear_recurrence.one_by_one = before


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what torch's exporter says about itself."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


def _zero_state(model: LanguageModel, lanes: int) -> State:
    return () if model.context else model.initial_state(lanes)


def _size(model: LanguageModel) -> int:
    return sum(each.numel() * each.element_size() for each in model.parameters())


def _signature(model: LanguageModel, inputs: list[str], outputs: list[str]) -> dict[str, Any]:
    """Names, types and shapes, "lanes" where any number will do."""
    shapes: list[list[int | str]] = [
        [leaf.shape[0], "lanes", leaf.shape[2]] for leaf in _zero_state(model, 1)
    ]
    ids: list[int | str] = ["lanes", model.context or 1]
    logits: list[int | str] = (
        ["lanes", model.vocab_size] if model.context else ["lanes", 1, model.vocab_size]
    )
    described = [*zip(inputs, ["int64", *("float32" for _ in shapes)], [ids, *shapes], strict=True)]
    told = [*zip(outputs, ["float32"] * len(outputs), [logits, *shapes], strict=True)]
    keys = ("name", "type", "shape")
    return {
        "inputs": [dict(zip(keys, each, strict=True)) for each in described],
        "outputs": [dict(zip(keys, each, strict=True)) for each in told],
        "context": model.context,
    }
