"""The scan against a loop that autograd follows, both ways of computing it."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from recurrence.model import linear_recurrence
from recurrence.model.linear_recurrence import doubling, one_by_one

#   B = lanes, T = time, H = features


def loop(a_BTH: Tensor, b_BTH: Tensor, h_BH: Tensor) -> Tensor:
    """The definition."""
    steps = []
    for t in range(b_BTH.shape[1]):
        h_BH = a_BTH[:, t] * h_BH + b_BTH[:, t]
        steps.append(h_BH)
    return torch.stack(steps, 1)


def given(time: int, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    draw = torch.Generator().manual_seed(time)
    shapes = ((3, time, 5), (3, time, 5), (3, 5))
    a, b, h = (torch.randn(shape, generator=draw, dtype=dtype) for shape in shapes)
    return [each.requires_grad_() for each in (a.sigmoid().detach(), b, h)]


@pytest.mark.parametrize("solve", [one_by_one, doubling])
@pytest.mark.parametrize("time", [1, 2, 3, 7, 8, 9, 70])
def test_values_and_gradients_are_those_of_the_loop(
    solve: Callable[..., Tensor], time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linear_recurrence, "solve", solve)
    inputs = given(time)
    weights = torch.rand(3, time, 5, dtype=torch.float64)
    found = linear_recurrence.linear_recurrence(*inputs)
    expected = loop(*inputs)
    torch.testing.assert_close(found, expected)
    ours, theirs = (torch.autograd.grad((h * weights).sum(), inputs) for h in (found, expected))
    torch.testing.assert_close(ours, theirs)


def test_by_hand() -> None:
    a, b = torch.tensor([[[0.5], [2.0]]]), torch.tensor([[[1.0], [-1.0]]])
    for solve in (one_by_one, doubling):
        assert solve(a, b, torch.tensor([[4.0]])).flatten().tolist() == [3.0, 5.0]


def test_a_gate_that_is_shut_is_no_trouble() -> None:
    """Of a = 0 a scan of logarithms would make -inf - -inf."""
    inputs = given(9, torch.float32)
    inputs[0].data[:, 3:6] = 0
    h = linear_recurrence.linear_recurrence(*inputs)
    torch.testing.assert_close(h, loop(*inputs))
    assert all(grad.isfinite().all() for grad in torch.autograd.grad(h.sum(), inputs))


def test_the_widest_dtype_is_computed_in() -> None:
    a, b, h = given(4, torch.float32)
    solved = linear_recurrence.linear_recurrence(a.bfloat16(), b, h)
    torch.testing.assert_close(solved, loop(a.bfloat16().float(), b, h))
