"""What samples are like together: each figure by hand, BLEU also against its formula written
out.
"""

from collections import Counter
from math import exp, isnan, log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recurrence.repetition.pooled import diversity, pooled_rep_n, self_bleu, zipf

some = st.integers(1, 5).flatmap(
    lambda v: st.lists(st.lists(st.integers(0, v), max_size=12), min_size=2, max_size=5)
)


def test_pooled_rep_n_by_hand() -> None:
    """aaaa has 1 bigram of 3, abc 2 of 2: pooled 1 - 3/5; the mean over sequences would be (2/3 +
    0) / 2.
    """
    assert pooled_rep_n([[1, 1, 1, 1], [1, 2, 3]], 2) == pytest.approx(2 / 5)
    assert pooled_rep_n([[1, 1, 1, 1], [7]], 2) == pytest.approx(2 / 3), (
        "what has no bigram counts nothing"
    )
    assert isnan(pooled_rep_n([[1], []], 2))


def test_diversity_by_hand() -> None:
    """aaaaa and abcde: bigrams 1 + 4 of 8, trigrams 1 + 3 of 6, fours 1 + 2 of 4."""
    assert diversity([[0] * 5, [0, 1, 2, 3, 4]]) == pytest.approx(5 / 8 * 4 / 6 * 3 / 4)
    assert isnan(diversity([[1, 2]]))


def test_zipf_by_hand() -> None:
    """Frequencies 8, 4 and 2 at ranks 1, 2 and 3: y falls by ln 2 each; x = 0, ln 2, ln 3 less
    their mean.
    """
    x = np.log([1, 2, 3]) - np.log(6) / 3
    slope = (x @ np.log([8, 4, 2])) / (x @ x)
    assert zipf([[5] * 8 + [3] * 2, [9] * 4]) == pytest.approx(-slope)
    assert zipf([[5] * 8 + [3] * 2, [9] * 4], top=2) == pytest.approx(1.0)  # ln 2 over ln 2
    assert zipf([[1, 2, 3]]) == 0
    assert isnan(zipf([[1, 1]])) and isnan(zipf([]))


def test_zipfs_law_has_slope_one() -> None:
    assert zipf([np.repeat(np.arange(60), 120_000 // np.arange(1, 61))]) == pytest.approx(
        1, abs=0.01
    )


def bleu(sample: list[int], others: list[list[int]]) -> float:
    """BLEU-4 of one against the others, from the formula; counts of 0 are taken as 0.1."""
    total = 0.0
    for n in (1, 2, 3, 4):
        own = Counter(tuple(sample[i : i + n]) for i in range(len(sample) - n + 1))
        theirs = [Counter(tuple(o[i : i + n]) for i in range(len(o) - n + 1)) for o in others]
        hits = sum(min(count, max(t[gram] for t in theirs)) for gram, count in own.items())
        if n == 1 and not hits:
            return 0.0
        total += log((hits or 0.1) / max(len(sample) - n + 1, 1)) / 4
    near = min((len(o) for o in others), key=lambda r: (abs(r - len(sample)), r))
    return exp(total) * (1 if len(sample) > near else exp(1 - near / len(sample)))


def test_self_bleu_by_hand() -> None:
    """abcde against abcdf: 4/5 words, 3/4 bigrams, 2/3 trigrams, 1/2 fours, and the same back:
    (1/5) ** (1/4).
    """
    assert self_bleu([[1, 2, 3, 4, 5], [1, 2, 3, 4, 6]]) == pytest.approx(
        (4 / 5 * 3 / 4 * 2 / 3 * 1 / 2) ** 0.25
    )
    assert self_bleu([[1, 2, 3, 4, 5]] * 3) == pytest.approx(1)
    assert self_bleu([[1, 2], [3, 4]]) == 0
    # the second has no fours in common: 0.1 of 3; and it is cut short against 6: e ** (1 - 6/4) ...
    # the other way round
    long, brief = [1, 2, 3, 9, 8, 7], [1, 2, 3, 5]
    one = (3 / 6 * 2 / 5 * 1 / 4 * 0.1 / 3) ** 0.25
    other = (3 / 4 * 2 / 3 * 1 / 2 * 0.1 / 1) ** 0.25 * exp(1 - 6 / 4)
    assert self_bleu([long, brief]) == pytest.approx((one + other) / 2)
    assert isnan(self_bleu([[1, 2, 3]]))


def test_counts_are_clipped_at_the_other_that_has_most() -> None:
    """Three a: another has two of them, so 2 of 3 words; of bigrams 1 of 2; trigrams and fours
    none.
    """
    samples = [[1, 1, 1], [1, 1, 2], [2, 1, 3]]
    assert bleu(samples[0], samples[1:]) == pytest.approx(
        (2 / 3 * 1 / 2 * 0.1 / 1 * 0.1 / 1) ** 0.25
    )
    assert self_bleu(samples) == pytest.approx(
        np.mean([bleu(s, samples[:i] + samples[i + 1 :]) for i, s in enumerate(samples)])
    )


@settings(max_examples=150, deadline=None)
@given(some)
def test_self_bleu_equals_the_formula(samples: list[list[int]]) -> None:
    expected = [
        bleu(s, samples[:i] + samples[i + 1 :]) if s else 0.0 for i, s in enumerate(samples)
    ]
    assert self_bleu(samples) == pytest.approx(np.mean(expected))
