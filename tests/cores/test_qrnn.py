"""QRNN against a slow reference of our own, from the equations of 1611.01576: float64, explicit
loops over lanes, steps, features and the steps of a filter."""

import math

import pytest
import torch

from recurrence import params
from recurrence.cores.qrnn import Core, Layer
from recurrence.errors import RecurrenceError
from recurrence.model import build_model

#   B = lanes, T = time, E = input size, H = hidden size, K = filter width


def sigmoid(u: float) -> float:
    return 1 / (1 + math.exp(-u))


def by_the_equations(layer: Layer, x: list, past: list, c: list[float]) -> tuple[list, list]:
    """One lane: the h of each step, and the last c. `past` are the K - 1 inputs before x."""
    weight, bias = layer.filters.weight.tolist(), layer.filters.bias.tolist()
    width, hidden, inputs = layer.filter_width, len(c), [*past, *x]
    outputs = []
    for t in range(len(x)):
        h = []
        for j in range(hidden):
            z, f, o = (
                bias[row]
                + sum(
                    weight[row][k * len(x[0]) + e] * inputs[t + k][e]
                    for k in range(width)
                    for e in range(len(x[0]))
                )
                for row in (j, hidden + j, 2 * hidden + j)
            )
            c[j] = sigmoid(f) * c[j] + (1 - sigmoid(f)) * math.tanh(z)
            h.append(sigmoid(o) * c[j])
        outputs.append(h)
    return outputs, c


@pytest.mark.parametrize("width", [1, 2, 3])
def test_equals_the_equations(width: int) -> None:
    torch.manual_seed(0)
    layer = Layer(3, 4, width).double()
    x_BTE, c_BH = torch.randn(2, 6, 3).double(), torch.randn(2, 4).double()
    past_KBE = torch.randn(width - 1, 2, 3).double()
    state = (c_BH[None], past_KBE) if width > 1 else (c_BH[None],)
    found, after = layer(x_BTE, state)
    for b in range(2):
        lists = (x_BTE[b].tolist(), past_KBE[:, b].tolist(), c_BH[b].tolist())
        h, c = by_the_equations(layer, *lists)
        torch.testing.assert_close(
            found[b], torch.tensor(h, dtype=torch.float64), rtol=1e-12, atol=1e-12
        )
        torch.testing.assert_close(
            after[0][0, b], torch.tensor(c, dtype=torch.float64), rtol=1e-12, atol=1e-12
        )
    if width > 1:
        assert torch.equal(after[1], x_BTE[:, 1 - width :].transpose(0, 1))


@pytest.mark.parametrize("place", ["hidden", "plain_between"])
def test_dropout_is_between_layers_in_training_only(place: str) -> None:
    torch.manual_seed(0)
    for layers in (1, 2):
        core = Core(3, 4, layers, params.Dropout(**{place: 0.5})).train()
        state = tuple(torch.zeros(n, 2, size) for n, size in core.state_shapes)
        x_BTE = torch.randn(2, 6, 3)
        assert torch.equal(core(x_BTE, state)[0], core(x_BTE, state)[0]) == (layers == 1)
        core.eval()
        assert torch.equal(core(x_BTE, state)[0], core(x_BTE, state)[0])


def test_a_filter_has_at_least_one_step() -> None:
    sizes = {"corpus": "toy", "name": "toy", "core": "qrnn", "embedding": 6, "hidden": 8}
    block = params.Model.model_validate(sizes | {"options": {"filter_width": 0}})
    with pytest.raises(RecurrenceError, match="options.filter_width must be at least 1, got 0"):
        build_model(block, 11)
