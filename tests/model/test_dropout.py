import torch

from recurrence.model.dropout import LockedDropout, drop_rows


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
    assert drop_rows(x[0], 0.5, training=False) is x[0] or torch.equal(drop_rows(x[0], 0.5, training=False), x[0])
