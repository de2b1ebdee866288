"""`recurrence export`: what is left in a folder, and what is refused."""

import sys
from pathlib import Path

import pytest

from small_project import Cli


def test_a_trained_model_becomes_a_folder(trained_project: Path, recurrence: Cli) -> None:
    code, _, err = recurrence("export", "mine/rnn", "out", "--to", "huggingface")
    assert (code, "trust_remote_code" in err) == (0, True)
    names = {each.name for each in (trained_project / "out").iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "modeling_recurrence.py"} <= names


def test_a_trained_model_becomes_a_graph(trained_project: Path, recurrence: Cli) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    code, _, err = recurrence("export", "mine/rnn", "deep/out", "--to", "onnx")
    assert (code, "differs from torch by" in err) == (0, True)
    names = {each.name for each in (trained_project / "deep/out").iterdir()}
    assert names == {"model.onnx", "onnx.json", "vocab.json"}


@pytest.mark.parametrize("to", ["onnx", "huggingface"])
def test_what_cannot_be_exported_leaves_nothing(
    to: str, trained_project: Path, recurrence: Cli
) -> None:
    code, _, err = recurrence("export", "mine/unigram", "out", "--to", to)
    assert (code, err.count("\n"), "a model that counts" in err) == (2, 1, True)
    assert not (trained_project / "out").exists()


def test_a_folder_that_is_there_is_not_written_over(trained_project: Path, recurrence: Cli) -> None:
    code, _, err = recurrence("export", "mine/rnn", "data", "--to", "onnx")
    assert (code, "is there already" in err) == (2, True)


@pytest.mark.parametrize(("to", "package"), [("onnx", "onnx"), ("huggingface", "transformers")])
def test_a_missing_package_is_named(
    to: str, package: str, trained_project: Path, recurrence: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    code, _, err = recurrence("export", "mine/rnn", "out", "--to", to)
    assert (code, f"pip install 'recurrence-lab[{to}]'" in err) == (2, True)
