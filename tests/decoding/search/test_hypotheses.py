from math import inf

import torch
from hypothesis import given
from hypothesis import strategies as st

from recurrence.decoding.search.hypotheses import first

#   B = rows, P = prompts, W = hypotheses of each, V = vocabulary, T = tokens


class TestFirst:
    def test_largest_first_and_of_equals_the_lowest_place(self) -> None:
        score_PC = torch.tensor([[1.0, 3, 2, 3, 2, 2], [-inf, 0, -inf, -inf, -1, -inf]])
        assert first(score_PC, 4).tolist() == [[1, 3, 2, 4], [1, 4, 0, 2]]

    @given(st.integers(0, 10**6), st.integers(1, 12))
    def test_is_a_stable_sort(self, seed: int, count: int) -> None:
        score_PC = torch.randint(
            0, 4, (5, 12), generator=torch.Generator().manual_seed(seed)
        ).double()
        assert first(score_PC, count).equal(
            score_PC.sort(dim=1, descending=True, stable=True).indices[:, :count]
        )
