from math import inf
from typing import Any

import pytest
import torch
from torch import Tensor

from recurrence import params
from recurrence.decoding.sampling import Sampler
from recurrence.decoding.strategies import build_strategy
from recurrence.errors import RecurrenceError
from recurrence.vocab import Vocab

VOCAB = Vocab(("<unk>", "<pad>", "a", "b", "c", "<eos>"), ("<unk>", "<pad>"), params.Tokens(unit="char"))
NO_HISTORY = torch.zeros(1, 0, dtype=torch.int64)


def build(vocab: Vocab = VOCAB, **block: Any) -> Sampler:
    return build_strategy("mine", params.Strategy(**block), vocab)


def left(sampler: Sampler, logits: list[float]) -> list[float]:
    """The distribution after all filters."""
    out_BV: Tensor = sampler.narrow(torch.tensor([logits], dtype=torch.float64), NO_HISTORY)
    return out_BV.softmax(-1)[0].tolist()


def test_specials_are_banned_unless_allowed() -> None:
    even = [0.0] * 6
    assert left(build(pick="sample"), even) == pytest.approx([0, 0, 0.25, 0.25, 0.25, 0.25])
    assert left(build(pick="sample", allow=["<unk>"]), even) == pytest.approx([0.2, 0, 0.2, 0.2, 0.2, 0.2])


def test_eos_that_is_a_special_is_banned_by_an_empty_allow() -> None:
    vocab = Vocab(("<unk>", "<eos>", "a"), ("<unk>", "<eos>"), params.Tokens(unit="word"))
    assert left(build(vocab, pick="sample"), [0.0] * 3) == pytest.approx([0, 0.5, 0.5])
    assert left(build(vocab, pick="sample", allow=[]), [0.0] * 3) == pytest.approx([0, 0, 1])


def test_allow_may_name_what_this_vocabulary_lacks() -> None:
    vocab = Vocab(("one", "two"), (), params.Tokens(unit="word"))
    assert left(build(vocab, pick="sample", allow=["<eos>", "<unk>"]), [0.0, 0.0]) == [0.5, 0.5]


def test_argmax_is_one_token_the_lowest_of_equals() -> None:
    sampler = build(pick="argmax")
    assert sampler.deterministic
    assert left(sampler, [9, 9, 1, 3, 3, 2]) == [0, 0, 0, 1, 0, 0]
    assert not build(pick="sample").deterministic


def test_filters_apply_in_their_order() -> None:
    logits = [-inf, -inf, 0.0, 1.0, -inf, -inf]  # probabilities .27 and .73; at T = .25, .02 and .98
    narrow_last = build(pick="sample", filters=[{"temperature": 0.25}, {"top_p": 0.9}])
    narrow_first = build(pick="sample", filters=[{"top_p": 0.9}, {"temperature": 0.25}])
    assert left(narrow_last, logits) == [0, 0, 0, 1, 0, 0]
    assert left(narrow_first, logits)[2] == pytest.approx(0.018, abs=1e-3)


def test_window_and_name_come_from_the_block() -> None:
    sampler = build(pick="sample", feeding="rolling", window=8)
    assert (sampler.name, sampler.window) == ("mine", 8)
    assert build(pick="sample").window is None


def test_top2_skip_unk_is_the_first_of_the_top_two_that_is_not_unk() -> None:
    sampler = build(pick="argmax", filters=[{"top_k": 2}], allow=["<eos>", "<pad>"])
    logits_BV = torch.randn(500, 6, generator=torch.Generator().manual_seed(0))
    top_B2 = logits_BV.topk(2).indices
    notebook_B = torch.where(top_B2[:, 0] != 0, top_B2[:, 0], top_B2[:, 1])
    assert torch.equal(sampler.narrow(logits_BV, NO_HISTORY).argmax(-1), notebook_B)
    assert (top_B2[:, 0] == 0).sum() > 20  # the case that matters did occur


def test_multinomial_skip_unk_is_the_first_of_two_draws_that_is_not_unk() -> None:
    """Two draws without replacement, the second where the first is <unk>: p_j + p_0 p_j / (1 - p_0)."""
    sampler = build(pick="sample", allow=["<eos>", "<pad>"])
    p = [0.4, 0.1, 0.2, 0.15, 0.1, 0.05]
    notebook = [0.0] + [p_j + p[0] * p_j / (1 - p[0]) for p_j in p[1:]]
    assert left(sampler, torch.tensor(p, dtype=torch.float64).log().tolist()) == pytest.approx(notebook)


def test_every_strategy_of_the_project_builds() -> None:
    for name, block in params.strategies().items():
        sampler = build_strategy(name, block, VOCAB)
        assert sampler.deterministic == (block.pick == "argmax")
        assert sum(left(sampler, [3.0, 2.0, 1.0, 1.0, 0.0, -1.0])) == pytest.approx(1)


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ([{"topk": 5}], "params.yaml: strategies.mine.filters: no filter 'topk'; did you mean 'top_k'"),
        ([{"top_k": 5}, {"top_p": 1.5}], r"strategies.mine.filters: top_p must be a number in \(0, 1\], got 1.5"),
        ([{"temperature": 0}], "strategies.mine.filters: temperature must be a number greater than 0.*got 0"),
        ([{"top_k": None}], "strategies.mine.filters: top_k must be a whole number of at least 1, got None"),
    ],
)
def test_bad_filters_are_named(filters: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(RecurrenceError, match=message):
        build(pick="sample", filters=filters)


def test_a_ban_of_everything_is_refused() -> None:
    with pytest.raises(RecurrenceError, match="strategies.mine.allow: every token is a special"):
        build(Vocab(("<unk>",), ("<unk>",), params.Tokens(unit="char")), pick="sample")
