"""Gated DeltaNet against that of transformers, Qwen3-Next, layer for layer with the same
weights."""

import pytest
import torch
from torch import nn
from transformers import Qwen3NextConfig
from transformers.models.qwen3_next import modeling_qwen3_next as qwen

from recurrence.cores import gated_delta
from recurrence.cores.gated_delta import STEPS, GatedDelta, steps_at_once

#   B = lanes, T = time, H = hidden size, N = heads, D = H / N


def theirs(ours: GatedDelta) -> nn.Module:
    """The rows of its first matrix lie head by head: q, k, v, gate of each."""
    config = Qwen3NextConfig(
        hidden_size=8,
        linear_num_value_heads=2,
        linear_num_key_heads=2,
        linear_key_head_dim=4,
        linear_value_head_dim=4,
        num_hidden_layers=1,
        layer_types=["linear_attention"],
    )
    layer = qwen.Qwen3NextGatedDeltaNet(config, 0)
    by_head = [part.unflatten(0, (2, 4)) for part in ours.qkv.weight.chunk(3)]
    by_head.append(ours.output_gate.weight.unflatten(0, (2, 4)))
    a, b = (part[:, None] for part in ours.gates.weight.chunk(2))
    weights = {
        "in_proj_qkvz.weight": torch.cat(by_head, 1).flatten(0, 1),
        "in_proj_ba.weight": torch.cat((b, a), 1).flatten(0, 1),
        "conv1d.weight": ours.conv.weight_KH.T[:, None],
        "dt_bias": ours.step_bias_N,
        "A_log": ours.log_rate_N,
        "norm.weight": ours.norm.weight,
        "out_proj.weight": ours.output.weight,
    }
    layer.load_state_dict(weights)
    return layer


def made() -> GatedDelta:
    """Steps and rates such that some of it is forgotten within the text."""
    torch.manual_seed(0)
    layer = GatedDelta(8, 2, 4)
    with torch.no_grad():
        layer.gates.weight.mul_(4)
        layer.step_bias_N.fill_(-1.0)
        layer.log_rate_N.copy_(torch.tensor([-3.0, 0.0]))
        layer.norm.weight.uniform_()
    return layer


@torch.no_grad()
def test_equals_the_layer_of_transformers() -> None:
    ours, x_BTH = made(), torch.randn(3, 75, 8)
    zero = tuple(torch.zeros(n, 3, size) for n, size in ours.state_shapes)
    found, _ = ours(x_BTH, zero)
    torch.testing.assert_close(found, theirs(ours)(x_BTH), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_the_memory_is_theirs_from_any_beginning() -> None:
    """Against their recurrence, a step after another; gates of 0 and 1 among others."""
    torch.manual_seed(1)
    q, k, v = (torch.randn(2, 3, 20, 4) for _ in range(3))
    k = gated_delta.unit(k)
    log_alpha, beta = -torch.rand(2, 3, 20) * 3, torch.rand(2, 3, 20)
    log_alpha[..., 5], log_alpha[..., 9], beta[..., 7], beta[..., 11] = 0.0, -200.0, 0.0, 1.0
    S = torch.randn(2, 3, 4, 4)
    found, S_after = steps_at_once(q / 2, k, v, (log_alpha, beta), S)
    by_time = (each.transpose(1, 2) for each in (q, k, v, log_alpha, beta))
    expected, theirs_after = qwen.torch_recurrent_gated_delta_rule(
        *by_time, initial_state=S.clone(), output_final_state=True
    )
    torch.testing.assert_close(found, expected.transpose(1, 2), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(S_after, theirs_after, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("chunk", [1, 5, 64])
def test_any_stretch_gives_the_same(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    layer, x_BTH = made().double(), torch.randn(3, 40, 8).double()
    state = tuple(torch.rand(n, 3, size).double() for n, size in layer.state_shapes)
    expected = layer(x_BTH, state)
    monkeypatch.setattr(gated_delta, "CHUNK", chunk)
    torch.testing.assert_close(layer(x_BTH, state), expected, rtol=1e-10, atol=1e-12)


def test_a_value_written_again_changes_nothing() -> None:
    """The delta rule: with beta 1 and nothing forgotten, a key gives back the value last written to
    it.
    """
    k = torch.eye(4)[None, None, [0, 1, 0, 0]]
    v = torch.tensor([[1.0, 2], [3, 4], [5, 6], [5, 6]])[None, None].repeat(1, 1, 1, 2)
    gates = torch.zeros(1, 1, 4), torch.ones(1, 1, 4)
    o, S = steps_at_once(k, k, v, gates, torch.zeros(1, 1, 4, 4))
    torch.testing.assert_close(o, v)
    torch.testing.assert_close(S[0, 0, :2], v[0, 0, [3, 1]])


def test_steps_begin_in_their_range() -> None:
    torch.manual_seed(0)
    steps = nn.functional.softplus(GatedDelta(400, 200, 4).step_bias_N)
    assert STEPS[0] * 0.99 < steps.min() < 0.002 and 0.05 < steps.max() < STEPS[1] * 1.01
