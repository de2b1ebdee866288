"""Folders with a model whose config, vocabulary or weights are not quite right: used, or refused in
words.
"""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fuzzing import changed, damaged, few, many, refused_or_done
from hypothesis import given
from hypothesis import strategies as st

from recurrence import params
from recurrence.cli.places import trained
from recurrence.model import build_model, checkpoint, core_module
from recurrence.scoring import exact

TOKENS = ["<unk>", "<eos>", "a", "b", "c", "\x1b"]
VOCAB = {"tokens": TOKENS, "specials": ["<unk>", "<eos>"], "rule": {"unit": "char"}}
IDS = np.array([2, 3, 4, 2, 3, 5, 4, 0, 2, 2, 3, 4] * 4, np.uint8)
BLOCKS: list[dict[str, Any]] = [
    {"core": "lstm", "layers": 2, "embedding": 4, "hidden": 6},
    {"core": "awd_lstm", "layers": 2, "embedding": 4, "hidden": 6, "tied": True, "context": 3},
    {"core": "elman", "embedding": 4, "hidden": 4, "context": 3, "options": {"activation": "relu"}},
    {"core": "gru_cell", "embedding": 4, "hidden": 6, "head_bias": False},
    {"core": "kneser_ney", "options": {"order": 3}},
    {"core": "unigram"},
    {"core": "uniform"},
]


def made(folder: Path, number: int) -> Path:
    """A folder with the model of one of the blocks."""
    block = params.Model.model_validate({"corpus": "toy", "name": "toy", **BLOCKS[number]})
    module = core_module(block.core)
    torch.manual_seed(0)
    model = (
        module.Counted.count(IDS, len(TOKENS), **block.options)
        if hasattr(module, "Counted")
        else build_model(block, len(TOKENS))
    )
    folder.mkdir()
    checkpoint.save_config(folder, block, len(TOKENS))
    checkpoint.save_weights(folder, 0, model)
    (folder / "vocab.json").write_text(json.dumps(VOCAB))
    return folder


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("whole")
    return [made(root / str(number), number) for number in range(len(BLOCKS))]


@st.composite
def other_numbers(draw: st.DrawFn, content: bytes) -> bytes:
    """Weights of which one is another number, the head of the file as it was."""
    start = 8 + int.from_bytes(content[:8], "little")
    raw = bytearray(content)
    if len(raw) - start >= 8:
        at = start + 4 * draw(st.integers(0, (len(raw) - start - 8) // 4))
        raw[at : at + 8] = draw(
            st.sampled_from([b"\xff" * 8, b"\0\0\x80\x7f" * 2, b"\0" * 7 + b"\x7f", bytes(8)])
        )
    return bytes(raw)


@st.composite
def other_head(draw: st.DrawFn, content: bytes) -> bytes:
    """Weights whose head says something else of what they are."""
    size = int.from_bytes(content[:8], "little")
    head = json.dumps(draw(changed(json.loads(content[8 : 8 + size])))).encode()
    length = draw(st.sampled_from([len(head), len(head), 2**62, 0, size]))
    return length.to_bytes(8, "little") + head + content[8 + size :]


def spoiled(data: st.DataObject, folder: Path) -> None:
    """Change one of the folder's files."""
    name = data.draw(
        st.sampled_from(["config.json", "config.json", "vocab.json", "seed0.safetensors"])
    )
    content = (folder / name).read_bytes()
    if name.endswith("json"):
        tree = changed(json.loads(content)).map(lambda tree: json.dumps(tree).encode())
        new = data.draw(tree | tree | damaged(content))
    else:
        new = data.draw(other_numbers(content) | other_head(content) | damaged(content))
    (folder / name).write_bytes(new)


def use(folder: Path) -> None:
    """As `recurrence score` and `next` do it."""
    found = trained(str(folder), None)
    model = checkpoint.load_model(folder, found.seed)
    score = exact(model, found.vocab.encode(["a", "b", "c", "a", "a"] * 3))
    assert math.isfinite(score.nats)


def spoil_and_use(whole: list[Path], place: Path, data: st.DataObject) -> None:
    folder = place / "model"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole[data.draw(st.integers(0, len(whole) - 1))], folder)
    spoiled(data, folder)
    refused_or_done(lambda: use(folder))


def test_whole_ones_are_used(whole: list[Path]) -> None:
    for folder in whole:
        use(folder)


@few
@given(data=st.data())
def test_a_model_is_used_or_refused(whole: list[Path], tmp_path: Path, data: st.DataObject) -> None:
    spoil_and_use(whole, tmp_path, data)


@pytest.mark.nightly
@many
@given(data=st.data())
def test_a_model_is_used_or_refused_for_minutes(
    whole: list[Path], tmp_path: Path, data: st.DataObject
) -> None:
    spoil_and_use(whole, tmp_path, data)
