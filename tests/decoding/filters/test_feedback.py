"""Filters with memory or chance: worked examples, published vectors, what they steer to."""

from math import inf, log, log2
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from recurrence import params
from recurrence.decoding.filters.contract import Running, Setting
from recurrence.decoding.filters.registry import FILTERS
from recurrence.vocab import Vocab

#   B = rows, V = vocabulary, T = tokens so far, S = steps

NO_HISTORY = torch.zeros(1, 1, dtype=torch.int64)


def vocab(size: int) -> Vocab:
    return Vocab(tuple(chr(ord("a") + i) for i in range(size)), (), params.Tokens(unit="char"))


def start(
    name: str, value: Any, uniform_BS: Tensor | None = None, setting: Setting | None = None
) -> Running:
    uniform_BS = torch.zeros(1, 9, dtype=torch.float64) if uniform_BS is None else uniform_BS
    return FILTERS[name](value, setting or Setting(vocab(4))).start(uniform_BS)


def logits(*p: float) -> Tensor:
    return torch.tensor([p], dtype=torch.float64).log()


def left(running: Running, *p: float) -> list[float]:
    """What it makes of a distribution, one row."""
    return running(logits(*p), NO_HISTORY)[0].softmax(-1).tolist()


def choose(running: Running, token: int) -> None:
    running.chosen(torch.tensor([token]))


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


# ---- mirostat


def zipf(exponent: float, size: int) -> Tensor:
    return (-exponent * torch.arange(1, size + 1, dtype=torch.float64).log()).log_softmax(-1)[None]


@pytest.mark.parametrize(
    ("exponent", "size", "tau"), [(1.4, 200, 2.0), (0.8, 50, 1.0), (1.0, 60, 1.5), (0.0, 9, 1.0)]
)
def test_mirostat_v1_finds_the_k_of_a_zipf_distribution(
    exponent: float, size: int, tau: float
) -> None:
    """Such a distribution gives back its own exponent, so that k is the formula's."""
    running = start("mirostat_v1", tau, setting=Setting(vocab(size)))
    left_V = running(zipf(exponent, size), NO_HISTORY)[0]
    e = exponent - 1
    x = 2 ** (2 * tau) * (e / (1 - size**-e) if e else 1 / log(size))
    k = round(x ** (1 / exponent)) if exponent else size if x > 1 else 1
    assert left_V.isfinite().sum() == min(max(k, 1), size)
    assert left_V.isfinite().sum() == left_V[:k].isfinite().sum()


def test_mirostat_v2_keeps_what_surprises_by_at_most_mu_and_steers_it() -> None:
    running = start("mirostat_v2", {"tau": 1, "eta": 0.5})
    assert left(running, 0.5, 0.25, 0.125, 0.125) == pytest.approx(
        [2 / 3, 1 / 3, 0, 0]
    )  # mu = 2 bits
    choose(running, 0)  # S = 1 bit, as intended
    assert left(running, 0.5, 0.25, 0.125, 0.125) == pytest.approx([2 / 3, 1 / 3, 0, 0])
    choose(running, 1)  # S = 2 bits, so mu = 1.5
    assert left(running, 0.5, 0.25, 0.125, 0.125) == [1, 0, 0, 0]
    assert left(running, 0.3, 0.3, 0.3, 0.1) == [
        1,
        0,
        0,
        0,
    ]  # nothing within mu: the likeliest, the lowest id
    choose(running, 0)  # S = 1.737 bits of 0.3
    assert left(running, 0.5, 0.5, 0.0, 0.0) == pytest.approx([0.5, 0.5, 0, 0])


@pytest.mark.parametrize(
    (
        "surprise",
        "mu",
    ),  # 2.4 less what 0.2, or the 2/9 that it became, surprises by beyond 1.2 bits
    [("full", 3.6 + log2(0.2)), ("kept", 3.6 + log2(2 / 9))],
)
def test_mirostat_measures_the_surprise_before_or_after_its_cut(surprise: str, mu: float) -> None:
    for second, tokens in [(2**-mu + 1e-6, 2), (2**-mu - 1e-6, 1)]:
        running = start("mirostat_v2", {"tau": 1.2, "eta": 1, "surprise": surprise})
        assert left(running, 0.4, 0.3, 0.2, 0.1) == pytest.approx([4 / 9, 3 / 9, 2 / 9, 0])
        choose(running, 2)
        assert sum(x > 0 for x in left(running, 0.5, second, 0.5 - second)) == tokens


def test_a_token_chosen_against_mirostat_teaches_it_nothing() -> None:
    running = start("mirostat_v2", {"tau": 1, "surprise": "kept"})
    before = left(running, 0.5, 0.25, 0.125, 0.125)
    choose(running, 3)
    assert left(running, 0.5, 0.25, 0.125, 0.125) == before


@pytest.mark.parametrize("name", ["mirostat_v1", "mirostat_v2"])
@pytest.mark.parametrize("surprise", ["full", "kept"])
@pytest.mark.parametrize("tau", [2.5, 3.5])
def test_mirostat_steers_the_surprise_to_tau(name: str, surprise: str, tau: float) -> None:
    """On a fixed distribution what it measures comes to tau on average."""
    rows, steps, size = 8, 400, 60
    gen = torch.Generator().manual_seed(0)
    running = start(
        name,
        {"tau": tau, "eta": 0.1, "surprise": surprise},
        torch.rand(rows, steps, generator=gen, dtype=torch.float64),
        Setting(vocab(size)),
    )
    raw_BV, bits = zipf(1.2, size).expand(rows, size), []
    entropy_bits = -(raw_BV[0].exp() * raw_BV[0]).sum().item() / log(2)
    assert -raw_BV[0, 0].item() / log(2) < 2.5 < 3.5 < entropy_bits
    for _ in range(steps):
        left_BV = running(raw_BV, NO_HISTORY).log_softmax(-1)
        ids_B1 = left_BV.exp().multinomial(1, generator=gen)
        bits.append(-(raw_BV if surprise == "full" else left_BV).gather(1, ids_B1) / log(2))
        running.chosen(ids_B1[:, 0])
    late = torch.stack(bits[50:])
    assert late.mean().item() == pytest.approx(tau, abs=0.05)
    assert (late.mean(0) - tau).abs().max() < 0.15


def test_tau_as_a_share_of_the_models_bits() -> None:
    fifth = start("mirostat_v2", {"tau": {"of_bits": 0.5}}, setting=Setting(vocab(4), bits=2.0))
    assert left(fifth, 0.5, 0.25, 0.125, 0.125) == pytest.approx([2 / 3, 1 / 3, 0, 0])
    with pytest.raises(
        ValueError, match=r"mirostat_v2\.tau\.of_bits needs the model's validation bits per token"
    ):
        FILTERS["mirostat_v2"]({"tau": {"of_bits": 0.5}}, Setting(vocab(4)))


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


# ---- contrastive decoding


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
        Setting(vocab(size), amateur=amateur),  # type: ignore[arg-type]
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
        FILTERS["contrastive_decoding"](0.1, Setting(vocab(4)))
    with pytest.raises(
        ValueError, match=r"must have the model's vocabulary, got one of 5 tokens and not 4"
    ):
        other = Setting(vocab(4), amateur=Rememberer(5))  # type: ignore[arg-type]
        FILTERS["contrastive_decoding"](0.1, other)


def test_every_start_is_fresh() -> None:
    """Two batches of one strategy do not hear of each other."""
    uniform_BS = torch.zeros(1, 3, dtype=torch.float64)
    for name, value in [
        ("mirostat_v2", {"tau": 1, "eta": 1}),
        ("adaptive_p", 0.5),
        ("look_back", 1),
        ("xtc", 0.5),
    ]:
        found = FILTERS[name](value, Setting(vocab(4)))
        first, second = found.start(uniform_BS), found.start(uniform_BS)
        before = left(first, 0.4, 0.3, 0.2, 0.1)
        choose(first, 1)
        left(first, 0.4, 0.3, 0.2, 0.1)
        assert left(second, 0.4, 0.3, 0.2, 0.1) == before


def test_bits_are_bits() -> None:
    assert left(start("mirostat_v2", log2(3) / 2 + 1e-9), 1 / 3, 1 / 3, 1 / 3) == pytest.approx(
        [1 / 3, 1 / 3, 1 / 3]
    )
    assert left(start("mirostat_v2", log2(3) / 2 - 1e-9), 1 / 3, 1 / 3, 1 / 3) == [1, 0, 0]
