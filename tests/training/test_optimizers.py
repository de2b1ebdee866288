import pytest
import torch
from torch import nn

from recurrence.params import Optimizer
from recurrence.training import optimizers


def one_step(block: Optimizer, grad: float = 0.0) -> nn.Linear:
    layer = nn.Linear(1, 1)
    nn.init.constant_(layer.weight, 1.0)
    nn.init.constant_(layer.bias, 1.0)
    for parameter in layer.parameters():
        parameter.grad = torch.full_like(parameter, grad)
    optimizers.build(block, layer, lr=0.1).step()
    return layer


def test_decoupled_decay_shrinks_by_lr_times_decay() -> None:
    layer = one_step(Optimizer(weight_decay=0.5, decoupled=True))
    assert layer.weight.item() == pytest.approx(1 - 0.1 * 0.5)
    assert layer.bias.item() == pytest.approx(0.95)


def test_l2_decay_goes_through_adam() -> None:
    # the gradient is 0.5 * 1, and Adam's first step is lr * sign whatever its size
    assert one_step(Optimizer(weight_decay=0.5)).weight.item() == pytest.approx(1 - 0.1, abs=1e-6)


def test_biases_may_be_exempt() -> None:
    layer = one_step(Optimizer(weight_decay=0.5, decoupled=True, decay_biases=False))
    assert layer.weight.item() == pytest.approx(0.95) and layer.bias.item() == 1.0


def test_set_hyper_reaches_every_group() -> None:
    optimizer = optimizers.build(Optimizer(decay_biases=False), nn.Linear(2, 2), lr=0.1)
    optimizers.set_hyper(optimizer, 0.3, 0.7)
    assert len(optimizer.param_groups) == 2
    assert [(g["lr"], g["betas"]) for g in optimizer.param_groups] == [(0.3, (0.7, 0.999))] * 2
    optimizers.set_hyper(optimizer, 0.4, None)
    assert optimizer.param_groups[0]["betas"] == (0.7, 0.999)
