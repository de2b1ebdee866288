from math import inf, nan
from types import ModuleType

import pytest
import torch
from torch import Tensor

from recurrence.decoding.filters import FILTERS, Filter, ban, temperature, top_k, top_p

#   B = rows, V = vocabulary

VALUES = {"temperature": (0.3, 1, 2.5, 1e-300), "top_k": (1, 2, 40), "top_p": (0.01, 0.5, 0.97, 1)}
CASES = [pytest.param(FILTERS[name](value), id=f"{name}-{value}") for name in FILTERS for value in VALUES[name]]
CASES += [pytest.param(ban([0, 2]), id="ban"), pytest.param(ban([]), id="ban-nothing")]
NO_HISTORY = torch.zeros(1, 0, dtype=torch.int64)


def hostile_logits(size: int, seed: int = 0) -> Tensor:
    """Rows with ties, -inf, a lone finite logit (banned and not), all equal, and huge ones."""
    gen = torch.Generator().manual_seed(seed)
    rows = torch.randn(12, size, generator=gen, dtype=torch.float64) * 3
    rows[1:4] = rows[1:4].round()
    rows[2:6][torch.rand(4, size, generator=gen) < 0.5] = -inf
    rows[2:6, size // 2] = 1.0
    rows[6:9] = -inf
    rows[6, 0] = rows[7, -1] = rows[8, 1] = -700.0
    rows[9] = 0.5
    rows[10] *= 1e4
    return rows


def probabilities(keep: Filter, p: list[float]) -> list[float]:
    """What a filter makes of a distribution, as the tokens that are left, likeliest first."""
    logits_BV = torch.tensor([p], dtype=torch.float64).log()
    out_V = keep(logits_BV, NO_HISTORY)[0].softmax(-1)
    return sorted((x for x in out_V.tolist() if x > 0), reverse=True)


def kept(keep: Filter, logits: list[float]) -> list[int]:
    out_V = keep(torch.tensor([logits]), NO_HISTORY)[0]
    return [i for i, x in enumerate(out_V.tolist()) if x > -inf]


@pytest.mark.parametrize("keep", CASES)
class TestContract:
    @pytest.mark.parametrize("size", [3, 7, 60])
    def test_leaves_its_arguments_alone(self, keep: Filter, size: int) -> None:
        logits_BV, history_BT = hostile_logits(size), torch.ones(12, 5, dtype=torch.int64)
        before = logits_BV.clone(), history_BT.clone()
        out_BV = keep(logits_BV, history_BT)
        out_BV += 1.0  # nor may the result share its memory
        assert torch.equal(logits_BV, before[0])
        assert torch.equal(history_BT, before[1])

    @pytest.mark.parametrize("size", [3, 7, 60])
    def test_leaves_something_to_choose(self, keep: Filter, size: int) -> None:
        out_BV = keep(hostile_logits(size), NO_HISTORY)
        assert out_BV.isfinite().any(-1).all()
        assert not out_BV.isnan().any()
        assert not (out_BV == inf).any()

    @pytest.mark.parametrize("size", [3, 7, 60])
    def test_treats_rows_by_themselves(self, keep: Filter, size: int) -> None:
        logits_BV = hostile_logits(size)
        alone = torch.cat([keep(row_V[None], NO_HISTORY) for row_V in logits_BV])
        assert torch.equal(keep(logits_BV, NO_HISTORY), alone)

    def test_keeps_shape_and_type(self, keep: Filter) -> None:
        out_BV = keep(hostile_logits(7).float(), NO_HISTORY)
        assert (out_BV.shape, out_BV.dtype) == ((12, 7), torch.float32)

    def test_composes(self, keep: Filter) -> None:
        for case in CASES:
            after: Filter = case.values[0]
            out_BV = after(keep(hostile_logits(7), NO_HISTORY), NO_HISTORY)
            assert out_BV.isfinite().any(-1).all()
            assert not out_BV.isnan().any()


def test_temperature_divides() -> None:
    out_BV = temperature(0.5)(torch.tensor([[1.0, 2.0, -inf]]), NO_HISTORY)
    assert torch.allclose(out_BV.softmax(-1), torch.tensor([[2.0, 4.0, -inf]]).softmax(-1))


def test_temperature_near_zero_is_greedy() -> None:
    out_BV = temperature(1e-300)(torch.tensor([[1.0, 3.0, 2.999, -inf]]), NO_HISTORY)
    assert out_BV.softmax(-1).tolist() == [[0, 1, 0, 0]]


@pytest.mark.parametrize(
    ("k", "logits", "ids"),
    [
        (1, [2.0, 5.0, 5.0, 5.0], [1]),  # ties go to the lowest id
        (2, [2.0, 5.0, 5.0, 5.0], [1, 2]),
        (3, [7.0, 5.0, 5.0, 5.0], [0, 1, 2]),
        (2, [0.0, 0.0, 0.0, 0.0], [0, 1]),
        (3, [-inf, 4.0, -inf, 1.0], [1, 3]),
        (9, [1.0, 2.0, 3.0], [0, 1, 2]),
    ],
)
def test_top_k_keeps_exactly_k(k: int, logits: list[float], ids: list[int]) -> None:
    assert kept(top_k(k), logits) == ids


@pytest.mark.parametrize(
    ("p", "logits", "ids"),
    [
        (0.3, [0.0, 0.0, 0.0, 0.0], [0, 1]),  # ties go to the lowest id
        (0.01, [1.0, 3.0, 3.0], [1]),  # at least one
        (1, [0.0, -50.0, 20.0, -inf], [0, 1, 2]),
        (0.999999, [0.0, -50.0, 20.0, -inf], [2]),
    ],
)
def test_top_p_keeps_the_smallest_nucleus(p: float, logits: list[float], ids: list[int]) -> None:
    assert kept(top_p(p), logits) == ids


def test_top_p_reaches_its_mass_with_nothing_to_spare() -> None:
    logits_BV = hostile_logits(60)
    out_BV = top_p(0.8)(logits_BV, NO_HISTORY)
    for p_V, left_V in zip(logits_BV.softmax(-1), out_BV.isfinite(), strict=True):
        mass = p_V[left_V].sum()
        assert mass >= 0.8 - 1e-12
        assert mass - p_V[left_V].min() < 0.8
        assert p_V[left_V].min() >= p_V[~left_V].max()


@pytest.mark.parametrize(
    ("keep", "p", "left"),
    [  # the vectors of llama.cpp's tests/test-sampling.cpp
        (top_k(1), [0.1, 0.2, 0.3, 0.4], [1.0]),
        (top_k(3), [0.1, 0.2, 0.3, 0.4], [0.44444, 0.33333, 0.22222]),
        (top_k(4), [0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]),
        (top_p(0.01), [0.1, 0.2, 0.3, 0.4], [1.0]),
        (top_p(0.7), [0.1, 0.2, 0.3, 0.4], [0.571429, 0.428571]),
        (top_p(0.8), [0.1, 0.2, 0.3, 0.4], [0.44444, 0.33333, 0.22222]),
        (top_p(1), [0.1, 0.2, 0.3, 0.4], [0.4, 0.3, 0.2, 0.1]),
    ],
)
def test_agrees_with_published_vectors(keep: Filter, p: list[float], left: list[float]) -> None:
    assert probabilities(keep, p) == pytest.approx(left, abs=1e-5)


def test_ban_masks_and_renormalises() -> None:
    assert probabilities(ban([1]), [0.2, 0.5, 0.3]) == pytest.approx([0.6, 0.4])


def test_ban_leaves_the_others_where_only_banned_ids_had_a_chance() -> None:
    out_BV = ban([0, 2])(torch.tensor([[3.0, -inf, 1.0, -inf], [3.0, 1.0, 1.0, 2.0]]), NO_HISTORY)
    assert out_BV.tolist() == [[-inf, 0, -inf, 0], [-inf, 1, -inf, 2]]


@pytest.mark.parametrize(
    ("name", "value"),
    [("temperature", bad) for bad in (0, -1, nan, inf, "warm", None, True)]
    + [("top_k", bad) for bad in (0, -3, 2.5, "5", None, True)]
    + [("top_p", bad) for bad in (0, 1.01, -0.2, nan, "0.9", [0.9], True)],
)
def test_refuses_bad_values(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name} must be .*, got"):
        FILTERS[name](value)


@pytest.fixture(scope="module")
def warpers() -> ModuleType:
    return pytest.importorskip("transformers.generation.logits_process")


class TestAgainstTransformers:
    """The same numbers as another library's warpers, which keep every tie at the edge of top-k, and any in top-p."""

    hostile = tuple(hostile_logits(size, seed) for size in (2, 3, 5, 17, 60) for seed in range(4))

    @pytest.mark.parametrize("value", [0.1, 0.7, 1.0, 3.0])
    def test_temperature(self, warpers: ModuleType, value: float) -> None:
        for logits_BV in self.hostile:
            theirs_BV = warpers.TemperatureLogitsWarper(value)(None, logits_BV.clone())
            assert torch.allclose(temperature(value)(logits_BV, NO_HISTORY).softmax(-1), theirs_BV.softmax(-1))

    @pytest.mark.parametrize("value", [1, 2, 5, 59, 60])
    def test_top_k(self, warpers: ModuleType, value: int) -> None:
        for logits_BV in self.hostile:
            ours_BV = top_k(value)(logits_BV, NO_HISTORY)
            theirs_BV = warpers.TopKLogitsWarper(value)(None, logits_BV.clone())
            assert torch.equal(ours_BV.isfinite().sum(-1), logits_BV.isfinite().sum(-1).clamp(max=value))
            edge_B1 = ours_BV.masked_fill(ours_BV == -inf, inf).amin(-1, keepdim=True)
            extra_BV = theirs_BV.isfinite() & ~ours_BV.isfinite()
            assert torch.equal(theirs_BV.masked_fill(extra_BV, -inf), ours_BV)
            assert (theirs_BV == edge_B1)[extra_BV].all()

    @pytest.mark.parametrize("value", [0.1037, 0.5171, 0.8943, 0.9907])
    def test_top_p(self, warpers: ModuleType, value: float) -> None:
        for logits_BV in self.hostile:
            theirs_BV = warpers.TopPLogitsWarper(value)(None, logits_BV.clone())
            ours_BV = top_p(value)(logits_BV, NO_HISTORY)
            assert torch.equal(ours_BV.sort(-1).values, theirs_BV.sort(-1).values)
