import numpy as np
import pytest
import torch

from recurrence.errors import RecurrenceError
from recurrence.params import Batches
from recurrence.training import batches

STREAM = torch.arange(1000)


def block(**changes: object) -> Batches:
    return Batches.model_validate({"loader": "lanes", "size": 4, "bptt": 5} | changes)


def collect(loader: batches.Loader, seed: int = 0) -> list[tuple[torch.Tensor, torch.Tensor]]:
    return list(loader.batches(np.random.default_rng(seed)))


@pytest.mark.parametrize("name", ["variable_bptt", "lanes", "rows", "windows"])
def test_every_target_is_the_token_after_its_input(name: str) -> None:
    seen = collect(batches.loader(STREAM, block(loader=name), train=True))
    assert seen
    for x, y in seen:
        assert torch.equal(y, x + 1)  # the stream counts up, so shifting by one adds one


def test_lanes_go_on_where_the_batch_before_stopped() -> None:
    seen = collect(batches.loader(torch.arange(23), block(size=2, bptt=3), train=True))
    # windows start at 0, 3, ..., 18 (7 of them): 3 per lane, the seventh is dropped
    assert [x.tolist() for x, _ in seen] == [
        [[0, 1, 2], [9, 10, 11]],
        [[3, 4, 5], [12, 13, 14]],
        [[6, 7, 8], [15, 16, 17]],
    ]


def test_rows_keep_a_last_small_batch_only_for_validation() -> None:
    short = torch.arange(17)  # windows at 0, 3, 6, 9, 12
    rule = block(loader="rows", size=2, bptt=3, targets="last")
    assert [len(x) for x, _ in collect(batches.loader(short, rule, train=True))] == [2, 2]
    seen = collect(batches.loader(short, rule, train=False))
    assert [len(x) for x, _ in seen] == [2, 2, 1]
    assert seen[2][0].tolist() == [[12, 13, 14]] and seen[2][1].tolist() == [[15]]


def test_the_notebooks_counts_come_out() -> None:
    # figures of the notebooks: 470 and 942 batches for nietzsche A, 49 and 12 for human numbers,
    # 4,207 targets for lm1
    assert len(batches.VariableBptt(torch.empty(482_972), 64, 16)) == 470
    assert len(batches.VariableBptt(torch.empty(482_972), 64, 8)) == 942
    assert len(batches.VariableBptt(torch.empty(485_749), 64, 8)) == 947
    train, valid = torch.arange(50_464), torch.arange(12_631)
    lanes16 = block(size=64, bptt=16)
    assert len(batches.loader(train, lanes16, train=True)) == 49
    assert len(batches.loader(valid, lanes16, train=False)) == 12
    rows3 = block(loader="rows", size=64, bptt=3, targets="last")
    assert sum(len(y) for _, y in collect(batches.loader(valid[8:], rows3, train=False))) == 4207
    lanes3 = block(size=64, bptt=3, targets="last")
    assert sum(len(y) for _, y in collect(batches.loader(valid[8:], lanes3, train=False))) == 4160


def test_variable_windows_have_the_notebooks_statistics() -> None:
    loader = batches.VariableBptt(torch.arange(482_972), 64, 16)
    seen = collect(loader)
    lengths = np.array([x.shape[1] for x, _ in seen])
    assert len(seen) == 470  # at bptt 16 the count stops an epoch, not the data
    assert lengths.min() >= 5 and 14.6 < lengths.mean() < 15.8  # 15.19 over many epochs
    eight = [
        len(collect(batches.VariableBptt(torch.arange(482_972), 64, 8), seed)) for seed in range(5)
    ]
    assert all(850 < n < 942 for n in eight)  # about 900: at bptt 8 the data runs out first


def test_variable_windows_of_a_lane_join_up() -> None:
    seen = collect(batches.VariableBptt(torch.arange(2000), 4, 16))
    lane = torch.cat([x[0] for x, _ in seen])
    assert torch.equal(lane, torch.arange(len(lane)))


def test_shuffled_windows_are_all_windows_in_another_order() -> None:
    loader = batches.loader(
        torch.arange(50), block(loader="windows", stride=1, targets="last"), train=True
    )
    first, second = collect(loader, 1), collect(loader, 2)
    firsts = torch.cat([x[:, 0] for x, _ in first])
    assert not torch.equal(firsts, torch.cat([x[:, 0] for x, _ in second]))
    assert sorted(firsts.tolist()) == list(range(45))  # the last window still has a target after it


@pytest.mark.parametrize(("split", "held"), [("random_windows", 9), ("last_window", 1)])
def test_notebook_windows_are_parted_once(split: str, held: int) -> None:
    rule = block(loader="windows", stride=1, targets="last", notebook_split=split)
    train, valid = batches.notebook_windows(torch.arange(50), rule, np.random.default_rng(0))
    assert len(valid.starts) == held
    assert sorted(torch.cat([train.starts, valid.starts]).tolist()) == list(range(45))
    if split == "last_window":
        assert valid.starts.tolist() == [44]


@pytest.mark.parametrize("name", ["variable_bptt", "lanes", "rows"])
def test_a_text_too_short_for_a_batch_is_an_error(name: str) -> None:
    with pytest.raises(RecurrenceError, match="too short: 7 tokens make no batch of 4 x 5"):
        batches.loader(torch.arange(7), block(loader=name), train=True)
