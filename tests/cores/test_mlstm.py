"""mLSTM against transformers' xLSTM, layer for layer with the same weights, its states included."""

import pytest
import torch
from torch import nn
from transformers import xLSTMConfig
from transformers.models.xlstm import modeling_xlstm as xlstm

from recurrence.cores import mlstm
from recurrence.cores.mlstm import Mlstm, steps_at_once

#   B = lanes, T = time, H = hidden size


def theirs(ours: Mlstm) -> nn.Module:
    """With a cap on gates that is out of reach, and nothing added to a denominator."""
    config = xLSTMConfig(
        hidden_size=8,
        num_heads=2,
        qk_dim_factor=1.0,
        gate_soft_cap=1e4,
        eps=0.0,
        norm_eps=1e-6,
        chunkwise_kernel="chunkwise--native_autograd",
        return_last_states=True,
        autocast_kernel_dtype="float32",
        inference_state_dtype="float32",
        weight_mode="single",
        mode="inference",
    )
    layer = xlstm.xLSTMLayer(config)
    gates = ours.gates
    weights = {f"{n}.weight": w for n, w in zip("qkv", ours.qkv.weight.chunk(3), strict=True)}
    for i, name in enumerate(("igate_preact", "fgate_preact")):
        weights[f"{name}.weight"] = gates.weight.chunk(2)[i]
        weights[f"{name}.bias"] = gates.bias.chunk(2)[i]
    weights["ogate_preact.weight"] = ours.output_gate.weight
    weights["multihead_norm.weight"] = ours.norm.weight_ND.flatten()
    weights["out_proj.weight"] = ours.output.weight
    layer.load_state_dict(weights)
    return layer


@torch.no_grad()
def test_equals_the_layer_of_transformers() -> None:
    torch.manual_seed(0)
    ours, x_BTH = Mlstm(8, 2), torch.randn(3, 37, 8)
    ours.gates.weight.mul_(4)
    nn.init.uniform_(ours.norm.weight_ND)
    zero = tuple(torch.zeros(n, 3, size) for n, size in ours.state_shapes)
    found, after = ours(x_BTH, zero)
    expected, states = theirs(ours)(x_BTH)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    scales = 4**-0.5, 4**-0.5, 1.0  # theirs divides the query by sqrt(D) in place of the key
    for leaf, state, scale in zip(after, states, scales, strict=True):
        torch.testing.assert_close(leaf[0], scale * state.flatten(1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("chunk", [1, 5, 64])
def test_any_stretch_gives_the_same(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    layer, x_BTH = Mlstm(8, 2).double(), torch.randn(3, 40, 8).double()
    state = tuple(torch.rand(n, 3, size).double() for n, size in layer.state_shapes)
    expected = layer(x_BTH, state)
    monkeypatch.setattr(mlstm, "CHUNK", chunk)
    torch.testing.assert_close(layer(x_BTH, state), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("gate", [-300.0, 300.0])
def test_gates_beyond_the_range_of_exp_are_no_trouble(gate: float) -> None:
    """Shut, nothing is stored and h is 0; open, h is v: the key is the query, and the weights are
    divided out.
    """
    q = torch.full((1, 1, 6, 4), 0.5)
    v = torch.randn(1, 1, 6, 4)
    log_i = torch.full((1, 1, 6), gate, requires_grad=True)
    log_f = torch.full((1, 1, 6), -300.0, requires_grad=True)
    zero = torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4), torch.zeros(1, 1)
    h, _ = steps_at_once(q, 2 * q, v, (log_i, log_f), zero)
    torch.testing.assert_close(h.detach(), v if gate > 0 else torch.zeros_like(v))
    gradients = torch.autograd.grad(h.sum(), (log_i, log_f))
    assert all(each.isfinite().all() for each in gradients)
