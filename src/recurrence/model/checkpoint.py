"""Trained models on disk: safetensors and JSON, no pickle. A folder holds one model with all its
seeds.

A folder may come from a stranger: what its config says is held against the names and shapes at the
head of its weights before anything of that size is made, and what comes out is held to be numbers.
"""

import re
import reprlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save

from recurrence import params
from recurrence.errors import RecurrenceError, in_brief
from recurrence.files import read_json, write_json
from recurrence.model import LanguageModel, blank_model, build_model, core_module
from recurrence.wording import worded

MOST_CONFIG_BYTES = 1 << 20
MOST_TOKENS = 2**31 - 1
"""Ids are 32 bits wide."""
Shapes = dict[str, tuple[int, ...]]


def save_config(folder: Path, block: params.Model, vocab_size: int) -> None:
    """Write config.json: the params block and the size of the vocabulary."""
    write_json(
        folder / "config.json", {"model": block.model_dump(mode="json"), "vocab_size": vocab_size}
    )


def save_weights(folder: Path, seed: int, model: torch.nn.Module) -> None:
    """Write seed<k>.safetensors."""
    write_weights(folder, seed, packed(model.state_dict()))


def write_weights(folder: Path, seed: int, weights: bytes) -> None:
    """Write seed<k>.safetensors as `packed` made it. Not by save_file: its error for a full disk is
    no OSError.
    """
    (folder / f"seed{seed}.safetensors").write_bytes(weights)


def packed(tensors: Mapping[str, torch.Tensor]) -> bytes:
    """Weights as safetensors; the same bytes wherever they were trained."""
    return bytes(save({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}))


def load_config(folder: Path) -> params.Model:
    """The params block a model was trained with; raises RecurrenceError for a folder that holds no
    model of ours.
    """
    return _config(folder)[0]


def seeds_in(folder: Path) -> list[int]:
    """The training seeds whose weights are there, ascending."""
    found = [
        re.fullmatch(r"seed([0-9]{1,18})\.safetensors", path.name)
        for path in folder.glob("seed*.safetensors")
    ]
    return sorted(int(match[1]) for match in found if match)


def load_model(folder: Path, seed: int, device: torch.device | str = "cpu") -> LanguageModel:
    """One seed's model, ready to predict (eval mode).

    Raises RecurrenceError when the folder or the seed is missing, or the weights are not those of
    its config.
    """
    block, vocab_size = _config(folder)
    path = folder / f"seed{seed}.safetensors"
    if not path.is_file():
        raise RecurrenceError(f"{path}: no such seed; there are {seeds_in(folder) or 'none'}")
    with _named(path):
        module = core_module(block.core)
        if hasattr(module, "Counted"):
            model: LanguageModel = module.Counted.from_state(
                _numbers(path), vocab_size, **block.options
            )
        else:
            _check_shapes(_shapes(path), block, vocab_size)
            weights = _numbers(path)
            model = build_model(block, vocab_size)
            model.load_state_dict(weights)
    return model.to(device).eval()


def check_vocabulary(folder: Path, tokens: int) -> None:
    """Raise RecurrenceError unless the folder's model has as many tokens as its vocabulary."""
    size = _config(folder)[1]
    if tokens != size:
        raise RecurrenceError(
            f"{folder}: vocab.json must have as many tokens as config.json says, {size:,}, has "
            f"{tokens:,}: they are not of one model; train it again"
        )


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Whatever torch or safetensors make of foreign weights becomes one line that names the
    file.
    """
    try:
        yield
    except RecurrenceError as error:
        raise RecurrenceError(
            f"{path}: cannot be loaded ({error}); train it again, or get the whole folder anew"
        ) from error
    except (
        SafetensorError,
        ArithmeticError,
        LookupError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        raise RecurrenceError(
            f"{path}: not the weights of this model ({in_brief(error)}); train it again"
        ) from error


def _shapes(path: Path) -> Shapes:
    """The shape of each tensor, from the head of the file alone."""
    with safe_open(path, "pt") as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118


def _check_shapes(found: Shapes, block: params.Model, vocab_size: int) -> None:
    """Raise ValueError for the first tensor that is not as the config says. Makes nothing of the
    config's sizes.
    """
    if block.layers > len(found):
        raise ValueError(f"{block.layers:,} layers cannot lie in {len(found):,} tensors")
    expected = blank_model(block, vocab_size).state_dict()
    for name in expected.keys() ^ found.keys():
        raise ValueError(f"{name!r} must {'' if name in expected else 'not '}be there")
    for name, tensor in expected.items():
        if tuple(tensor.shape) != found[name]:
            raise ValueError(f"{name!r} must be {tuple(tensor.shape)}, is {found[name]}")


def _numbers(path: Path) -> dict[str, torch.Tensor]:
    """The tensors; raises ValueError where one holds what is no number."""
    tensors: dict[str, torch.Tensor] = load_file(path)
    for name, tensor in tensors.items():
        if tensor.is_complex() or (tensor.is_floating_point() and not tensor.isfinite().all()):
            raise ValueError(f"{name!r} holds values that are no finite numbers")
    return tensors


def _config(folder: Path) -> tuple[params.Model, int]:
    path = folder / "config.json"
    if not path.is_file():
        raise RecurrenceError(
            f"{folder}: no trained model here (no config.json); train it: dvc repro "
            f"train@CORPUS-NAME"
        )
    tree = read_json(path, MOST_CONFIG_BYTES)
    try:
        return params.Model.model_validate(tree["model"]), _vocab_size(tree["vocab_size"])
    except ValidationError as error:
        wrong = worded(error, f"{path}: model", tree["model"], params.Model)
        raise RecurrenceError(f"{wrong}\nnot a model of this project; train it again") from error
    except (KeyError, TypeError, ValueError) as error:
        raise RecurrenceError(
            f"{path}: not a model of this project ({in_brief(error)}); train it again"
        ) from error


def _vocab_size(value: object) -> int:
    if type(value) is not int or not 1 <= value <= MOST_TOKENS:
        raise ValueError(
            f"vocab_size must be a whole number from 1 to {MOST_TOKENS:,}, got "
            f"{reprlib.repr(value)}"
        )
    return value
