from math import log, log2

import pytest
import torch
from torch import Tensor

from decoding.filters.started import NO_HISTORY, choose, left, letters, start
from recurrence.decoding.filters.contract import Setting
from recurrence.decoding.filters.registry import FILTERS

#   B = rows, V = vocabulary, T = tokens so far, S = steps


def zipf(exponent: float, size: int) -> Tensor:
    return (-exponent * torch.arange(1, size + 1, dtype=torch.float64).log()).log_softmax(-1)[None]


@pytest.mark.parametrize(
    ("exponent", "size", "tau"), [(1.4, 200, 2.0), (0.8, 50, 1.0), (1.0, 60, 1.5), (0.0, 9, 1.0)]
)
def test_mirostat_v1_finds_the_k_of_a_zipf_distribution(
    exponent: float, size: int, tau: float
) -> None:
    """Such a distribution gives back its own exponent, so that k is the formula's."""
    running = start("mirostat_v1", tau, setting=Setting(letters(size)))
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
        Setting(letters(size)),
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
    fifth = start("mirostat_v2", {"tau": {"of_bits": 0.5}}, setting=Setting(letters(4), bits=2.0))
    assert left(fifth, 0.5, 0.25, 0.125, 0.125) == pytest.approx([2 / 3, 1 / 3, 0, 0])
    with pytest.raises(
        ValueError, match=r"mirostat_v2\.tau\.of_bits needs the model's validation bits per token"
    ):
        FILTERS["mirostat_v2"]({"tau": {"of_bits": 0.5}}, Setting(letters(4)))


def test_bits_are_bits() -> None:
    assert left(start("mirostat_v2", log2(3) / 2 + 1e-9), 1 / 3, 1 / 3, 1 / 3) == pytest.approx(
        [1 / 3, 1 / 3, 1 / 3]
    )
    assert left(start("mirostat_v2", log2(3) / 2 - 1e-9), 1 / 3, 1 / 3, 1 / 3) == [1, 0, 0]
