import pytest
import torch
from torch import Tensor, nn

from decoding.filters.started import letters, start
from recurrence.decoding.filters.contract import Setting
from recurrence.decoding.filters.registry import FILTERS

#   B = rows, V = vocabulary, T = tokens so far, S = steps


class Rememberer(nn.Module):
    """Logits from a fading sum over all tokens so far, or, with a context, over a window."""

    def __init__(self, size: int, context: int | None = None) -> None:
        super().__init__()
        gen = torch.Generator().manual_seed(5)
        self.vocab_size, self.context = size, context
        self.register_buffer(
            "table_VV", torch.randn(size, size, generator=gen, dtype=torch.float64)
        )

    def initial_state(self, lanes: int) -> tuple[Tensor, ...]:
        return (self.table_VV.new_zeros(1, lanes, self.vocab_size),)

    def forward(
        self, ids_BT: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        sums, fading_BV = (
            [],
            (state if self.context is None else self.initial_state(len(ids_BT)))[0][0],
        )
        for ids_B in ids_BT.unbind(1):
            fading_BV = 0.5 * fading_BV + self.table_VV[ids_B]
            sums.append(fading_BV)
        if self.context is None:
            return torch.stack(sums, 1), (fading_BV[None],)
        return fading_BV, state


@pytest.mark.parametrize("context", [None, 3])
def test_contrastive_decoding_subtracts_what_the_amateur_says(context: int | None) -> None:
    size, rows, steps, amateur = 7, 3, 6, Rememberer(7, context)
    gen = torch.Generator().manual_seed(2)
    text_BT = torch.randint(size, (rows, 5 + steps), generator=gen)
    running = start(
        "contrastive_decoding",
        {"alpha": 0.2, "temperature": 0.5},
        torch.zeros(rows, steps).double(),
        Setting(letters(size), amateur=amateur),  # type: ignore[arg-type]
    )
    for end in range(5, 5 + steps):
        raw_BV = torch.randn(rows, size, generator=gen, dtype=torch.float64)
        out_BV = running(raw_BV, text_BT[:, :end])
        read_BT = text_BT[:, max(0, end - (context or end)) : end]
        weak_BV = amateur(read_BT, amateur.initial_state(rows))[0].reshape(rows, -1, size)[:, -1]
        p_BV, ratio_BV = (
            raw_BV.softmax(-1),
            raw_BV.log_softmax(-1) - (weak_BV / 0.5).log_softmax(-1),
        )
        likely_BV = p_BV >= 0.2 * p_BV.amax(-1, keepdim=True)
        assert torch.equal(out_BV.isfinite(), likely_BV)
        assert torch.allclose(out_BV[likely_BV], ratio_BV[likely_BV])
        running.chosen(text_BT[:, end])


def test_contrastive_decoding_needs_an_amateur_of_the_same_vocabulary() -> None:
    with pytest.raises(ValueError, match=r"contrastive_decoding needs a second, weaker model"):
        FILTERS["contrastive_decoding"](0.1, Setting(letters(4)))
    with pytest.raises(
        ValueError, match=r"must have the model's vocabulary, got one of 5 tokens and not 4"
    ):
        other = Setting(letters(4), amateur=Rememberer(5))  # type: ignore[arg-type]
        FILTERS["contrastive_decoding"](0.1, other)
