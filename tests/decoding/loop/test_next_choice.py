from math import inf, log, nan

import pytest
import torch

from recurrence.decoding.loop.choice import draw, likeliest, rescue


class TestDraw:
    def test_inverts_the_cumulative_distribution(self) -> None:
        logits_V = torch.tensor([0.1, 0.2, 0.3, 0.4]).log()
        uniform_B = torch.tensor(
            [0.0, 0.09, 0.11, 0.29, 0.31, 0.59, 0.61, 0.99], dtype=torch.float64
        )
        assert draw(logits_V.expand(8, 4), uniform_B).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]

    def test_frequencies_are_the_probabilities(self) -> None:
        p_V = torch.tensor([0.0, 0.003, 0.5, 0.0, 0.047, 0.45], dtype=torch.float64)
        uniform_B = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
        counts_V = draw(p_V.log().expand(1000, 6), uniform_B).bincount(minlength=6)
        assert counts_V.tolist() == [0, 3, 500, 0, 47, 450]

    @pytest.mark.parametrize("uniform", [0.0, 1 - 2**-53])
    def test_never_takes_what_is_ruled_out(self, uniform: float) -> None:
        logits_BV = torch.tensor(
            [[-inf, 0.1, 0.2, -inf, 0.3, -inf], [-inf, -inf, -inf, 5.0, -inf, -inf]]
        )
        ids_B = draw(logits_BV, torch.full((2,), uniform, dtype=torch.float64))
        assert ids_B.tolist() == [1 if uniform == 0 else 4, 3]

    def test_the_largest_uniform_stays_within_any_total(self) -> None:
        logits_BV = torch.randn(
            2000, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64
        )
        logits_BV[:, -1] = -inf
        assert (
            draw(logits_BV, torch.full((2000,), 1 - 2**-53, dtype=torch.float64)).tolist()
            == [7] * 2000
        )

    def test_rare_tokens_keep_their_share(self) -> None:
        logits_BV = torch.tensor([[0.0, log(1e-12)]], dtype=torch.float64)
        assert draw(logits_BV, torch.tensor([1 - 2e-12], dtype=torch.float64)).item() == 0
        assert draw(logits_BV, torch.tensor([1 - 5e-13], dtype=torch.float64)).item() == 1


def test_likeliest_is_the_lowest_of_equals() -> None:
    logits_BV = torch.tensor(
        [[1.0, 3.0, 3.0], [0.0, 0.0, 0.0], [-inf, -inf, -5.0], [nan, 1.0, 2.0]]
    )
    assert likeliest(logits_BV).tolist() == [
        1,
        0,
        2,
        2,
    ]  # where nothing is a number, some id: `sample` refuses it


def test_a_rescue_falls_back_to_the_allowed_logits_then_to_even_chances() -> None:
    banned_BV = torch.tensor([[True, False, False]] * 3)
    allowed_BV = torch.tensor([[-inf, 1.0, 2.0], [-inf, 1.0, 2.0], [-inf, -inf, -inf]])
    left_BV = torch.tensor([[-inf, 1.0, -inf], [-inf, -inf, -inf], [-inf, -inf, -inf]])
    out_BV, rescued_B = rescue(left_BV, allowed_BV, banned_BV)
    assert out_BV.tolist() == [[-inf, 1.0, -inf], [-inf, 1.0, 2.0], [-inf, 0.0, 0.0]]
    assert rescued_B.tolist() == [False, True, True]
