"""Adam with L2 or decoupled weight decay, as each notebook had it."""

from typing import Any

import torch
from torch import nn

from recurrence.params import Optimizer


def build(block: Optimizer, model: nn.Module, lr: float) -> torch.optim.Optimizer:
    """A new optimizer over all parameters (Kingma & Ba 2015; decoupled decay of Loshchilov & Hutter
    2019).
    """
    linear = [] if block.decay_biases else [m for m in model.modules() if isinstance(m, nn.Linear)]
    exempt = {id(m.bias) for m in linear if m.bias is not None}
    parameters = list(model.parameters())
    groups: list[dict[str, Any]] = [{"params": [p for p in parameters if id(p) not in exempt]}]
    if exempt:
        groups.append({"params": [p for p in parameters if id(p) in exempt], "weight_decay": 0.0})
    kind = torch.optim.AdamW if block.decoupled else torch.optim.Adam
    return kind(
        groups, lr=lr, betas=block.betas, eps=block.eps, weight_decay=block.weight_decay, fused=True
    )


def set_hyper(optimizer: torch.optim.Optimizer, lr: float, beta1: float | None) -> None:
    """Put a schedule's values into every group."""
    for group in optimizer.param_groups:
        group["lr"] = lr
        if beta1 is not None:
            group["betas"] = (beta1, group["betas"][1])
