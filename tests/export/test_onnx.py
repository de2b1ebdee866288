"""A graph under onnxruntime against torch. A new core is tested by existing; tracing one takes
seconds.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from export.made import CONTEXT, RECURRENT, VOCAB, made
from recurrence.cores import uniform
from recurrence.errors import RecurrenceError
from recurrence.export import onnx

pytest.importorskip("onnxscript")
runtime = pytest.importorskip("onnxruntime")


def the_graph_computes_the_same(core: str, context: int | None, folder: Path) -> None:
    """Several steps of carried state, with more lanes than it was traced with."""
    _, model = made(core, context)
    assert onnx.export_onnx(model, folder) <= onnx.ROUNDING
    assert onnx.largest_difference(model, folder / "model.onnx", lanes=5) <= onnx.ROUNDING


@pytest.mark.parametrize("core", ["lstm", "qrnn"])
def test_a_graph_computes_the_same(core: str, tmp_path: Path) -> None:
    the_graph_computes_the_same(core, None, tmp_path)


@pytest.mark.nightly
@pytest.mark.parametrize("context", [None, CONTEXT])
@pytest.mark.parametrize("core", RECURRENT)
def test_every_core_is_a_graph(core: str, context: int | None, tmp_path: Path) -> None:
    the_graph_computes_the_same(core, context, tmp_path)


def test_what_goes_in_and_out_is_written_down(tmp_path: Path) -> None:
    _, model = made("lstm", layers=2)
    onnx.export_onnx(model, tmp_path)
    told = json.loads((tmp_path / "onnx.json").read_text(encoding="utf-8"))
    session = runtime.InferenceSession(tmp_path / "model.onnx")
    inputs = {each["name"]: each for each in told["inputs"]}
    assert [each.name for each in session.get_inputs()] == ["ids", "state_0", "state_1"]
    assert inputs["state_1"]["shape"] == [2, "lanes", 8]
    state = {name: np.zeros((2, 1, 8), np.float32) for name in ("state_0", "state_1")}
    logits, *after = session.run(None, {"ids": np.zeros((1, 1), np.int64), **state})
    assert logits.shape == (1, 1, len(VOCAB))
    assert [each.shape for each in after] == [(2, 1, 8)] * 2


def test_a_graph_of_other_weights_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, model = made("rnn")
    onnx.export_onnx(model, tmp_path)
    with torch.no_grad():
        model.embedding.weight[3] += 1
    assert onnx.largest_difference(model, tmp_path / "model.onnx") > onnx.ROUNDING
    monkeypatch.setattr(onnx, "_exported", lambda *_: Kept())
    with pytest.raises(RecurrenceError, match="more than rounding"):
        onnx.export_onnx(model, tmp_path)


class Kept:
    """Leaves the file as it is."""

    def save(self, *_: object, **__: object) -> None:
        pass


def test_a_model_that_counts_is_no_graph(tmp_path: Path) -> None:
    with pytest.raises(RecurrenceError, match="looks its tables up"):
        onnx.export_onnx(uniform.Counted.count(np.zeros(9, np.uint8), 2), tmp_path)
    assert not list(tmp_path.iterdir())


def test_triangular_systems_are_solved_row_by_row() -> None:
    rng = torch.Generator().manual_seed(0)
    triangle = torch.randn(2, 4, 4, generator=rng)
    known = torch.randn(2, 4, 3, generator=rng)
    expected = torch.linalg.solve_triangular(triangle, known, upper=False, unitriangular=True)
    torch.testing.assert_close(onnx._solved(triangle, known), expected)
