"""torch's fused layers as cores: the same numbers as torch's own, masks from where all masks are
drawn.
"""

from unittest.mock import patch

import pytest
import torch

from pretended import GPU, PretendedGpu
from recurrence import params
from recurrence.model import core_module


@pytest.mark.parametrize("name", ["rnn", "gru", "lstm"])
def test_layers_one_by_one_are_torchs_to_the_bit(name: str) -> None:
    core = core_module(name).Core(5, 6, 3, params.Dropout(plain_between=0.4)).train()
    x_BTE, state = torch.rand(3, 9, 5), tuple(torch.rand(3, 3, 6) for _ in core.state_shapes)
    torch.manual_seed(0)
    output, after = core(x_BTE, state)
    torch.manual_seed(0)
    expected, last = core.rnn(x_BTE, state if name == "lstm" else state[0])
    assert torch.equal(output, expected)
    assert all(
        torch.equal(one, other)
        for one, other in zip(after, last if name == "lstm" else (last,), strict=True)
    )


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["rnn", "gru", "lstm"])
def test_masks_between_layers_are_never_cudnns(name: str) -> None:
    """Its own would be drawn in a kernel for all layers, from a state that no snapshot holds."""
    with PretendedGpu() as gpu, patch.object(gpu, "do", wraps=gpu.do) as done:
        core = core_module(name).Core(5, 6, 3, params.Dropout(plain_between=0.4)).to(GPU).train()
        core(
            torch.rand(3, 9, 5, device=GPU),
            tuple(torch.rand(3, 3, 6, device=GPU) for _ in core.state_shapes),
        )
    names = [call.args[0]._schema.name for call in done.call_args_list]
    assert names.count("aten::bernoulli_") == 2 and "aten::native_dropout" not in names
