"""Trained models on disk: safetensors and JSON, no pickle. A folder holds one model with all its seeds."""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from recurrence import params
from recurrence.errors import RecurrenceError
from recurrence.files import read_json, write_json
from recurrence.model import LanguageModel, build_model, core_module


def save_config(folder: Path, block: params.Model, vocab_size: int) -> None:
    """Write config.json: the params block and the size of the vocabulary."""
    write_json(
        folder / "config.json", {"model": block.model_dump(mode="json"), "vocab_size": vocab_size}
    )


def save_weights(folder: Path, seed: int, model: torch.nn.Module) -> None:
    """Write seed<k>.safetensors."""
    write_weights(folder, seed, packed(model.state_dict()))


def write_weights(folder: Path, seed: int, weights: bytes) -> None:
    """Write seed<k>.safetensors as `packed` made it. Not by save_file: its error for a full disk is no OSError."""
    (folder / f"seed{seed}.safetensors").write_bytes(weights)


def packed(tensors: Mapping[str, torch.Tensor]) -> bytes:
    """Weights as safetensors; the same bytes wherever they were trained."""
    return bytes(save({name: tensor.contiguous().cpu() for name, tensor in tensors.items()}))


def load_config(folder: Path) -> params.Model:
    """The params block a model was trained with; raises RecurrenceError for a folder that holds no model of ours."""
    return _config(folder)[0]


def seeds_in(folder: Path) -> list[int]:
    """The training seeds whose weights are there, ascending."""
    found = [
        re.fullmatch(r"seed(\d+)\.safetensors", path.name)
        for path in folder.glob("seed*.safetensors")
    ]
    return sorted(int(match[1]) for match in found if match)


def load_model(folder: Path, seed: int, device: torch.device | str = "cpu") -> LanguageModel:
    """One seed's model, ready to predict (eval mode).

    Raises RecurrenceError when the folder or the seed is missing, or the weights are not those of its config.
    """
    block, vocab_size = _config(folder)
    path = folder / f"seed{seed}.safetensors"
    if not path.is_file():
        raise RecurrenceError(f"{path}: no such seed; there are {seeds_in(folder) or 'none'}")
    module = core_module(block.core)
    try:
        weights = load_file(path)
        if hasattr(module, "Counted"):
            model: LanguageModel = module.Counted.from_state(weights, vocab_size, **block.options)
        else:
            model = build_model(block, vocab_size)
            model.load_state_dict(weights)
    except (SafetensorError, RuntimeError, KeyError) as error:
        raise RecurrenceError(
            f"{path}: not the weights of this model ({error}); train it again"
        ) from error
    return model.to(device).eval()


def _config(folder: Path) -> tuple[params.Model, int]:
    if not (folder / "config.json").is_file():
        raise RecurrenceError(
            f"{folder}: no trained model here (no config.json); train it: dvc repro train@CORPUS-NAME"
        )
    tree = read_json(folder / "config.json")
    try:
        return params.Model.model_validate(tree["model"]), int(tree["vocab_size"])
    except (ValidationError, KeyError, TypeError) as error:
        raise RecurrenceError(
            f"{folder / 'config.json'}: not a model of this project; train it again"
        ) from error
