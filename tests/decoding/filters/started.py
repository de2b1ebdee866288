"""Filters with a state, started for one row of a small vocabulary."""

from typing import Any

import torch
from torch import Tensor

from recurrence import params
from recurrence.decoding.filters.contract import Running, Setting
from recurrence.decoding.filters.registry import FILTERS
from recurrence.vocab import Vocab

#   B = rows, V = vocabulary, T = tokens so far, S = steps


NO_HISTORY = torch.zeros(1, 1, dtype=torch.int64)


def letters(size: int) -> Vocab:
    return Vocab(tuple(chr(ord("a") + i) for i in range(size)), (), params.Tokens(unit="char"))


def start(
    name: str, value: Any, uniform_BS: Tensor | None = None, setting: Setting | None = None
) -> Running:
    uniform_BS = torch.zeros(1, 9, dtype=torch.float64) if uniform_BS is None else uniform_BS
    return FILTERS[name](value, setting or Setting(letters(4))).start(uniform_BS)


def logits(*p: float) -> Tensor:
    return torch.tensor([p], dtype=torch.float64).log()


def left(running: Running, *p: float) -> list[float]:
    """What it makes of a distribution, one row."""
    return running(logits(*p), NO_HISTORY)[0].softmax(-1).tolist()


def choose(running: Running, token: int) -> None:
    running.chosen(torch.tensor([token]))
