"""Griffin's recurrent block against that of transformers, RecurrentGemma, with the same weights."""

import pytest
import torch
from transformers import RecurrentGemmaConfig
from transformers.models.recurrent_gemma import modeling_recurrent_gemma as gemma

from recurrence.cores.rg_lru import SLOWEST, RecurrentBlock, RgLru

#   B = lanes, T = time, H = features


def theirs(ours: RecurrentBlock) -> torch.nn.Module:
    config = RecurrentGemmaConfig(
        hidden_size=8, lru_width=8, num_attention_heads=2, conv1d_width=4, num_hidden_layers=1
    )
    block = gemma.RecurrentGemmaRecurrentBlock(config, 0)
    lru = ours.rg_lru
    weights = {
        "linear_y.weight": ours.gate.weight,
        "linear_y.bias": ours.gate.bias,
        "linear_x.weight": ours.input.weight,
        "linear_x.bias": ours.input.bias,
        "linear_out.weight": ours.output.weight,
        "linear_out.bias": ours.output.bias,
        "conv_1d.weight": ours.conv.weight_KH.T[:, None],
        "conv_1d.bias": ours.conv.bias_H,
        "rg_lru.recurrent_param": lru.lambda_H,
        "rg_lru.input_gate_weight": lru.input_gate.weight_NDG,
        "rg_lru.input_gate_bias": lru.input_gate.bias_NG,
        "rg_lru.recurrent_gate_weight": lru.recurrence_gate.weight_NDG,
        "rg_lru.recurrent_gate_bias": lru.recurrence_gate.bias_NG,
    }
    block.load_state_dict(weights)
    return block


def test_equals_recurrent_gemma() -> None:
    """Positions count from 1: at 0 theirs begins a document and leaves the first input at full
    size.
    """
    torch.manual_seed(0)
    ours = RecurrentBlock(8, 2, 4)
    x_BTH, positions = torch.randn(3, 20, 8), torch.arange(1, 21).expand(3, -1)
    with torch.no_grad():
        found, after = ours(x_BTH, (torch.zeros(1, 3, 8), torch.zeros(3, 3, 8)))
        other = theirs(ours)
        expected, _ = other(x_BTH, positions, None, use_cache=False)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(after[0][0], other.rg_lru.recurrent_states, rtol=1e-5, atol=1e-6)


def test_decay_lies_in_its_range_at_first_and_the_input_keeps_its_power() -> None:
    lru = RgLru(400, 4)
    a = torch.exp(-8 * torch.nn.functional.softplus(lru.lambda_H))
    assert SLOWEST[0] - 1e-6 < a.min() < 0.92 and 0.99 < a.max() < SLOWEST[1] + 1e-6
    for gate in (lru.input_gate, lru.recurrence_gate):
        torch.nn.init.zeros_(gate.weight_NDG)
        torch.nn.init.constant_(gate.bias_NG, 50.0)  # both open: a white input of power 1 gives one
    h_BTH = lru(torch.randn(1, 20000, 400), torch.zeros(1, 400))
    assert h_BTH[:, 5000:].square().mean().item() == pytest.approx(1, abs=0.05)
