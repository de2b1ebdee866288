import pytest
import torch

from recurrence.model.dropout import Dropout, LockedDropout, drop_rows, dropout_mask


def test_locked_dropout_keeps_one_mask_over_time_and_scales() -> None:
    torch.manual_seed(0)
    out = LockedDropout(0.5)(torch.ones(3, 7, 50))
    assert torch.equal(out, out[:, :1].expand_as(out))
    assert set(out.unique().tolist()) == {0.0, 2.0}
    assert not torch.equal(out[0], out[1])  # another mask for every lane


def test_rows_are_dropped_whole() -> None:
    torch.manual_seed(0)
    weight = torch.rand(200, 5) + 1
    out = drop_rows(weight, 0.25, training=True)
    dropped = (out == 0).all(1)
    assert 20 < dropped.sum() < 80  # 50 expected; outside by chance with odds below 1e-5
    assert torch.allclose(out[~dropped], weight[~dropped] / 0.75)


def test_evaluation_is_untouched() -> None:
    x = torch.rand(2, 3, 4)
    assert LockedDropout(0.5).eval()(x) is x
    assert drop_rows(x[0], 0.5, training=False) is x[0] or torch.equal(
        drop_rows(x[0], 0.5, training=False), x[0]
    )


@pytest.mark.parametrize("p", [0.02, 0.1, 0.4, 0.5, 0.9])
def test_masks_are_those_that_bernoulli_draws(p: float) -> None:
    for shape in ((7,), (3, 1, 5), (64, 33)):
        torch.manual_seed(1)
        mask, after = dropout_mask(torch.empty(shape), p), torch.rand(3)
        torch.manual_seed(1)
        assert torch.equal(mask, torch.empty(shape).bernoulli_(1 - p).div_(1 - p))
        assert torch.equal(after, torch.rand(3))  # and the generator is left as it leaves it


@pytest.mark.parametrize("p", [0.0, 0.4])
@pytest.mark.parametrize("time_first", [False, True])
def test_plain_dropout_is_torchs_own(p: float, time_first: bool) -> None:
    outputs = []
    for module in (Dropout(p), torch.nn.Dropout(p)):
        torch.manual_seed(2)
        x = torch.rand(5, 3, 4).transpose(0, 1) if time_first else torch.rand(3, 5, 4)
        outputs.append((module(x), module.eval()(x)))
    for ours, theirs in zip(*outputs, strict=True):
        assert torch.equal(ours, theirs)


def test_a_mask_is_drawn_from_the_generator_given() -> None:
    blank, before = torch.empty(4, 4), torch.get_rng_state()
    masks = [dropout_mask(blank, 0.5, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert torch.equal(masks[0], masks[1]) and not torch.equal(masks[0], masks[2])
    assert torch.equal(before, torch.get_rng_state())
