"""Kneser-Ney against a hand-computed case and against the definition written out with
dictionaries.
"""

from collections import Counter

import numpy as np
import pytest
from numpy.typing import NDArray

from recurrence.cores.kneser_ney import Counted, _discounts
from recurrence.errors import RecurrenceError

Gram = tuple[int, ...]


def stream(seed: int, length: int, vocab_size: int) -> NDArray[np.int64]:
    """Skewed tokens with repeated stretches, so that every count from 1 on occurs at every
    order.
    """
    rng = np.random.default_rng(seed)
    ids = np.minimum(rng.geometric(0.4, length) - 1, vocab_size - 1)
    ids[length // 2 : length // 2 + 20] = ids[:20]
    return ids


class Definition:
    """The recursion of the docstring, term by term."""

    def __init__(self, ids: list[int], vocab_size: int, order: int) -> None:
        self.vocab_size, self.order = vocab_size, order
        self.counts = {
            k: Counter(tuple(ids[i : i + k]) for i in range(len(ids) - k + 1))
            for k in range(1, order + 1)
        }
        for k in range(1, order):
            self.counts[k] = Counter(longer[1:] for longer in self.counts[k + 1])

    def discount(self, count: int, k: int) -> float:
        n = Counter(self.counts[k].values())
        by_count = {0: 0.0}
        for i in (1, 2, 3):
            usable = n[1] and n[i] and n[i + 1]
            value = i - (i + 1) * n[1] / (n[1] + 2 * n[2]) * n[i + 1] / n[i] if usable else 0.0
            by_count[i] = value if value > 0 else by_count[i - 1] or 0.5
        return by_count[min(count, 3)]

    def p(self, context: Gram, token: int) -> float:
        k = len(context) + 1
        below = self.p(context[1:], token) if context else 1 / self.vocab_size
        after = {gram[-1]: c for gram, c in self.counts[k].items() if gram[:-1] == context}
        total = sum(after.values())
        if not total:
            return below
        left = sum(self.discount(c, k) for c in after.values())
        own = after.get(token, 0)
        return (own - self.discount(own, k)) / total + left / total * below


def test_bigrams_by_hand() -> None:
    # a b a c a b: bigrams ab 2, ba 1, ac 1, ca 1, so n1 = 3, n2 = 1 and every D is 3/5 (n3 = 0: D2
    # falls back to D1). Before a come b and c, before b and c comes a: continuation counts 2 1 1,
    # n1 = 2, n2 = 1, every D is 1/2. p1 = (1.5, .5, .5)/4 + 1.5/4/3 = .5 .25 .25; after a, g =
    # 1.2/3, p(b) = 1.4/3 + .4*.25, p(c) = .4/3 + .4*.25.
    model = Counted.count(np.array([0, 1, 0, 2, 0, 1]), 3, order=2)
    np.testing.assert_allclose(
        model.distributions(np.array([[0]]))[0], [0.2, 1.7 / 3, 0.7 / 3], rtol=1e-12
    )


def test_discounts_by_hand() -> None:
    # n1..n4 = 4 2 1 1: Y = 4/(4+4) = .5; D1 = 1 - 2*.5*2/4; D2 = 2 - 3*.5*1/2; D3 = 3 - 4*.5*1/1
    counts = np.array([1, 1, 1, 1, 2, 2, 3, 4, 9, 0])
    assert _discounts(counts).tolist() == [0.0, 0.5, 1.25, 1.0]


def test_discounts_that_cannot_be_estimated_take_the_one_before() -> None:
    assert _discounts(np.array([7, 8, 9])).tolist() == [0.0, 0.5, 0.5, 0.5]
    # n1 = 1, n2 = 1, n3 = 0: D1 = 1 - 2*(1/3)*1/1 = 1/3, and no more
    np.testing.assert_allclose(_discounts(np.array([1, 2])), [0, 1 / 3, 1 / 3, 1 / 3])


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_equals_the_definition(order: int) -> None:
    ids, vocab_size = stream(order, 120, 6), 7
    model, definition = (
        Counted.count(ids, vocab_size, order=order),
        Definition(ids.tolist(), vocab_size, order),
    )
    other = stream(order + 9, 60, 7)
    expected = [
        [
            definition.p(tuple(other[max(0, t - order + 1) : t].tolist()), token)
            for token in range(vocab_size)
        ]
        for t in range(1, len(other))
    ]
    at = np.arange(len(other) - 1)
    np.testing.assert_allclose(
        np.exp(model.token_log_probs(other)), np.array(expected)[at, other[1:]], rtol=1e-12
    )
    for t in range(1, len(other)):
        context = other[None, max(0, t - model.context) : t]
        np.testing.assert_allclose(model.distributions(context)[0], expected[t - 1], rtol=1e-12)


@pytest.mark.parametrize("vocab_size", [2, 30, 400])
def test_probabilities_sum_to_one(vocab_size: int) -> None:
    model = Counted.count(stream(1, 3000, vocab_size), vocab_size, order=5)
    contexts = np.random.default_rng(2).integers(0, vocab_size, (200, 4))
    contexts[:100] = np.lib.stride_tricks.sliding_window_view(stream(1, 3000, vocab_size), 4)[:100]
    p_BV = model.distributions(contexts)
    assert np.abs(p_BV.sum(1) - 1).max() < 1e-12
    assert p_BV.min() > 0


def test_the_end_and_the_start_of_the_stream_are_no_trap() -> None:
    """The last context has nothing after it; the first n-gram has nothing before it."""
    model = Counted.count(np.array([4, 0, 1, 0, 1, 2, 3]), 5, order=3)
    for context in ([2, 3], [4, 0], [4], [3]):
        assert model.distributions(np.array([context])).sum() == pytest.approx(1, abs=1e-12)


def test_keys_do_not_overflow_at_a_high_order_and_a_wide_vocabulary() -> None:
    ids = np.random.default_rng(0).integers(0, 30_000, 2000).astype(np.uint16)
    model = Counted.count(ids, 30_000, order=12)  # 30,000 ** 12 has 54 digits
    assert np.exp(model.token_log_probs(ids)[11:]).min() > 0.3
    assert model.distributions(ids[None, :11]).argmax() == ids[11]


def test_a_stream_shorter_than_the_context_is_scored() -> None:
    model = Counted.count(stream(0, 100, 4), 4, order=5)
    assert (
        model.token_log_probs(np.array([0, 1])).shape
        == model.likeliest(np.array([0, 1])).shape
        == (1,)
    )


def test_stored_counts_are_the_ngrams() -> None:
    # 0 1 0 1: unigrams 0 1; bigrams 01 10; trigrams 010 101
    assert Counted.count(np.array([0, 1, 0, 1]), 2, order=3).stored_counts == 6


@pytest.mark.parametrize("order", [0, -1, "5", 2.0, True])
def test_an_order_that_cannot_be_is_named(order: object) -> None:
    with pytest.raises(RecurrenceError, match="order of core 'kneser_ney' must be a whole number"):
        Counted.count(stream(0, 50, 4), 4, order=order)


def test_too_short_a_training_stream_is_an_error() -> None:
    with pytest.raises(RecurrenceError, match="needs at least 4 training tokens, got 3"):
        Counted.count(np.array([0, 1, 2]), 3, order=4)
