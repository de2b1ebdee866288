"""Penalties: published vectors, another library, slow references, and planted loops."""

from collections import Counter
from collections.abc import Sequence
from math import floor, inf, log, log2
from types import ModuleType
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from recurrence import params
from recurrence.decoding.filters.contract import Setting, Stateless
from recurrence.decoding.filters.registry import FILTERS
from recurrence.vocab import Vocab

#   B = rows, V = vocabulary, T = tokens so far

LETTERS = "abcdefghijklmnopqrst"
SETTING = Setting(Vocab(tuple(LETTERS), (), params.Tokens(unit="char")))


def build(name: str, value: Any, setting: Setting = SETTING) -> Stateless:
    found = FILTERS[name](value, setting)
    assert isinstance(found, Stateless)
    return found


def after(name: str, value: Any, history: Sequence[int], logits: Sequence[float]) -> list[float]:
    logits_BV, history_BT = (
        torch.tensor([logits], dtype=torch.float64),
        torch.tensor([history], dtype=torch.int64),
    )
    return build(name, value)(logits_BV, history_BT)[0].tolist()


def taken(name: str, value: Any, history: Sequence[int], size: int = 10) -> dict[int, float]:
    """What a penalty takes from equal logits, by token."""
    return {i: -x for i, x in enumerate(after(name, value, history, [0.0] * size)) if x}


def probabilities(history: list[int], size: int, *chain: tuple[str, Any]) -> list[float]:
    """What filters in a row make of a uniform distribution."""
    logits = [log(1 / size)] * size
    for name, value in chain:
        logits = after(name, value, history, logits)
    return torch.tensor(logits, dtype=torch.float64).softmax(-1).tolist()


texts = st.integers(1, 4).flatmap(
    lambda size: st.lists(st.integers(0, size - 1), min_size=1, max_size=24)
)


# ---- which tokens occurred


def test_repetition_penalty_depends_on_the_sign() -> None:
    assert after("repetition_penalty", 2, [0, 1, 1], [3.0, -1.0, 2.0]) == [1.5, -2.0, 2.0]
    assert after(
        "repetition_penalty", {"penalty": 2, "window": 2}, [0, 1, 1], [3.0, -1.0, 2.0]
    ) == [3.0, -2.0, 2.0]


def test_a_normalised_repetition_penalty_does_not_care_where_zero_is() -> None:
    value = {"penalty": 2, "normalised": True}
    ln_p = [log(0.5), log(0.3), log(0.2)]
    for zero in (0.0, 7.0, -40.0):
        ours = after("repetition_penalty", value, [0], [each + zero for each in ln_p])
        assert ours == pytest.approx([2 * log(0.5) + zero, log(0.3) + zero, log(0.2) + zero])


def test_all_seen_a_repetition_penalty_keeps_the_order() -> None:
    """Why it stops no loop of characters: x / theta above 0 and x theta below only rises."""
    logits = torch.randn(20, generator=torch.Generator().manual_seed(1)).tolist()
    for value in (1.2, {"penalty": 1.2, "normalised": True}):
        out = after("repetition_penalty", value, range(20), logits)
        assert sorted(range(20), key=logits.__getitem__) == sorted(range(20), key=out.__getitem__)


@pytest.mark.parametrize(
    ("history", "penalty", "both", "left"),
    [  # the vectors of llama.cpp's tests/test-sampling.cpp
        ([0], 50, 0, [0, 0.25, 0.25, 0.25, 0.25]),
        ([0, 1, 2], 50, 0, [0, 0, 0, 0.5, 0.5]),
        ([0, 1, 2, 0, 0], 50, 0, [0, 0, 0, 0.5, 0.5]),
        ([0], 1, 5, [0.000011, 0.249997, 0.249997, 0.249997, 0.249997]),
        ([0, 1, 2], 1, 5, [0.000023, 0.000023, 0.000023, 0.499966, 0.499966]),
        ([0, 1, 2, 0, 0], 1, 5, [0, 0.000023, 0.000023, 0.499977, 0.499977]),
    ],
)
def test_penalties_agree_with_published_vectors(
    history: list[int], penalty: float, both: float, left: list[float]
) -> None:
    chain = [
        ("repetition_penalty", penalty),
        ("frequency_penalty", both),
        ("presence_penalty", both),
    ]
    assert probabilities(history, 5, *chain) == pytest.approx(left, abs=1e-5)


@given(texts, st.floats(-2, 2), st.none() | st.integers(1, 8))
def test_frequency_and_presence_by_definition(
    text: list[int], strength: float, window: int | None
) -> None:
    seen = Counter(text if window is None else text[-window:])
    value = {"value": strength, "window": window}
    assert after("frequency_penalty", value, text, [1.0] * 5) == [
        1.0 - strength * seen[i] for i in range(5)
    ]
    assert after("presence_penalty", value, text, [1.0] * 5) == [
        1.0 - strength * (seen[i] > 0) for i in range(5)
    ]


@pytest.fixture(scope="module")
def processors() -> ModuleType:
    return pytest.importorskip("transformers.generation.logits_process")


class TestAgainstTransformers:
    """The same numbers as another library's processors; neither rule knows ties."""

    cases = [
        (size, length, torch.Generator().manual_seed(100 * size + length))
        for size in (2, 3, 5, 17, 60)
        for length in (1, 2, 7, 30)
    ]

    def logits(self, size: int, gen: torch.Generator) -> Tensor:
        logits_BV = (torch.randn(6, size, generator=gen, dtype=torch.float64) * 3).round()
        logits_BV[3:][torch.rand(3, size, generator=gen) < 0.4] = -inf
        return logits_BV

    @pytest.mark.parametrize("value", [0.7, 1.0, 1.2, 50.0])
    def test_repetition_penalty(self, processors: ModuleType, value: float) -> None:
        for size, length, gen in self.cases:
            logits_BV, history_BT = (
                self.logits(size, gen),
                torch.randint(size, (6, length), generator=gen),
            )
            theirs_BV = processors.RepetitionPenaltyLogitsProcessor(value)(
                history_BT, logits_BV.clone()
            )
            assert torch.equal(build("repetition_penalty", value)(logits_BV, history_BT), theirs_BV)

    @pytest.mark.parametrize("value", [1, 2, 3, 4])
    def test_no_repeat_ngram(self, processors: ModuleType, value: int) -> None:
        for size, length, gen in self.cases:
            logits_BV, history_BT = (
                self.logits(size, gen),
                torch.randint(min(size, 4), (6, length), generator=gen),
            )
            theirs_BV = processors.NoRepeatNGramLogitsProcessor(value)(
                history_BT, logits_BV.clone()
            )
            assert torch.equal(build("no_repeat_ngram", value)(logits_BV, history_BT), theirs_BV)


# ---- DRY


def dry_reference(
    text: list[int],
    multiplier: float,
    base: float,
    allowed: int,
    window: int | None,
    breakers: set[int],
) -> dict[int, float]:
    """From the definition, for one text: try every length at every place."""
    text = text if window is None else text[-window:]
    largest = floor(88.72284 / log(base)) if base > 1.000001 else 0
    longest: dict[int, int] = {}
    for place in range(1, len(text)):
        for length in range(1, place + 1):
            if text[place - length : place] == text[-length:] and not breakers & set(
                text[-length:]
            ):
                longest[text[place]] = max(longest.get(text[place], 0), length)
    return {
        token: multiplier * base ** min(length - allowed, largest)
        for token, length in longest.items()
        if length >= allowed and token not in breakers
    }


def dry(
    text: list[int], multiplier: float = 1, breakers: Sequence[int] = (), **value: Any
) -> dict[int, float]:
    letters = [LETTERS[i] for i in breakers]
    return taken("dry", {"multiplier": multiplier, "breakers": letters, **value}, text)


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [  # the vectors of vLLM's tests/v1/sample/test_dry.py (pull request 50584)
        ([1, 2, 3, 3, 2, 3, 9, 1, 2, 3], {"base": 2, "allowed": 1}, {3: 4, 2: 1, 9: 2}),
        ([0, 0, 0, 1, 0, 0], {"base": 2, "allowed": 2}, {0: 1, 1: 1}),
        ([4] * 400, {"base": 2, "allowed": 1}, {4: 2.0**128}),
        ([4] * 400, {"base": 1.75, "allowed": 2}, {4: 1.75**158}),
        ([4] * 400, {"base": 1, "allowed": 2}, {4: 1}),
    ],
)
def test_dry_agrees_with_vllm(
    text: list[int], value: dict[str, Any], expected: dict[int, float]
) -> None:
    assert dry(text, **value) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("text", "multiplier", "allowed", "breakers", "left"),
    [  # the vectors of llama.cpp's tests/test-sampling.cpp
        ([0, 1], 1, 2, [], [0.25, 0.25, 0.25, 0.25]),
        ([0, 1, 2, 0, 1], 1, 2, [], [0.296923, 0.296923, 0.109232, 0.296923]),
        ([0, 1, 3, 4, 0, 1], 1, 2, [3], [0.2, 0.2, 0.2, 0.2, 0.2]),
        ([0, 1, 2, 0, 1], 2, 2, [], [0.241818, 0.241818, 0.032727, 0.241818, 0.241818]),
        ([0, 1, 2, 3, 4, 0, 1], 1, 4, [], [0.2, 0.2, 0.2, 0.2, 0.2]),
    ],
)
def test_dry_agrees_with_llama_cpp(
    text: list[int], multiplier: float, allowed: int, breakers: list[int], left: list[float]
) -> None:
    value = {
        "multiplier": multiplier,
        "base": 1.1,
        "allowed": allowed,
        "breakers": [LETTERS[i] for i in breakers],
    }
    assert probabilities(text, len(left), ("dry", value)) == pytest.approx(left, abs=1e-5)


@given(
    text=texts,
    base=st.sampled_from([1.0, 1.1, 1.75, 30.0]),
    allowed=st.integers(1, 4),
    window=st.none() | st.integers(1, 20),
    breakers=st.sets(st.integers(0, 4), max_size=2),
)
def test_dry_by_definition(
    text: list[int], base: float, allowed: int, window: int | None, breakers: set[int]
) -> None:
    ours = dry(text, 0.8, sorted(breakers), base=base, allowed=allowed, window=window)
    assert ours == pytest.approx(dry_reference(text, 0.8, base, allowed, window, breakers))


def test_breakers_are_never_penalised_and_no_match_reaches_over_them() -> None:
    assert dry([0, 1, 2, 0, 1]) == {2: 1.0}
    assert dry([0, 1, 2, 0, 1], breakers=[2]) == {}
    assert dry([5, 0, 1, 2, 5, 0, 1], breakers=[0]) == {}
    assert dry([5, 0, 1, 2, 5, 0, 1], breakers=[0], allowed=1) == {2: 1.0}


def test_breakers_that_the_vocabulary_lacks_do_nothing() -> None:
    assert taken("dry", 1, [0, 1, 2, 0, 1]) == {2: 1.0}  # its default breakers are not letters
    lines = Setting(Vocab(("\n", "a", "b"), (), params.Tokens(unit="char")))
    out_BV = build("dry", 1, lines)(torch.zeros(1, 3).double(), torch.tensor([[1, 2, 0, 1, 2]]))
    assert out_BV.tolist() == [[0, 0, 0]]


# ---- the LZ penalty


def lz_reference(text: list[int], buffer: int, vocab_size: int) -> list[float]:
    """C(v) from the definition, for one text: try every phrase."""
    size, literal = len(text), log2(vocab_size)
    phrases = [
        (length, size - place)
        for place in range(1, size)
        for length in range(1, min(place, buffer) + 1)
        if text[place - length : place] == text[-length:]
    ]
    longest = max((length for length, _ in phrases), default=0)
    distances = [distance for length, distance in phrases if length == longest]
    bits = [literal] * vocab_size
    for place, token in enumerate(text):
        bits[token] = min(bits[token], log2(size - place))
    for distance in distances:
        token = text[size - distance]
        growth = log2((longest + 1) * distance) - log2(longest * min(distances)) - 1
        bits[token] = min(bits[token], growth)
    return bits


def test_lz_penalty_of_a_worked_example() -> None:
    # c a b d a b: "ab" began 3 back, and d prolongs it: log2(3 * 3 / (2 * 3)) - 1 = -0.415
    bits = [1, 0, log2(6), log2(1.5) - 1, 3, 3, 3, 3]
    ours = after("lz_penalty", 1, [2, 0, 1, 3, 0, 1], [0.0] * 8)
    assert ours == pytest.approx([x - 3 for x in bits])
    half = after("lz_penalty", {"strength": 0.5}, [2, 0, 1, 3, 0, 1], [0.0] * 8)
    assert half == pytest.approx([(x - 3) / 2 for x in bits])


@given(texts, st.integers(1, 6), st.none() | st.integers(1, 20))
def test_lz_penalty_by_definition(text: list[int], buffer: int, window: int | None) -> None:
    ours = after("lz_penalty", {"strength": 1, "buffer": buffer, "window": window}, text, [0.0] * 6)
    bits = lz_reference(text if window is None else text[-window:], buffer, 6)
    assert ours == pytest.approx([x - log2(6) for x in bits])


# ---- FSD


def fsd_reference(
    text: list[int], p: list[float], k: int, alpha: float, n: int, beta: float
) -> list[float]:
    """From the definition, token by token."""
    scores = [-inf] * len(p)
    for token in sorted(range(len(p)), key=lambda i: -p[i])[:k]:
        q, share = 0.0, 1.0
        for context in range(n - 1, 0, -1):
            followers = [
                text[i]
                for i in range(context, len(text))
                if text[i - context : i] == text[-context:]
            ]
            if token in followers:
                q += share * beta * followers.count(token) / (len(followers) + 1)
                share *= 1 - beta
        q += share * text.count(token) / len(text)
        scores[token] = (1 - alpha) * p[token] - alpha * q
    return scores


@given(texts, st.permutations([0.4, 0.3, 0.2, 0.1]), st.integers(1, 4), st.integers(1, 4))
def test_fsd_by_definition(text: list[int], p: list[float], k: int, n: int) -> None:
    ours = after("fsd", {"k": k, "alpha": 0.6, "n": n, "beta": 0.9}, text, [log(x) for x in p])
    assert ours == pytest.approx(fsd_reference(text, p, k, 0.6, n, 0.9))


# ---- planted loops


PERIOD, TOKENS = 13, 400


def cyclic_table() -> Tensor:
    """A model of 20 tokens in which 13 go round, each 3 nats ahead of all others."""
    gen = torch.Generator().manual_seed(4)
    table_VV = torch.rand(20, 20, generator=gen, dtype=torch.float64)
    for token in range(PERIOD):
        table_VV[token, (token + 1) % PERIOD] = 4.0
    return table_VV


def greedily(narrow: Stateless | None) -> list[int]:
    """What greedy decoding makes of the cyclic model behind a filter."""
    table_VV, text_BT = cyclic_table(), torch.tensor([[PERIOD + 1]])
    for _ in range(TOKENS):
        logits_BV = table_VV[text_BT[:, -1]]
        left_BV = narrow(logits_BV, text_BT) if narrow else logits_BV
        text_BT = torch.cat([text_BT, left_BV.argmax(-1, keepdim=True)], 1)
    return text_BT[0].tolist()


def loops(text: list[int], evidence: int = 40) -> bool:
    """Whether the text's last tokens, so many, repeat what stood a fixed distance before."""
    return any(text[-evidence:] == text[-evidence - p : -p] for p in range(1, len(text) - evidence))


def test_the_cyclic_model_loops_under_greedy() -> None:
    text = greedily(None)
    assert loops(text)
    assert text[-PERIOD:] == text[-2 * PERIOD : -PERIOD]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("no_repeat_ngram", 4),
        ("dry", 0.8),
        ("dry", {"multiplier": 0.8, "allowed": 10}),
        ("lz_penalty", 1),
        ("fsd", {"alpha": 0.6}),
    ],
)
def test_what_bans_a_loop_ends_it(name: str, value: Any) -> None:
    assert not loops(greedily(build(name, value)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (
            "dry",
            {"multiplier": 0.8, "window": 12},
        ),  # a window below the period does not see the loop
        ("repetition_penalty", 1.2),
        ("repetition_penalty", {"penalty": 1.2, "normalised": True}),
        ("presence_penalty", 0.5),
        ("frequency_penalty", {"value": 0.2, "window": 12}),
        ("lz_penalty", 0.15),  # takes at most 0.15 (log2 20 + 1) = 0.8 nats
    ],
)
def test_what_does_not_ban_a_loop_leaves_it(name: str, value: Any) -> None:
    assert loops(greedily(build(name, value)))
