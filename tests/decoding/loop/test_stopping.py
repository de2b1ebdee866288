import numpy as np
import pytest
import torch
from numpy.typing import ArrayLike, NDArray

from decoding.fakes import Cyclic, Fading
from recurrence.decoding.loop.sampling import Row, Sampler, sample
from recurrence.decoding.loop.stopping import at_loop, at_token
from recurrence.loops import OnlineDetector, find_run
from recurrence.randomness import generator

GREEDY = Sampler("greedy", deterministic=True)


def rows(*prompts: tuple[int, ...]) -> list[Row]:
    return [Row(prompt, GREEDY, generator()) for prompt in prompts]


def test_a_token_ends_its_rows() -> None:
    found = sample(Cyclic(6), rows((0,), (3,)), 9, stop=lambda count: at_token(5))
    assert [ids_T.tolist() for ids_T in found.rows()] == [[1, 2, 3, 4, 5], [4, 5]]


class Third:
    """Fires in each lane at its third token."""

    def __init__(self, lanes: int) -> None:
        self.seen = np.zeros(lanes, np.int64)

    def update(self, tokens: ArrayLike) -> NDArray[np.bool_]:
        self.seen += np.asarray(tokens) >= 0
        return self.seen >= 3


def test_a_detector_is_told_of_every_token_of_its_lane() -> None:
    assert sample(
        Cyclic(4), rows((0,), (1,)), 9, stop=lambda count: at_loop(Third(count))
    ).length_B.tolist() == [3, 3]


@pytest.mark.parametrize("model", [Cyclic(7), Fading()])
def test_a_loop_ends_its_row_at_the_first_prefix_that_has_one(model: torch.nn.Module) -> None:
    asked = rows((0,), (1, 3), (2, 2))
    whole = sample(model, asked, 60).rows()
    stopped = sample(
        model,
        rows((0,), (1, 3), (2, 2)),
        60,
        stop=lambda count: at_loop(OnlineDetector(count, "char", 9)),
    )
    assert len({len(ids_T) for ids_T in stopped.rows()}) > 1 or isinstance(model, Cyclic)
    for ids_T, all_T in zip(stopped.rows(), whole, strict=True):
        assert ids_T.tolist() == all_T[: len(ids_T)].tolist()
        assert find_run(ids_T[:-1].numpy(), 9) is None
        assert find_run(ids_T.numpy(), 9) is not None
