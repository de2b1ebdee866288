from math import inf, log2

import pytest
import torch

from decoding.filters.hostile import (
    NO_HISTORY,
    build,
    probabilities,
)

#   B = rows, V = vocabulary, T = tokens so far


def test_temperature_divides() -> None:
    out_BV = build("temperature", 0.5)(torch.tensor([[1.0, 2.0, -inf]]), NO_HISTORY)
    assert torch.allclose(out_BV.softmax(-1), torch.tensor([[2.0, 4.0, -inf]]).softmax(-1))


@pytest.mark.parametrize("cold", [1e-200, 5e-324])
def test_temperature_near_zero_is_greedy(cold: float) -> None:
    out_BV = build("temperature", cold)(
        torch.tensor([[1.0, 3.0, 2.999, -inf]]).double(), NO_HISTORY
    )
    assert out_BV.softmax(-1).tolist() == [[0, 1, 0, 0]]


@pytest.mark.parametrize("exponent", [1, 3])
def test_dynamic_temperature_goes_by_the_entropy_of_what_is_left(exponent: float) -> None:
    p = [0.5, 0.25, 0.25]
    scale = build("dynamic_temperature", {"temperature": 1.2, "range": 0.4, "exponent": exponent})
    hot = 0.8 + 0.8 * (1.5 / log2(3)) ** exponent
    weights = torch.tensor(p).double() ** (1 / hot)
    assert probabilities(scale, [*p, 0.0]) == pytest.approx((weights / weights.sum()).tolist())
    assert probabilities(scale, [0.5, 0.5]) == pytest.approx([0.5, 0.5])
    assert probabilities(scale, [1.0, 0.0]) == [1.0]
