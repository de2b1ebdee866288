from pathlib import Path

import pytest
import torch

from recurrence import params
from recurrence.errors import RecurrenceError
from recurrence.model import build_model, checkpoint

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
