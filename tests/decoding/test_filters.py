"""What every filter owes (of whichever file), and the filters of filters.py one by one."""

from math import inf, log, log2, nan
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from recurrence import params
from recurrence.decoding import feedback, filters, penalties
from recurrence.decoding.filters import FILTERS, Filter, Setting
from recurrence.vocab import Vocab

#   B = rows, V = vocabulary, T = tokens so far

ALL = {**filters.FILTERS, **penalties.FILTERS, **feedback.FILTERS}
VALUES: dict[str, list[Any]] = {
    "temperature": [0.3, 1, 2.5, 1e-200],
    "dynamic_temperature": [0, 0.5, {"temperature": 0.8, "range": 0.7, "exponent": 2}],
    "top_k": [1, 2, 40],
    "top_p": [0.01, 0.5, 0.97, 1],
    "min_p": [0, 0.1, 1],
    "typical": [0.2, 0.95, 1],
    "epsilon": [3e-4, 0.3, 1],
    "eta": [3e-4, 0.3, 1],
    "top_n_sigma": [0, 0.5, 1, 3],
    "top_h": [0.1, 0.4, 1],
    "p_less": [True],
    "consistent_top_k": [1, 3],
    "consistent_top_p": [0.5, 1],
    "repetition_penalty": [
        1.2,
        {"penalty": 1.2, "window": 4},
        {"penalty": 0.9, "normalised": True},
    ],
    "frequency_penalty": [0.2, {"value": -0.5, "window": 3}],
    "presence_penalty": [0.5, {"value": 1, "window": 3}],
    "no_repeat_ngram": [1, 2, 4],
    "dry": [
        0.8,
        {"multiplier": 1, "base": 1, "allowed": 1},
        {"multiplier": 2, "window": 6, "breakers": ["b", "<eos>"]},
    ],
    "lz_penalty": [
        0.15,
        {"strength": 2, "window": None},
        {"strength": 1, "window": 8, "buffer": 2},
    ],
    "fsd": [{"k": 2, "alpha": 0.6}, {"k": 60, "alpha": 0.3, "n": 1}],
    "xtc": [0.5, {"probability": 1, "threshold": 0.2}],
    "mirostat_v1": [2, {"tau": {"of_bits": 0.5}, "eta": 1, "surprise": "kept"}],
    "mirostat_v2": [2, {"tau": {"of_bits": 0.5}, "eta": 1, "surprise": "kept"}],
    "adaptive_p": [0.4, -1, {"target": 0.9, "decay": 0.5}],
    "look_back": [0.5, {"tau": 2, "k": 2, "window": 1}],
    "contrastive_decoding": [0.1, {"alpha": 1, "temperature": 0.5}],
}
CASES = [pytest.param(name, value, id=f"{name}-{value}") for name in ALL for value in VALUES[name]]
BANS = {"no_repeat_ngram"}
"""Those that may leave nothing, as the history has it."""
NO_HISTORY = torch.zeros(1, 0, dtype=torch.int64)


class Table(nn.Module):
    """A model whose logits depend on the last token alone."""

    context = None

    def __init__(self, table_VV: Tensor) -> None:
        super().__init__()
        self.vocab_size = len(table_VV)
        self.register_buffer("table_VV", table_VV)

    def initial_state(self, lanes: int) -> tuple[Tensor, ...]:
        return ()

    def forward(
        self, ids_BT: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        return self.table_VV[ids_BT], state


def vocab(size: int) -> Vocab:
    return Vocab(
        ("<eos>", *(chr(ord("a") + i) for i in range(size - 1))), (), params.Tokens(unit="char")
    )


def setting(size: int = 5) -> Setting:
    table_VV = torch.randn(
        size, size, generator=torch.Generator().manual_seed(9), dtype=torch.float64
    )
    return Setting(vocab(size), bits=2.0, amateur=Table(table_VV))  # type: ignore[arg-type]


def build(name: str, value: Any, size: int = 5) -> Filter:
    found = ALL[name](value, setting(size))
    assert not hasattr(found, "start")
    return found  # type: ignore[return-value]


def hostile_logits(size: int, seed: int = 0) -> Tensor:
    """Rows with ties, -inf, a lone finite logit, all equal, and huge ones; in each something is finite."""
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


def histories(rows: int, size: int, length: int, seed: int = 0) -> Tensor:
    """Texts of few different tokens, so that much repeats; the first is one token over and over."""
    text_BT = torch.randint(
        min(size, 3), (rows, length), generator=torch.Generator().manual_seed(seed)
    )
    text_BT[0] = 1
    return text_BT


def run(
    name: str, value: Any, logits_SBV: Tensor, history_BT: Tensor, uniform_BS: Tensor
) -> Tensor:
    """What a filter makes of the logits of some steps, in which every row chooses the likeliest token that is left."""
    found: Any = ALL[name](value, setting(logits_SBV.shape[2]))
    narrow = found.start(uniform_BS) if hasattr(found, "start") else found
    outs = []
    for logits_BV in logits_SBV:
        outs.append(narrow(logits_BV, history_BT))
        ids_B = outs[-1].argmax(-1)
        if hasattr(narrow, "chosen"):
            narrow.chosen(ids_B)
        history_BT = torch.cat([history_BT, ids_B[:, None]], 1)
    return torch.stack(outs)


def steps_of(size: int, count: int = 3) -> Tensor:
    return torch.stack([hostile_logits(size, seed) for seed in range(count)])


def uniform(rows: int, steps: int) -> Tensor:
    return torch.rand(rows, steps, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def test_every_filter_is_tested() -> None:
    assert set(VALUES) == set(ALL)
    assert len(ALL) == len(filters.FILTERS) + len(penalties.FILTERS) + len(feedback.FILTERS)
    assert set(penalties.HISTORY | feedback.HISTORY) == set(ALL) - set(FILTERS)


@pytest.mark.parametrize("size", [2, 7, 60])
@pytest.mark.parametrize(("name", "value"), CASES)
class TestContract:
    def test_leaves_its_arguments_alone(self, name: str, value: Any, size: int) -> None:
        found: Any = ALL[name](value, setting(size))
        uniform_BS, logits_BV, history_BT = (
            uniform(12, 3),
            hostile_logits(size),
            histories(12, size, 9),
        )
        before = uniform_BS.clone(), logits_BV.clone(), history_BT.clone()
        narrow = found.start(uniform_BS) if hasattr(found, "start") else found
        for _ in range(2):
            out_BV = narrow(logits_BV, history_BT)
            if hasattr(narrow, "chosen"):
                narrow.chosen(logits_BV.argmax(-1))
            out_BV += 1.0  # nor may the result share memory with them, or be needed again
        assert torch.equal(uniform_BS, before[0])
        assert torch.equal(logits_BV, before[1])
        assert torch.equal(history_BT, before[2])

    def test_treats_rows_by_themselves(self, name: str, value: Any, size: int) -> None:
        logits_SBV, history_BT, uniform_BS = steps_of(size), histories(12, size, 9), uniform(12, 3)
        together = run(name, value, logits_SBV, history_BT, uniform_BS)
        rows = [slice(b, b + 1) for b in range(12)]
        alone = torch.cat(
            [run(name, value, logits_SBV[:, b], history_BT[b], uniform_BS[b]) for b in rows], 1
        )
        assert torch.equal(together, alone)

    def test_leaves_something_to_choose_and_no_nan(self, name: str, value: Any, size: int) -> None:
        logits_SBV = steps_of(size)
        out_SBV = run(name, value, logits_SBV, histories(12, size, 9), uniform(12, 3))
        assert not out_SBV.isnan().any()
        assert not (out_SBV == inf).any()
        assert (out_SBV[logits_SBV == -inf] == -inf).all()
        assert name in BANS or out_SBV.isfinite().any(-1).all()
        assert (out_SBV.shape, out_SBV.dtype) == (logits_SBV.shape, torch.float64)

    def test_nothing_stays_nothing(self, name: str, value: Any, size: int) -> None:
        logits_SBV = steps_of(size)
        logits_SBV[:, 1::2] = -inf
        out_SBV = run(name, value, logits_SBV, histories(12, size, 9), uniform(12, 3))
        assert (out_SBV[:, 1::2] == -inf).all()
        assert not out_SBV.isnan().any()


FORMULAS: dict[str, Any] = {
    "temperature": lambda z_BV, T: z_BV / T,
    "dynamic_temperature": lambda z_BV, value: z_BV / dynamic_divisor(z_BV, value),
}
"""Filters that change every logit, as they say."""
PENALTIES = {
    "repetition_penalty",
    "frequency_penalty",
    "presence_penalty",
    "dry",
    "lz_penalty",
}
"""Filters that change the logits of tokens that occurred."""
IN_PLACE = {"fsd", "adaptive_p", "contrastive_decoding"}
"""Filters that put scores of their own in the place of logits; their own tests say which."""


def dynamic_divisor(z_BV: Tensor, value: Any) -> Tensor:
    given = {"temperature": 1, "exponent": 1, **(value if isinstance(value, dict) else {})}
    spread = given.get("range", value)
    left_B1 = z_BV.isfinite().sum(-1, keepdim=True).double()
    entropy_B1 = torch.distributions.Categorical(logits=z_BV).entropy()[:, None]
    share_B1 = torch.where(left_B1 > 1, entropy_B1 / left_B1.log(), 0).clamp(0, 1)
    return given["temperature"] - spread + 2 * spread * share_B1 ** given["exponent"]


@pytest.mark.parametrize(("name", "value"), CASES)
@pytest.mark.parametrize("shift", [0.0, 1000.0])
def test_no_filter_moves_the_zero_of_the_logits(name: str, value: Any, shift: float) -> None:
    """What stays is unchanged, or changed as the formula says: a constant added to all never appears.

    A penalty that comes later depends on the sign. A new filter must leave what it keeps as it is, or stand above.
    """
    size, history_BT = 7, torch.tensor([[1, 2, 1, 1, 2, 1, 2, 1]]).expand(12, -1)
    z_SBV = steps_of(size, 1) + shift
    [out_BV] = run(name, value, z_SBV, history_BT, uniform(12, 1))
    [z_BV], left_BV = z_SBV, out_BV.isfinite()
    if name in FORMULAS:
        z_BV = FORMULAS[name](z_BV, value)
        assert torch.allclose(out_BV[left_BV], z_BV[left_BV], rtol=1e-9, atol=0)
    elif name in PENALTIES:
        unseen_BV = left_BV.clone()
        unseen_BV[:, 1:3] = False
        assert torch.equal(out_BV[unseen_BV], z_BV[unseen_BV])
    elif name in IN_PLACE and value != -1:
        [plain_BV] = run(name, value, z_SBV - shift, history_BT, uniform(12, 1))
        assert torch.allclose(out_BV[left_BV], plain_BV[left_BV], rtol=1e-6, atol=1e-9)
    else:
        assert torch.equal(out_BV[left_BV], z_BV[left_BV])


def test_a_repetition_penalty_after_a_temperature_reaches_the_likeliest_token() -> None:
    logits_BV = torch.tensor([[5.0, 4.0, 1.0, -2.0]], dtype=torch.float64)
    history_BT = torch.tensor([[0, 2]])
    for first in ("temperature", "dynamic_temperature"):
        hot_BV = build(first, 1 if first == "temperature" else 0, 4)(logits_BV, history_BT)
        out_BV = build("repetition_penalty", 1.5, 4)(hot_BV, history_BT)
        # By hand: 5 / 1.5, 4, 1 / 1.5 and -2
        assert out_BV[0].softmax(0).tolist() == pytest.approx(
            [0.3309, 0.6445, 0.0230, 0.0016], abs=5e-5
        )


@pytest.mark.parametrize(("name", "value"), CASES)
def test_a_prompt_of_one_token_will_do(name: str, value: Any) -> None:
    assert not run(name, value, steps_of(5), histories(12, 5, 1), uniform(12, 3)).isnan().any()


WRONG: dict[str, list[Any]] = {
    "temperature": [0, -1, nan, inf, "warm", None, True],
    "dynamic_temperature": [
        -0.1,
        1,
        {"temperature": 0.5, "range": 0.5},
        {"temperature": 2},
        {"rnage": 1},
    ],
    "top_k": [0, -3, 2.5, "5", None, True],
    "top_p": [0, 1.01, -0.2, nan, "0.9", [0.9], True],
    "min_p": [-0.1, 1.1, None],
    "typical": [0, 1.2, None],
    "epsilon": [0, 1.2, None],
    "eta": [0, 1.2, None],
    "top_n_sigma": [-1, inf, None],
    "top_h": [0, 1.5, None],
    "p_less": [None, 0.5, False],
    "consistent_top_k": [0],
    "consistent_top_p": [0],
    "repetition_penalty": [
        0,
        None,
        {"penalty": 1.2, "window": 0},
        {"penalty": 1.2, "normalised": 1},
        {"window": 3},
    ],
    "frequency_penalty": [nan, None, {"value": 1, "window": -2}, {"window": 2}],
    "presence_penalty": ["much", {"value": 1, "window": 1.5}],
    "no_repeat_ngram": [0, 2.0, None, True],
    "dry": [
        -1,
        None,
        {"multiplier": 1, "base": 0.5},
        {"multiplier": 1, "allowed": 0},
        {"multiplier": 1, "breakers": "ab"},
    ],
    "lz_penalty": [-1, None, {"window": 0}, {"buffer": 0}],
    "fsd": [{"k": 0}, {"alpha": 1.1}, {"n": 0}, {"beta": -0.1}, {"gamma": 1}],
    "xtc": [1.5, None, {"threshold": 0}],
    "mirostat_v1": [
        0,
        None,
        {"eta": 1},
        {"tau": 2, "eta": 0},
        {"tau": {"of_bits": -1}},
        {"tau": {"bits": 1}},
    ],
    "mirostat_v2": [0, None, {"tau": 2, "surprise": "half"}, {"tau": 2, "surprise": ["full"]}],
    "adaptive_p": [1.5, None, {"target": 0.5, "decay": 1}],
    "look_back": [0, None, {"tau": 1, "k": 0}, {"tau": 1, "window": 0}],
    "contrastive_decoding": [0, 2, {"temperature": 0}],
}


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name in ALL for value in WRONG[name]]
)
def test_refuses_wrong_values(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"^{name}[.\w]* (must be|has no setting)"):
        ALL[name](value, setting())


def test_says_the_rule_the_value_and_the_nearest_name() -> None:
    for name, value, message in [
        ("top_p", 1.5, r"top_p must be a number in \(0, 1\], got 1\.5"),
        (
            "temperature",
            0,
            r"temperature must be a number greater than 0 \(pick: argmax is the limit at 0\), got 0",
        ),
        ("min_p", 2, r"min_p must be a number in \[0, 1\], got 2"),
        ("adaptive_p", 2, r"adaptive_p\.target must be a number of at most 1, got 2"),
        ("top_k", 0, "top_k must be a whole number of at least 1, got 0"),
        ("frequency_penalty", "a", r"frequency_penalty\.value must be a number, got 'a'"),
        ("dry", {"mutliplier": 1}, "dry has no setting 'mutliplier'; did you mean 'multiplier'?"),
        ("dry", {}, r"dry\.multiplier must be given"),
    ]:
        with pytest.raises(ValueError, match=message):
            ALL[name](value, setting())


# ---- one by one: the tokens that are left, and what they are worth


def probabilities(narrow: Filter, p: list[float]) -> list[float]:
    """What a filter makes of a distribution, as the tokens that are left, likeliest first."""
    logits_BV = torch.tensor([p], dtype=torch.float64).log()
    out_V = narrow(logits_BV, NO_HISTORY)[0].softmax(-1)
    return sorted((x for x in out_V.tolist() if x > 0), reverse=True)


def kept(narrow: Filter, logits: list[float]) -> list[int]:
    out_V = narrow(torch.tensor([logits], dtype=torch.float64), NO_HISTORY)[0]
    return [i for i, x in enumerate(out_V.tolist()) if x > -inf]


def kept_of(name: str, value: Any, p: list[float]) -> list[int]:
    return kept(build(name, value), [log(x) for x in p])


def test_temperature_divides() -> None:
    out_BV = build("temperature", 0.5)(torch.tensor([[1.0, 2.0, -inf]]), NO_HISTORY)
    assert torch.allclose(out_BV.softmax(-1), torch.tensor([[2.0, 4.0, -inf]]).softmax(-1))


@pytest.mark.parametrize("cold", [1e-200, 5e-324])
def test_temperature_near_zero_is_greedy(cold: float) -> None:
    out_BV = build("temperature", cold)(
        torch.tensor([[1.0, 3.0, 2.999, -inf]]).double(), NO_HISTORY
    )
    assert out_BV.softmax(-1).tolist() == [[0, 1, 0, 0]]


@pytest.mark.parametrize("exponent", [1, 3])
def test_dynamic_temperature_goes_by_the_entropy_of_what_is_left(exponent: float) -> None:
    p = [0.5, 0.25, 0.25]
    scale = build("dynamic_temperature", {"temperature": 1.2, "range": 0.4, "exponent": exponent})
    hot = 0.8 + 0.8 * (1.5 / log2(3)) ** exponent
    weights = torch.tensor(p).double() ** (1 / hot)
    assert probabilities(scale, [*p, 0.0]) == pytest.approx((weights / weights.sum()).tolist())
    assert probabilities(scale, [0.5, 0.5]) == pytest.approx([0.5, 0.5])
    assert probabilities(scale, [1.0, 0.0]) == [1.0]


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
    assert kept(build("top_k", k), logits) == ids


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
    assert kept(build("top_p", p), logits) == ids


def test_top_p_reaches_its_mass_with_nothing_to_spare() -> None:
    logits_BV = hostile_logits(60)
    out_BV = build("top_p", 0.8)(logits_BV, NO_HISTORY)
    for p_V, left_V in zip(logits_BV.softmax(-1), out_BV.isfinite(), strict=True):
        mass = p_V[left_V].sum()
        assert mass >= 0.8 - 1e-12
        assert mass - p_V[left_V].min() < 0.8
        assert p_V[left_V].min() >= p_V[~left_V].max()


def test_typical_prefers_the_expected_surprise() -> None:
    assert kept_of("typical", 0.5, [0.4, 0.2, 0.2, 0.2]) == [
        1,
        2,
        3,
    ]  # H = 1.33 nats, -ln 0.2 = 1.61, -ln 0.4 = 0.92
    assert kept_of("typical", 0.3, [0.4, 0.2, 0.2, 0.2]) == [1, 2]  # ties go to the lowest id


def test_epsilon_and_eta_cut_at_their_bar() -> None:
    p = [0.6, 0.3, 0.06, 0.04]  # H = 0.9648 nats
    assert kept_of("epsilon", 0.05, p) == [0, 1, 2]
    assert kept_of("epsilon", 0.9, p) == [0]
    assert kept_of("eta", 0.05, p) == [0, 1, 2]  # sqrt(0.05) e^-H = 0.0852 is above 0.05
    assert kept_of("eta", 0.5, p) == [0, 1]  # sqrt(0.5) e^-H = 0.2695
    assert kept_of("eta", 0.05, [0.04] * 25) == list(range(25))  # sqrt(0.05) / 25 = 0.0089
    assert kept_of("epsilon", 0.05, [0.04] * 25) == list(
        range(25)
    )  # none reaches it, all are the likeliest


def test_top_n_sigma_measures_the_logits_that_are_left() -> None:
    assert kept(build("top_n_sigma", 1), [3.0, 1.0, -1.0, -inf]) == [
        0
    ]  # sigma 1.63, -inf does not count
    assert kept(build("top_n_sigma", 1.3), [3.0, 1.0, -1.0, -inf]) == [0, 1]
    assert kept(build("top_n_sigma", 1), [2.0, 2.0, 2.0]) == [0, 1, 2]


def test_top_h_spends_a_share_of_the_entropy_of_the_hundred_likeliest() -> None:
    p = [0.5, 0.25, 0.125, 0.125]  # in bits: 0.5 + 0.5 + 0.375 + 0.375 = 1.75
    assert kept_of("top_h", 0.57, p) == [0]
    assert kept_of("top_h", 0.58, p) == [0, 1]
    assert kept_of("top_h", 0.1, p) == [0]
    assert kept_of("top_h", 1, p) == [0, 1, 2, 3]
    assert kept_of("top_h", 1, [1 / 150] * 150) == list(range(100))


def test_p_less_keeps_what_beats_a_coincidence() -> None:
    assert kept_of("p_less", True, [0.5, 0.38, 0.12]) == [0]  # 0.25 + 0.1444 + 0.0144 = 0.4088
    for size in range(1, 200):  # rounding must not tell equals apart
        assert kept_of("p_less", True, [1 / size] * size) == list(range(size))


def test_consistent_keeps_eos_beside_its_own_choice() -> None:
    assert kept(build("consistent_top_k", 2), [0.0, 5.0, 6.0, 7.0]) == [0, 2, 3]
    assert kept(build("consistent_top_k", 2), [-inf, 5.0, 6.0, 7.0]) == [2, 3]
    assert kept(build("consistent_top_p", 0.5), [0.0, 5.0, 6.0, 7.0]) == [0, 3]
    without = Setting(Vocab(("a", "b", "c", "d"), (), params.Tokens(unit="char")))
    assert kept(FILTERS["consistent_top_k"](2, without), [0.0, 5.0, 6.0, 7.0]) == [2, 3]


FOUR = [0.1, 0.2, 0.3, 0.4]


@pytest.mark.parametrize(
    ("name", "value", "p", "left"),
    [  # the vectors of llama.cpp's tests/test-sampling.cpp, and of its pull request for p-less
        ("temperature", 1, FOUR, [0.4, 0.3, 0.2, 0.1]),
        ("dynamic_temperature", 0, FOUR, [0.4, 0.3, 0.2, 0.1]),
        ("top_k", 1, FOUR, [1.0]),
        ("top_k", 3, FOUR, [0.44444, 0.33333, 0.22222]),
        ("top_k", 4, FOUR, [0.4, 0.3, 0.2, 0.1]),
        ("top_p", 0.01, FOUR, [1.0]),
        ("top_p", 0.7, FOUR, [0.571429, 0.428571]),
        ("top_p", 0.8, FOUR, [0.44444, 0.33333, 0.22222]),
        ("top_p", 1, FOUR, [0.4, 0.3, 0.2, 0.1]),
        ("min_p", 0, FOUR, [0.4, 0.3, 0.2, 0.1]),
        ("min_p", 0.24, FOUR, [0.4, 0.3, 0.2, 0.1]),
        ("min_p", 0.26, FOUR, [0.4 / 0.9, 0.3 / 0.9, 0.2 / 0.9]),
        ("min_p", 0.49, FOUR, [0.4 / 0.9, 0.3 / 0.9, 0.2 / 0.9]),
        ("min_p", 0.51, FOUR, [0.4 / 0.7, 0.3 / 0.7]),
        ("min_p", 0.74, FOUR, [0.4 / 0.7, 0.3 / 0.7]),
        ("min_p", 0.76, FOUR, [1.0]),
        ("min_p", 1, FOUR, [1.0]),
        (
            "typical",
            0.5,
            [0.97, 0.01, 0.01, 0.01],
            [1.0],
        ),  # theirs says 0.97, as it renormalises later
        ("typical", 0.5, [0.4, 0.2, 0.2, 0.2], [1 / 3, 1 / 3, 1 / 3]),
        ("top_n_sigma", 1, FOUR, [0.571429, 0.428571]),
        ("top_n_sigma", 0, FOUR, [0.4, 0.3, 0.2, 0.1]),
        ("top_n_sigma", 3, FOUR, [0.4, 0.3, 0.2, 0.1]),
        ("p_less", True, [0.1, 0.15, 0.2, 0.25, 0.3], [0.5455, 0.4545]),
    ],
)
def test_agrees_with_published_vectors(
    name: str, value: Any, p: list[float], left: list[float]
) -> None:
    assert probabilities(build(name, value), p) == pytest.approx(
        left, abs=5e-5 if name == "p_less" else 1e-5
    )


@pytest.fixture(scope="module")
def warpers() -> ModuleType:
    return pytest.importorskip("transformers.generation.logits_process")


HOSTILE = [hostile_logits(size, seed) for size in (2, 3, 5, 17, 60) for seed in range(4)]


class TestAgainstTransformers:
    """The same numbers as another library's warpers.

    Theirs keep every tie at the edge of top-k and of typical, and any one of them in top-p and top-h, where ours keep
    the lowest ids; so those are compared by what the tokens are worth, or by what they keep beyond ours.
    """

    @pytest.mark.parametrize("value", [0.1, 0.7, 1.0, 3.0])
    def test_temperature(self, warpers: ModuleType, value: float) -> None:
        for logits_BV in HOSTILE:
            theirs_BV = warpers.TemperatureLogitsWarper(value)(None, logits_BV.clone())
            ours_BV = build("temperature", value)(logits_BV, NO_HISTORY)
            assert torch.allclose(ours_BV.softmax(-1), theirs_BV.softmax(-1))

    @pytest.mark.parametrize("value", [1, 2, 5, 59, 60])
    def test_top_k(self, warpers: ModuleType, value: int) -> None:
        for logits_BV in HOSTILE:
            ours_BV = build("top_k", value)(logits_BV, NO_HISTORY)
            theirs_BV = warpers.TopKLogitsWarper(value)(None, logits_BV.clone())
            assert torch.equal(
                ours_BV.isfinite().sum(-1), logits_BV.isfinite().sum(-1).clamp(max=value)
            )
            edge_B1 = ours_BV.masked_fill(ours_BV == -inf, inf).amin(-1, keepdim=True)
            extra_BV = theirs_BV.isfinite() & ~ours_BV.isfinite()
            assert torch.equal(theirs_BV.masked_fill(extra_BV, -inf), ours_BV)
            assert (theirs_BV == edge_B1)[extra_BV].all()

    @pytest.mark.parametrize("value", [0.1037, 0.5171, 0.8943, 0.9907])
    def test_typical(self, warpers: ModuleType, value: float) -> None:
        for logits_BV in HOSTILE:
            ours_BV = build("typical", value)(logits_BV, NO_HISTORY)
            theirs_BV = warpers.TypicalLogitsWarper(value)(None, logits_BV.clone())
            ln_p_BV = logits_BV.log_softmax(-1)
            gap_BV = (-ln_p_BV + (ln_p_BV * ln_p_BV.exp()).nansum(-1, keepdim=True)).abs()
            edge_B1 = gap_BV.where(ours_BV.isfinite(), -inf).amax(-1, keepdim=True)
            extra_BV = theirs_BV.isfinite() & ~ours_BV.isfinite()
            assert torch.equal(theirs_BV.masked_fill(extra_BV, -inf), ours_BV)
            assert torch.allclose(gap_BV[extra_BV], edge_B1.expand_as(gap_BV)[extra_BV], rtol=1e-12)

    @pytest.mark.parametrize(
        ("name", "warper", "value"),
        [("top_p", "TopPLogitsWarper", value) for value in (0.1037, 0.5171, 0.8943, 0.9907)]
        + [("top_h", "TopHLogitsWarper", value) for value in (0.1037, 0.4171, 0.8943)],
    )
    def test_by_worth(self, warpers: ModuleType, name: str, warper: str, value: float) -> None:
        for logits_BV in [*HOSTILE, hostile_logits(150)]:
            theirs_BV = getattr(warpers, warper)(value)(None, logits_BV.clone()).softmax(-1)
            ours_BV = build(name, value)(logits_BV, NO_HISTORY).softmax(-1)
            assert torch.allclose(
                ours_BV.sort(-1).values, theirs_BV.sort(-1).values, rtol=1e-12, atol=0
            )

    @pytest.mark.parametrize(
        ("name", "warper", "value"),
        [("min_p", "MinPLogitsWarper", value) for value in (0.0, 0.0512, 0.3, 1.0)]
        + [("epsilon", "EpsilonLogitsWarper", value) for value in (3e-4, 0.0312, 0.4)]
        + [("eta", "EtaLogitsWarper", value) for value in (3e-4, 0.0312, 0.4)],
    )
    def test_exactly(self, warpers: ModuleType, name: str, warper: str, value: float) -> None:
        for logits_BV in HOSTILE:
            theirs_BV = getattr(warpers, warper)(value)(None, logits_BV.clone())
            ours_BV = build(name, value)(logits_BV, NO_HISTORY)
            assert torch.equal(ours_BV.softmax(-1), theirs_BV.softmax(-1))
