"""Mogrifier LSTM against a slow reference of our own, from the equations of 1909.01792 (float64,
explicit loops over features), and, without rounds, against torch's LSTM.
benchmarks/published_cores.py compares the rounds with a public implementation."""

import math

import pytest
import torch

from recurrence import params
from recurrence.cores import lstm
from recurrence.cores.mogrifier import Core, Layer
from recurrence.errors import RecurrenceError
from recurrence.model import build_model

#   B = lanes, T = time, E = input size, H = hidden size

Vector = list[float]


def sigmoid(u: float) -> float:
    return 1 / (1 + math.exp(-u))


def product(matrix: list[Vector], vector: Vector) -> Vector:
    return [sum(w * v for w, v in zip(row, vector, strict=True)) for row in matrix]


def dense(matrix: torch.nn.Module) -> list[Vector]:
    """The matrix, or the product of the two it is made of."""
    weights = [each.weight for each in matrix.modules() if isinstance(each, torch.nn.Linear)]
    whole = weights[0] if len(weights) == 1 else weights[1] @ weights[0]
    return whole.tolist()


def step(layer: Layer, x: Vector, h: Vector, c: Vector) -> tuple[Vector, Vector]:
    for i, matrix in enumerate(layer.rounds, start=1):
        if i % 2:
            gates = product(dense(matrix), h)
            x = [2 * sigmoid(g) * each for g, each in zip(gates, x, strict=True)]
        else:
            gates = product(dense(matrix), x)
            h = [2 * sigmoid(g) * each for g, each in zip(gates, h, strict=True)]
    parts = (product(dense(layer.input), x), product(dense(layer.recurrent), h))
    biases = (layer.input.bias.tolist(), layer.recurrent.bias.tolist())
    rows = [sum(four) for four in zip(*parts, *biases, strict=True)]
    size = len(c)
    i_, f, g, o = (rows[k * size : (k + 1) * size] for k in range(4))
    c = [sigmoid(f[j]) * c[j] + sigmoid(i_[j]) * math.tanh(g[j]) for j in range(size)]
    return [sigmoid(o[j]) * math.tanh(c[j]) for j in range(size)], c


@pytest.mark.parametrize(("rounds", "rank"), [(1, None), (2, None), (5, None), (5, 2)])
def test_equals_the_equations(rounds: int, rank: int | None) -> None:
    torch.manual_seed(0)
    layer = Layer(3, 4, rounds, rank).double()
    x_BTE, h_BH, c_BH = (torch.randn(s).double() for s in ((2, 6, 3), (2, 4), (2, 4)))
    found, h_after, c_after = layer(x_BTE, h_BH, c_BH)
    for b in range(2):
        h, c = h_BH[b].tolist(), c_BH[b].tolist()
        for t in range(6):
            h, c = step(layer, x_BTE[b, t].tolist(), h, c)
            expected = torch.tensor(h, dtype=torch.float64)
            torch.testing.assert_close(found[b, t], expected, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(h_after[b], expected, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(
            c_after[b], torch.tensor(c, dtype=torch.float64), rtol=1e-12, atol=1e-12
        )


def test_without_rounds_it_is_an_lstm() -> None:
    torch.manual_seed(0)
    ours, theirs = Core(3, 4, 2, params.Dropout(), rounds=0), lstm.Core(3, 4, 2, params.Dropout())
    for i, layer in enumerate(ours.layers):
        for part, name in ((layer.input, "ih"), (layer.recurrent, "hh")):
            part.weight.data.copy_(getattr(theirs.rnn, f"weight_{name}_l{i}"))
            part.bias.data.copy_(getattr(theirs.rnn, f"bias_{name}_l{i}"))
    x_BTE, zero_BH = torch.randn(2, 6, 3), torch.zeros(1, 2, 4)
    expected, _ = theirs(x_BTE, (torch.zeros(2, 2, 4),) * 2)
    torch.testing.assert_close(ours(x_BTE, (zero_BH,) * 4)[0], expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rounds": -1}, "options.rounds must be from 0 to 100, got -1"),
        ({"rounds": 101}, "options.rounds must be from 0 to 100, got 101"),
        ({"rank": 0}, "options.rank must be at least 1, or absent, got 0"),
    ],
)
def test_an_impossible_option_is_named(options: dict[str, int], message: str) -> None:
    sizes = {"corpus": "toy", "name": "toy", "core": "mogrifier", "embedding": 6, "hidden": 8}
    with pytest.raises(RecurrenceError, match=message):
        build_model(params.Model.model_validate(sizes | {"options": options}), 11)
