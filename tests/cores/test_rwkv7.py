"""RWKV-7's time mixing against a slow reference of our own, from the equations of 2503.14456:
float64, one lane and one head at a time, a step after another, matrices as the paper writes them
(values x keys). benchmarks/published_cores.py compares with the authors' own."""

import math

import pytest
import torch
from torch import Tensor

from recurrence import params
from recurrence.cores import rwkv7
from recurrence.cores.rwkv7 import Rwkv7
from recurrence.errors import RecurrenceError
from recurrence.model import build_model

#   B = lanes, T = time, H = hidden size

HEADS, SIZE = 2, 3


def made() -> Rwkv7:
    torch.manual_seed(0)
    layer = Rwkv7(HEADS * SIZE, HEADS, 4).double()
    with torch.no_grad():
        for parameter in (layer.key_scale_H, layer.key_rate_H, layer.bonus_ND):
            parameter.uniform_(-2, 2)
        layer.norm.weight_ND.uniform_()
        layer.decay[2].bias.uniform_(-3, 3)
    return layer


def head(x: Tensor, n: int) -> Tensor:
    return x[n * SIZE : (n + 1) * SIZE]


def step(layer: Rwkv7, x: Tensor, before: Tensor, memory: list[Tensor]) -> Tensor:
    """One step of one lane; `memory`: the matrix of each head, changed in place."""
    seen = [x + (before - x) * mu for mu in layer.shift_6H]
    r, k, v = (
        part.weight @ seen[i]
        for part, i in ((layer.receptance, 0), (layer.key, 2), (layer.value, 3))
    )
    d = layer.decay[2].weight @ (layer.decay[0].weight @ seen[1]).tanh() + layer.decay[2].bias
    w = torch.exp(-math.exp(-0.5) * torch.sigmoid(d))
    a = torch.sigmoid(layer.rate[2].weight @ (layer.rate[0].weight @ seen[4]) + layer.rate[2].bias)
    g = layer.gate[2].weight @ torch.sigmoid(layer.gate[0].weight @ seen[5])
    removed, added = k * layer.key_scale_H, k * (1 + (a - 1) * layer.key_rate_H)
    outputs = []
    for n in range(HEADS):
        hat = head(removed, n) / head(removed, n).norm()
        turn = torch.diag(head(w, n)) - torch.outer(hat, head(a, n) * hat)
        memory[n] = memory[n] @ turn + torch.outer(head(v, n), head(added, n))
        o = memory[n] @ head(r, n)
        centred = o - o.mean()
        o = centred / (centred.square().mean() + 64e-5).sqrt() * layer.norm.weight_ND[n]
        bonus = (head(r, n) * layer.bonus_ND[n] * head(added, n)).sum()
        outputs.append(o + bonus * head(v, n))
    return layer.output.weight @ (g * torch.cat(outputs))


@torch.no_grad()
@pytest.mark.parametrize("chunk", [1, 5, 16])
def test_equals_the_equations(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rwkv7, "CHUNK", chunk)
    layer, x_BTH = made(), torch.randn(2, 20, 6).double()
    S, before = torch.randn(1, 2, 18).double(), torch.randn(1, 2, 6).double()
    found, (S_after, last) = layer(x_BTH, (S, before))
    for b in range(2):
        memory = [matrix.T for matrix in S[0, b].view(HEADS, SIZE, SIZE)]
        x_before = before[0, b]
        for t, x in enumerate(x_BTH[b]):
            expected = step(layer, x, x_before, memory)
            torch.testing.assert_close(found[b, t], expected, rtol=1e-8, atol=1e-10)
            x_before = x
        after = torch.stack([matrix.T for matrix in memory]).flatten()
        torch.testing.assert_close(S_after[0, b], after, rtol=1e-8, atol=1e-10)
    assert torch.equal(last[0], x_BTH[:, -1])


def test_a_network_has_at_least_one_unit() -> None:
    sizes = {"corpus": "toy", "name": "toy", "core": "rwkv7", "embedding": 6, "hidden": 8}
    block = params.Model.model_validate(sizes | {"options": {"rank": 0}})
    with pytest.raises(RecurrenceError, match="options.rank must be at least 1, got 0"):
        build_model(block, 11)
