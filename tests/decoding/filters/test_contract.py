"""What every filter owes, whichever it is."""

from math import inf, nan
from typing import Any

import pytest
import torch
from torch import Tensor

from decoding.filters.hostile import (
    VALUES,
    build,
    histories,
    hostile_logits,
    setting,
)
from recurrence.decoding.filters.contract import NO_NUMBERS, Stateless
from recurrence.decoding.filters.registry import FILTERS

#   B = rows, V = vocabulary, T = tokens so far


CASES = [
    pytest.param(name, value, id=f"{name}-{value}") for name in FILTERS for value in VALUES[name]
]
BANS = {"no_repeat_ngram"}
"""Those that may leave nothing, as the history has it."""


def run(
    name: str, value: Any, logits_SBV: Tensor, history_BT: Tensor, uniform_BS: Tensor
) -> Tensor:
    """What a filter makes of some steps, in which every row chooses the likeliest token left."""
    narrow = FILTERS[name](value, setting(logits_SBV.shape[2])).start(uniform_BS)
    outs = []
    for logits_BV in logits_SBV:
        outs.append(narrow(logits_BV, history_BT))
        ids_B = outs[-1].argmax(-1)
        narrow.chosen(ids_B)
        history_BT = torch.cat([history_BT, ids_B[:, None]], 1)
    return torch.stack(outs)


def steps_of(size: int, count: int = 3) -> Tensor:
    return torch.stack([hostile_logits(size, seed) for seed in range(count)])


def uniform(rows: int, steps: int) -> Tensor:
    return torch.rand(rows, steps, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def test_every_filter_is_tested() -> None:
    assert VALUES.keys() == FILTERS.keys()


@pytest.mark.parametrize(("name", "value"), CASES)
def test_a_filter_says_what_it_depends_on(name: str, value: Any) -> None:
    """Where it says that texts, random numbers or earlier steps do not matter, they do not."""
    found = FILTERS[name](value, setting(7))
    logits_BV, text_BT, uniform_BS = hostile_logits(7), histories(12, 7, 9), uniform(12, 3)
    out_BV = found.start(uniform_BS)(logits_BV, text_BT)
    if not found.reads_history:
        assert torch.equal(found.start(uniform_BS)(logits_BV, text_BT.flip(1)), out_BV)
    if not found.draws:
        assert torch.equal(found.start(1 - uniform_BS)(logits_BV, text_BT), out_BV)
    if not found.stateful:
        again = found.start(NO_NUMBERS)
        again.chosen(again(hostile_logits(7, 1), text_BT).argmax(-1))
        assert torch.equal(again(logits_BV, text_BT), out_BV)
    assert isinstance(found, Stateless) != found.stateful
    assert found.reads_history or not found.stateful


def test_the_traits_are_those_of_the_formulas() -> None:
    traits = {name: FILTERS[name](VALUES[name][0], setting(7)) for name in FILTERS}
    assert {name for name, each in traits.items() if each.draws} == {"xtc"}
    assert {name for name, each in traits.items() if each.stateful} == STATEFUL
    assert {name for name, each in traits.items() if each.reads_history} == STATEFUL | {
        *PENALTIES,
        "no_repeat_ngram",
        "fsd",
    }


@pytest.mark.parametrize("size", [2, 7, 60])
@pytest.mark.parametrize(("name", "value"), CASES)
class TestContract:
    def test_leaves_its_arguments_alone(self, name: str, value: Any, size: int) -> None:
        uniform_BS, logits_BV, history_BT = (
            uniform(12, 3),
            hostile_logits(size),
            histories(12, size, 9),
        )
        before = uniform_BS.clone(), logits_BV.clone(), history_BT.clone()
        narrow = FILTERS[name](value, setting(size)).start(uniform_BS)
        for _ in range(2):
            out_BV = narrow(logits_BV, history_BT)
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
STATEFUL = {
    "xtc",
    "mirostat_v1",
    "mirostat_v2",
    "adaptive_p",
    "look_back",
    "contrastive_decoding",
}
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
    """What stays is unchanged, or changed as the formula says: no constant is added to all.

    A penalty that comes later depends on the sign. A new filter must leave what it keeps as it is,
    or stand above.
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
    ("name", "value"), [(name, value) for name in FILTERS for value in WRONG[name]]
)
def test_refuses_wrong_values(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=rf"^{name}[.\w]* (must be|has no setting)"):
        FILTERS[name](value, setting())


def test_says_the_rule_the_value_and_the_nearest_name() -> None:
    for name, value, message in [
        ("top_p", 1.5, r"top_p must be a number in \(0, 1\], got 1\.5"),
        (
            "temperature",
            0,
            r"temperature must be a number greater than 0 \(pick: argmax is the limit at 0\), "
            "got 0",
        ),
        ("min_p", 2, r"min_p must be a number in \[0, 1\], got 2"),
        ("adaptive_p", 2, r"adaptive_p\.target must be a number of at most 1, got 2"),
        ("top_k", 0, "top_k must be a whole number of at least 1, got 0"),
        ("frequency_penalty", "a", r"frequency_penalty\.value must be a number, got 'a'"),
        ("dry", {"mutliplier": 1}, "dry has no setting 'mutliplier'; did you mean 'multiplier'?"),
        ("dry", {}, r"dry\.multiplier must be given"),
    ]:
        with pytest.raises(ValueError, match=message):
            FILTERS[name](value, setting())
