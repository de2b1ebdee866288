import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from recurrence import params
from recurrence.errors import RecurrenceError
from recurrence.model import build_model, checkpoint, core_module

BLOCK = params.Model(
    corpus="toy", name="toy", core="awd_lstm", embedding=6, hidden=8, layers=2, tied=True
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    checkpoint.save_config(tmp_path, BLOCK, 11)
    for seed in (0, 10, 2):
        checkpoint.save_weights(tmp_path, seed, build_model(BLOCK, 11))
    return tmp_path


def test_a_model_comes_back_as_it_was(tmp_path: Path) -> None:
    model = build_model(BLOCK, 11).eval()
    checkpoint.save_config(tmp_path, BLOCK, 11)
    checkpoint.save_weights(tmp_path, 3, model)
    again = checkpoint.load_model(tmp_path, 3)
    ids = torch.randint(11, (2, 5))
    assert not again.training and checkpoint.load_config(tmp_path) == BLOCK
    torch.testing.assert_close(
        again(ids, again.initial_state(2)), model(ids, model.initial_state(2)), rtol=0, atol=0
    )


def test_seeds_are_listed_in_order(folder: Path) -> None:
    assert checkpoint.seeds_in(folder) == [0, 2, 10]


def test_missing_folder_or_seed(folder: Path) -> None:
    with pytest.raises(RecurrenceError, match="no trained model here"):
        checkpoint.load_model(folder / "nowhere", 0)
    with pytest.raises(RecurrenceError, match=r"no such seed; there are \[0, 2, 10\]"):
        checkpoint.load_model(folder, 1)


def test_foreign_weights_and_configs_are_named(folder: Path) -> None:
    (folder / "seed0.safetensors").write_bytes(b"not safetensors")
    with pytest.raises(RecurrenceError, match="not the weights of this model"):
        checkpoint.load_model(folder, 0)
    checkpoint.save_config(folder, BLOCK.model_copy(update={"hidden": 9}), 11)
    with pytest.raises(RecurrenceError, match="not the weights of this model"):
        checkpoint.load_model(folder, 2)
    (folder / "config.json").write_text('{"architectures": ["GPT2"]}')
    with pytest.raises(RecurrenceError, match="not a model of this project"):
        checkpoint.load_model(folder, 2)


# ---------------------------------------------------------------- folders from strangers


def refusal(folder: Path, **config: Any) -> str:
    """The message for the folder with other values in its config, on one line."""
    path = folder / "config.json"
    tree = json.loads(path.read_text())
    for name, value in config.items():
        (tree if name == "vocab_size" else tree["model"])[name] = value
    path.write_text(json.dumps(tree))
    with pytest.raises(RecurrenceError) as caught:
        checkpoint.load_model(folder, 0)
    return str(caught.value)


@pytest.mark.parametrize(
    "config",
    [
        {"layers": 100_000},
        {"layers": 1000},
        {"hidden": 10**6},
        {"hidden": 2**62},
        {"embedding": 10**12},
        {"vocab_size": 2**31 - 1},
        {"layers": 3},
        {"tied": False},
        {"core": "lstm"},
    ],
)
def test_sizes_are_held_against_the_weights_before_anything_is_made(
    folder: Path, monkeypatch: pytest.MonkeyPatch, config: dict[str, Any]
) -> None:
    kinds: list[str] = []

    def build(*given: Any) -> Any:
        kinds.append(torch.empty(0).device.type)
        return build_model(*given)

    monkeypatch.setattr(checkpoint, "build_model", build)
    assert re.search(r"(seed0.safetensors|config.json): ", refusal(folder, **config))
    assert set(kinds) <= {"meta"}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"vocab_size": float("nan")}, "vocab_size must be a whole number from 1 to"),
        ({"vocab_size": True}, "vocab_size must be a whole number from 1 to"),
        ({"vocab_size": 0}, "vocab_size must be a whole number from 1 to"),
        ({"vocab_size": 2**31}, "vocab_size must be a whole number from 1 to"),
        ({"hidden": True}, "hidden: must be a whole number, got True"),
        ({"hidden": 8.0}, "hidden: must be a whole number, got 8.0"),
        ({"seeds": [-1]}, "seeds.0: must be at least 0, got -1"),
        ({"core": "gpt"}, "no core 'gpt'"),
        ({"surprise": 1}, "surprise: unknown key"),
    ],
)
def test_a_config_that_is_none_is_named(folder: Path, config: dict[str, Any], message: str) -> None:
    assert re.search(re.escape(message), refusal(folder, **config))


@pytest.mark.parametrize("text", ["[" * 100_000, '{"vocab_size": ' + "9" * 5000, "\xff", "[]", "1"])
def test_a_config_that_is_no_json_of_ours_is_named(folder: Path, text: str) -> None:
    (folder / "config.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(RecurrenceError, match=r"config\.json: not "):
        checkpoint.load_model(folder, 0)


def test_a_config_of_a_gigabyte_is_not_read(folder: Path) -> None:
    with (folder / "config.json").open("r+b") as file:
        file.truncate(1 << 30)
    with pytest.raises(RecurrenceError, match="must have at most 1,048,576 bytes"):
        checkpoint.load_model(folder, 0)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_named(folder: Path, value: float) -> None:
    weights = load_file(folder / "seed0.safetensors")
    weights["embedding.weight"][1, 2] = value
    save_file(weights, folder / "seed0.safetensors")
    assert "'embedding.weight' holds values that are no finite numbers" in refusal(folder)


@pytest.mark.parametrize(
    ("core", "name", "values"),
    [
        ("unigram", "counts", [1, 2]),
        ("unigram", "counts", [1] * 10 + [-1]),
        ("unigram", "counts", [0.5] * 11),
        ("kneser_ney", "keys_1", [0, 2**62]),
        ("kneser_ney", "keys_2", [3, 2]),
        ("kneser_ney", "keys_2", []),
        ("kneser_ney", "counts", [1]),
    ],
)
def test_counts_that_cannot_be_are_named(
    tmp_path: Path, core: str, name: str, values: list[float]
) -> None:
    block = params.Model.model_validate({"corpus": "toy", "name": "toy", "core": core})
    model = core_module(core).Counted.count(np.arange(11, dtype=np.uint8).repeat(3), 11)
    checkpoint.save_config(tmp_path, block, 11)
    checkpoint.save_weights(tmp_path, 0, model)
    weights = load_file(tmp_path / "seed0.safetensors")
    kind = torch.float32 if 0.5 in values else weights[name].dtype
    save_file({**weights, name: torch.tensor(values, dtype=kind)}, tmp_path / "seed0.safetensors")
    assert f"not the weights of this model ({name} must" in refusal(tmp_path)


def test_a_vocabulary_of_another_length_is_named(folder: Path) -> None:
    checkpoint.check_vocabulary(folder, 11)
    with pytest.raises(RecurrenceError, match="config.json says, 11, has 12"):
        checkpoint.check_vocabulary(folder, 12)
