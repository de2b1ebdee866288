"""XTC, adaptive-p and look-back: published vectors, worked examples, what they steer to."""

from math import inf

import pytest
import torch
from torch import Tensor

from decoding.filters.started import NO_HISTORY, choose, left, letters, logits, start
from recurrence.decoding.filters import feedback
from recurrence.decoding.filters.contract import Setting
from recurrence.decoding.filters.registry import FILTERS

#   B = rows, V = vocabulary, T = tokens so far, S = steps


# ---- XTC


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [  # the vectors of llama.cpp's tests/test-sampling.cpp
        (0.09, [0, 0, 0, 1.0]),
        (0.19, [0, 0, 0.2 / 0.3, 0.1 / 0.3]),
        (0.29, [0, 0.3 / 0.6, 0.2 / 0.6, 0.1 / 0.6]),
        (0.39, [0.4, 0.3, 0.2, 0.1]),
        (0.51, [0.4, 0.3, 0.2, 0.1]),
    ],
)
def test_xtc_agrees_with_published_vectors(threshold: float, expected: list[float]) -> None:
    running = start(
        "xtc", {"probability": 0.99, "threshold": threshold}, torch.full((1, 1), 0.98).double()
    )
    assert left(running, 0.4, 0.3, 0.2, 0.1) == pytest.approx(expected)


def test_xtc_leaves_one_of_equals_the_lowest() -> None:
    assert left(start("xtc", 1), 0.25, 0.25, 0.25, 0.25) == [1, 0, 0, 0]
    two = start("xtc", {"probability": 1, "threshold": 0.15})
    assert left(two, 0.5, 0.2, 0.2, 0.1) == pytest.approx([0, 2 / 3, 0, 1 / 3])


def test_xtc_tosses_a_coin_for_each_row_and_step() -> None:
    uniform_BS = torch.tensor([[0.1, 0.9, 0.49], [0.5, 0.2, 0.51]], dtype=torch.float64)
    running = start("xtc", 0.5, uniform_BS)
    cut = []
    for _ in range(3):
        out_BV = running(logits(0.4, 0.3, 0.2, 0.1).expand(2, 4), NO_HISTORY)
        assert torch.equal(out_BV, running(logits(0.4, 0.3, 0.2, 0.1).expand(2, 4), NO_HISTORY))
        cut.append((out_BV == -inf).any(-1).tolist())
        running.chosen(torch.tensor([3, 3]))
    assert cut == [[True, False], [False, True], [True, False]]


# ---- adaptive-p


def test_adaptive_p_prefers_what_is_as_likely_as_its_goal() -> None:
    running = start("adaptive_p", 0.5)
    first = running(logits(0.5, 0.3, 0.2), NO_HISTORY)[0].tolist()
    assert first == pytest.approx(
        [5, 5 - 10 * (4 / 9) / (5 / 3), 0]
    )  # distances 0, 2/3 and 1 in units of 0.3
    choose(running, 2)  # p = 0.2: the mean is 0.9 * 0.5 + 0.1 * 0.2 = 0.47, so the goal 0.53
    second = running(logits(0.83, 0.17, 0.0), NO_HISTORY)[0].tolist()
    assert second == pytest.approx([0, 5 - 10 * 1.44 / 2.2, -inf])


def test_adaptive_p_below_zero_is_off() -> None:
    assert left(start("adaptive_p", -1), 0.5, 0.3, 0.2) == pytest.approx([0.5, 0.3, 0.2])


def test_adaptive_p_steers_the_probability_of_what_is_chosen() -> None:
    rows, steps, means = 8, 300, []
    raw_BV = logits(0.4, 0.3, 0.15, 0.08, 0.04, 0.03).expand(rows, 6)  # left alone: 0.28
    for target in (0.1, 0.2, 0.35):
        gen = torch.Generator().manual_seed(1)
        running, chosen = start("adaptive_p", target, torch.zeros(rows, steps).double()), []
        for _ in range(steps):
            ids_B1 = running(raw_BV, NO_HISTORY).softmax(-1).multinomial(1, generator=gen)
            chosen.append(raw_BV.exp().gather(1, ids_B1))
            running.chosen(ids_B1[:, 0])
        means.append(torch.stack(chosen).mean().item())
    assert means == pytest.approx([0.1, 0.2, 0.35], abs=0.05)


# ---- look-back


def test_look_back_samples_where_the_distribution_came_before() -> None:
    running = start("look_back", {"tau": 0.1, "k": 2})
    seen = []
    for p in [
        (0.7, 0.2, 0.1),
        (0.1, 0.2, 0.7),
        (0.7, 0.2, 0.1),
        (0.69, 0.21, 0.1),
        (0.0, 1.0, 0.0),
        (0.4, 0.2, 0.4),
    ]:
        seen.append([x > 0 for x in left(running, *p)])
        choose(running, 0)
    greedy = [[True, False, False], [False, False, True], [False, True, False]]
    near = [True, True, False]
    assert seen == [greedy[0], greedy[1], near, near, greedy[2], greedy[0]]


def test_look_back_measures_the_divergence_of_now_from_then() -> None:
    then, now = torch.tensor([0.7, 0.2, 0.1]).double(), torch.tensor([0.5, 0.4, 0.1]).double()
    kl = (now * (now / then).log()).sum().item()
    for tau, kept in [(kl * 1.001, 2), (kl * 0.999, 1)]:
        running = start("look_back", {"tau": tau, "k": 2})
        left(running, *then.tolist())
        choose(running, 0)
        assert sum(x > 0 for x in left(running, *now.tolist())) == kept


def test_look_back_forgets_what_is_outside_its_window() -> None:
    running = start("look_back", {"tau": 0.1, "k": 2, "window": 2})
    kept = []
    for p in [
        (0.7, 0.2, 0.1),
        (0.1, 0.2, 0.7),
        (0.7, 0.2, 0.1),
        (0.1, 0.7, 0.2),
        (0.2, 0.1, 0.7),
        (0.7, 0.2, 0.1),
    ]:
        kept.append(sum(x > 0 for x in left(running, *p)))
        choose(running, 0)
    assert kept == [1, 1, 2, 1, 1, 1]


@pytest.mark.parametrize("last", [None, 5])
def test_look_back_makes_room_as_it_goes(last: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    gen = torch.Generator().manual_seed(0)
    steps_SBV = torch.randn(20, 3, 6, generator=gen, dtype=torch.float64)

    def made() -> Tensor:
        value = {"tau": 0.9, "k": 3, "window": last}
        running = start("look_back", value, torch.zeros(3, 20).double())
        out = []
        for logits_BV in steps_SBV:
            out.append(running(logits_BV, NO_HISTORY))
            running.chosen(torch.zeros(3).long())
        return torch.stack(out)

    whole = made()
    monkeypatch.setattr(feedback, "FIRST_ROOM", 1)
    assert torch.equal(made(), whole)


def test_every_start_is_fresh() -> None:
    """Two batches of one strategy do not hear of each other."""
    uniform_BS = torch.zeros(1, 3, dtype=torch.float64)
    for name, value in [
        ("mirostat_v2", {"tau": 1, "eta": 1}),
        ("adaptive_p", 0.5),
        ("look_back", 1),
        ("xtc", 0.5),
    ]:
        found = FILTERS[name](value, Setting(letters(4)))
        first, second = found.start(uniform_BS), found.start(uniform_BS)
        before = left(first, 0.4, 0.3, 0.2, 0.1)
        choose(first, 1)
        left(first, 0.4, 0.3, 0.2, 0.1)
        assert left(second, 0.4, 0.3, 0.2, 0.1) == before
