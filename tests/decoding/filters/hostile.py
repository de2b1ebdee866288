"""Logits and texts that are hard on filters, and what filters make of distributions."""

from math import inf, log
from typing import Any

import torch
from torch import Tensor, nn

from recurrence import params
from recurrence.decoding.filters.contract import Setting, Stateless
from recurrence.decoding.filters.registry import FILTERS
from recurrence.vocab import Vocab

#   B = rows, V = vocabulary, T = tokens so far


NO_HISTORY = torch.zeros(1, 0, dtype=torch.int64)


class Table(nn.Module):
    """A model whose logits depend on the last token alone."""

    context = None

    def __init__(self, table_VV: Tensor) -> None:
        super().__init__()
        self.vocab_size = len(table_VV)
        self.register_buffer("table_VV", table_VV)

    def initial_state(self, lanes: int) -> tuple[Tensor, ...]:
        return ()

    def forward(
        self, ids_BT: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        return self.table_VV[ids_BT], state


def vocab(size: int) -> Vocab:
    return Vocab(
        ("<eos>", *(chr(ord("a") + i) for i in range(size - 1))), (), params.Tokens(unit="char")
    )


def setting(size: int = 5) -> Setting:
    table_VV = torch.randn(
        size, size, generator=torch.Generator().manual_seed(9), dtype=torch.float64
    )
    return Setting(vocab(size), bits=2.0, amateur=Table(table_VV))  # type: ignore[arg-type]


def build(name: str, value: Any, size: int = 5) -> Stateless:
    found = FILTERS[name](value, setting(size))
    assert isinstance(found, Stateless)
    return found


def hostile_logits(size: int, seed: int = 0) -> Tensor:
    """Rows with ties, -inf, a lone finite logit, all equal, and huge ones; in each something is finite."""
    gen = torch.Generator().manual_seed(seed)
    rows = torch.randn(12, size, generator=gen, dtype=torch.float64) * 3
    rows[1:4] = rows[1:4].round()
    rows[2:6][torch.rand(4, size, generator=gen) < 0.5] = -inf
    rows[2:6, size // 2] = 1.0
    rows[6:9] = -inf
    rows[6, 0] = rows[7, -1] = rows[8, 1] = -700.0
    rows[9] = 0.5
    rows[10] *= 1e4
    return rows


def histories(rows: int, size: int, length: int, seed: int = 0) -> Tensor:
    """Texts of few different tokens, so that much repeats; the first is one token over and over."""
    text_BT = torch.randint(
        min(size, 3), (rows, length), generator=torch.Generator().manual_seed(seed)
    )
    text_BT[0] = 1
    return text_BT


def probabilities(narrow: Stateless, p: list[float]) -> list[float]:
    """What a filter makes of a distribution, as the tokens that are left, likeliest first."""
    logits_BV = torch.tensor([p], dtype=torch.float64).log()
    out_V = narrow(logits_BV, NO_HISTORY)[0].softmax(-1)
    return sorted((x for x in out_V.tolist() if x > 0), reverse=True)


def kept(narrow: Stateless, logits: list[float]) -> list[int]:
    out_V = narrow(torch.tensor([logits], dtype=torch.float64), NO_HISTORY)[0]
    return [i for i, x in enumerate(out_V.tolist()) if x > -inf]


def kept_of(name: str, value: Any, p: list[float]) -> list[int]:
    return kept(build(name, value), [log(x) for x in p])
