"""The residual frame and its parts, against torch's own and by hand."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from recurrence import params
from recurrence.errors import RecurrenceError
from recurrence.model import build_model
from recurrence.model.blocks import BlockDiagonal, CausalConv, HeadNorm, ResidualCore

#   B = lanes, T = time, H = features


class Sum(nn.Module):
    """A mixer that adds up all there was."""

    state_shapes = ((1, 4),)

    def forward(self, x_BTH: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor]]:
        y_BTH = state[0][0][:, None] + x_BTH.cumsum(1)
        return y_BTH, (y_BTH[None, :, -1],)


def frame(**rates: float) -> ResidualCore:
    torch.manual_seed(0)
    return ResidualCore(4, 4, [Sum(), Sum()], params.Dropout(**rates), mlp_ratio=2.0)


def test_a_layer_is_mixer_then_mlp_each_added_to_what_it_saw() -> None:
    core, x = frame(), torch.randn(2, 5, 4)
    y = x
    for block in core.blocks:
        y = y + F.rms_norm(y, (4,), eps=1e-6).cumsum(1)
        seen = F.rms_norm(y, (4,), eps=1e-6)
        mlp = block.mlp
        inner = F.silu(seen @ mlp.gate.weight.T) * (seen @ mlp.up.weight.T)
        y = y + inner @ mlp.down.weight.T
    found, after = core(x, (torch.zeros(1, 2, 4),) * 2)
    torch.testing.assert_close(found, F.rms_norm(y, (4,), eps=1e-6))
    torch.testing.assert_close(after[0][0], F.rms_norm(x, (4,), eps=1e-6).sum(1))
    assert len(after) == 2


@pytest.mark.parametrize("place", ["hidden", "plain_between"])
def test_dropout_acts_on_what_is_added_in_training_only(place: str) -> None:
    core, x, state = frame(**{place: 0.5}), torch.randn(2, 5, 4), (torch.zeros(1, 2, 4),) * 2
    assert not torch.equal(core(x, state)[0], core(x, state)[0])
    core.eval()
    assert torch.equal(core(x, state)[0], core(x, state)[0])


def test_the_convolution_is_torchs_with_the_past_before_it() -> None:
    torch.manual_seed(0)
    conv, x_BTH, past_KBH = CausalConv(6, 4), torch.randn(3, 9, 6), torch.randn(3, 3, 6)
    whole_BHT = torch.cat((past_KBH.permute(1, 2, 0), x_BTH.mT), 2)
    expected_BHT = F.conv1d(whole_BHT, conv.weight_KH.T[:, None], conv.bias_H, groups=6)
    y_BTH, after_KBH = conv(x_BTH, past_KBH)
    torch.testing.assert_close(y_BTH, expected_BHT.mT)
    assert torch.equal(after_KBH, x_BTH[:, -3:].transpose(0, 1))
    _, after_KBH = conv(x_BTH[:, :1], past_KBH)
    assert torch.equal(after_KBH, torch.cat((past_KBH[1:], x_BTH[None, :, 0])))


def test_a_block_diagonal_matrix_is_one() -> None:
    torch.manual_seed(0)
    part, x = BlockDiagonal(3, 2), torch.randn(4, 3, 2)
    dense = torch.block_diag(*part.weight_NDG)
    torch.testing.assert_close(part(x).flatten(1), x.flatten(1) @ dense + part.bias_NG.flatten())


def test_heads_are_normalized_apart() -> None:
    norm = HeadNorm(2, 2)
    nn.init.constant_(norm.weight_ND[1], 2.0)
    found = norm(torch.tensor([[[1.0, 5.0], [0.0, -50.0]]]))
    torch.testing.assert_close(found, torch.tensor([[[-1.0, 1.0], [2.0, -2.0]]]))


@pytest.mark.parametrize(
    ("core", "options", "message"),
    [
        ("min_gru", {"conv_width": 1}, "options.conv_width must be at least 2, got 1"),
        (
            "min_gru",
            {"mlp_ratio": 0.0},
            "options.mlp_ratio must make 1 to 1,048,576 units of 8, got 0",
        ),
        ("rg_lru", {"heads": 3}, r"options.heads must divide hidden \(8\), got 3"),
        ("rg_lru", {"heads": 0}, r"options.heads must divide hidden \(8\), got 0"),
    ],
)
def test_an_impossible_option_is_named(core: str, options: dict[str, float], message: str) -> None:
    sizes = {"corpus": "toy", "name": "toy", "core": core, "embedding": 6, "hidden": 8}
    with pytest.raises(RecurrenceError, match=r"^params.yaml: models.toy-toy: " + message):
        build_model(params.Model.model_validate(sizes | {"options": options}), 11)
