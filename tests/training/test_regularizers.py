import pytest
import torch

from recurrence.training import regularizers


def test_by_hand() -> None:
    output_BTH = torch.tensor([[[1.0, 2.0], [3.0, 2.0]]])
    assert regularizers.activation(output_BTH).item() == pytest.approx((1 + 4 + 9 + 4) / 4)
    assert regularizers.temporal_activation(output_BTH).item() == pytest.approx((4 + 0) / 2)


def test_a_single_step_has_no_temporal_part() -> None:
    assert regularizers.temporal_activation(torch.ones(2, 1, 3)).item() == 0.0
