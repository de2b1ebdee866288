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


VALUES: dict[str, list[Any]] = {
    "temperature": [0.3, 1, 2.5, 1e-200],
    "dynamic_temperature": [0, 0.5, {"temperature": 0.8, "range": 0.7, "exponent": 2}],
    "top_k": [1, 2, 40],
    "top_p": [0.01, 0.5, 0.97, 1],
    "min_p": [0, 0.1, 1],
    "typical": [0.2, 0.95, 1],
    "epsilon": [3e-4, 0.3, 1],
    "eta": [3e-4, 0.3, 1],
    "top_n_sigma": [0, 0.5, 1, 3],
    "top_h": [0.1, 0.4, 1],
    "p_less": [True],
    "consistent_top_k": [1, 3],
    "consistent_top_p": [0.5, 1],
    "repetition_penalty": [
        1.2,
        {"penalty": 1.2, "window": 4},
        {"penalty": 0.9, "normalised": True},
    ],
    "frequency_penalty": [0.2, {"value": -0.5, "window": 3}],
    "presence_penalty": [0.5, {"value": 1, "window": 3}],
    "no_repeat_ngram": [1, 2, 4],
    "dry": [
        0.8,
        {"multiplier": 1, "base": 1, "allowed": 1},
        {"multiplier": 2, "window": 6, "breakers": ["b", "<eos>"]},
    ],
    "lz_penalty": [
        0.15,
        {"strength": 2, "window": None},
        {"strength": 1, "window": 8, "buffer": 2},
    ],
    "fsd": [{"k": 2, "alpha": 0.6}, {"k": 60, "alpha": 0.3, "n": 1}],
    "xtc": [0.5, {"probability": 1, "threshold": 0.2}],
    "mirostat_v1": [2, {"tau": {"of_bits": 0.5}, "eta": 1, "surprise": "kept"}],
    "mirostat_v2": [2, {"tau": {"of_bits": 0.5}, "eta": 1, "surprise": "kept"}],
    "adaptive_p": [0.4, -1, {"target": 0.9, "decay": 0.5}],
    "look_back": [0.5, {"tau": 2, "k": 2, "window": 1}],
    "contrastive_decoding": [0.1, {"alpha": 1, "temperature": 0.5}],
}
"""Values of every filter."""
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


def setting(size: int = 5, amateur: Any = None) -> Setting:
    gen = torch.Generator().manual_seed(9)
    table_VV = torch.randn(size, size, generator=gen, dtype=torch.float64)
    return Setting(vocab(size), bits=2.0, amateur=amateur or Table(table_VV))


def build(name: str, value: Any, size: int = 5) -> Stateless:
    found = FILTERS[name](value, setting(size))
    assert isinstance(found, Stateless)
    return found


def hostile_logits(size: int, seed: int = 0) -> Tensor:
    """Rows with ties, -inf, a lone finite logit, all equal, and huge ones; none is all -inf."""
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
