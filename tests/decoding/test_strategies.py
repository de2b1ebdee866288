"""Blocks become strategies; and what every strategy promises, whatever it is made of."""

from math import inf
from typing import Any

import pytest
import torch

from decoding.fakes import Cyclic, Fixed, naive
from recurrence import params
from recurrence.decoding.filters.contract import Setting
from recurrence.decoding.filters.registry import FILTERS
from recurrence.decoding.loop.samples import Samples
from recurrence.decoding.loop.sampling import Row, Sampler, sample
from recurrence.decoding.loop.stopping import at_token
from recurrence.decoding.search.base import Search
from recurrence.decoding.search.registry import SEARCHES
from recurrence.decoding.strategies import build_strategy, for_unit
from recurrence.errors import RecurrenceError
from recurrence.model import LanguageModel, build_model
from recurrence.randomness import generator
from recurrence.vocab import Vocab

Strategy = Sampler | Search

VOCAB = Vocab(
    ("<unk>", "<pad>", "a", "b", "c", "<eos>"), ("<unk>", "<pad>"), params.Tokens(unit="char")
)
WORDS = Vocab(("one", "two"), (), params.Tokens(unit="word"))


def build(vocab: Vocab = VOCAB, **block: Any) -> Strategy:
    return build_strategy("mine", params.Strategy(**block), Setting(vocab))


def left(strategy: Strategy, logits: list[float]) -> list[float]:
    """The distribution from which a sampler without history draws its first token."""
    assert isinstance(strategy, Sampler)
    logits_BV = torch.tensor([logits], dtype=torch.float64)
    logits_BV[:, list(strategy.banned)] = -inf
    for each in strategy.filters:
        logits_BV = each(logits_BV, torch.zeros(1, 1, dtype=torch.int64))
    return logits_BV.softmax(-1)[0].tolist()


def chosen(strategy: Strategy, logits: list[float], count: int = 1) -> list[int]:
    """First tokens of samples."""
    rows = [Row((0,), strategy, generator(i)) for i in range(count)]
    return sample(Fixed(logits), rows, 1).ids_BT[:, 0].tolist()


class TestBlocks:
    def test_specials_are_banned_unless_allowed(self) -> None:
        even = [0.0] * 6
        assert left(build(pick="sample"), even) == pytest.approx([0, 0, 0.25, 0.25, 0.25, 0.25])
        assert left(build(pick="sample", allow=["<unk>"]), even) == pytest.approx(
            [0.2, 0, 0.2, 0.2, 0.2, 0.2]
        )
        assert set(chosen(build(pick="sample"), even, 60)) == {2, 3, 4, 5}

    def test_eos_that_is_a_special_is_banned_by_an_empty_allow(self) -> None:
        vocab = Vocab(("<unk>", "<eos>", "a"), ("<unk>", "<eos>"), params.Tokens(unit="word"))
        assert left(build(vocab, pick="sample"), [0.0] * 3) == pytest.approx([0, 0.5, 0.5])
        assert left(build(vocab, pick="sample", allow=[]), [0.0] * 3) == pytest.approx([0, 0, 1])

    def test_allow_may_name_what_this_vocabulary_lacks(self) -> None:
        assert left(build(WORDS, pick="sample", allow=["<eos>", "<unk>"]), [0.0, 0.0]) == [0.5, 0.5]

    def test_argmax_is_one_token_the_lowest_of_equals(self) -> None:
        strategy = build(pick="argmax")
        assert strategy.deterministic
        assert chosen(strategy, [9, 9, 1, 3, 3, 2]) == [3]
        assert not build(pick="sample").deterministic

    def test_filters_apply_in_their_order(self) -> None:
        logits = [
            -inf,
            -inf,
            0.0,
            1.0,
            -inf,
            -inf,
        ]  # probabilities .27 and .73; at T = .25, .02 and .98
        narrow_last = build(pick="sample", filters=[{"temperature": 0.25}, {"top_p": 0.9}])
        narrow_first = build(pick="sample", filters=[{"top_p": 0.9}, {"temperature": 0.25}])
        assert left(narrow_last, logits) == [0, 0, 0, 1, 0, 0]
        assert left(narrow_first, logits)[2] == pytest.approx(0.018, abs=1e-3)

    def test_window_and_name_come_from_the_block(self) -> None:
        strategy = build(pick="sample", feeding="rolling", window=8)
        assert (strategy.name, strategy.window) == ("mine", 8)
        assert build(pick="sample").window is None
        assert build(search={"beam": 2}, feeding="rolling", window=8).window == 8

    def test_only_what_looks_at_more_than_the_state_uses_history(self) -> None:
        assert not build(pick="sample", filters=[{"temperature": 0.5}, {"top_p": 0.9}]).uses_history
        assert build(pick="argmax", filters=[{"temperature": 0.5}, {"dry": 0.8}]).uses_history
        assert build(pick="sample", filters=[{"mirostat_v2": 2}]).uses_history
        assert not build(search={"beam": 2}).uses_history
        assert build(search={"beam": 2}, filters=[{"no_repeat_ngram": 3}]).uses_history

    def test_a_search_has_its_settings_filters_and_bans(self) -> None:
        beam = build(
            search={"beam": {"width": {"char": 3, "word": 2}}}, filters=[{"temperature": 0.5}]
        )
        assert isinstance(beam, Search)
        assert (beam.name, beam.width, beam.banned, len(beam.filters)) == ("mine", 3, (0, 1), 1)
        assert beam.deterministic and not build(search={"stochastic_beam": 2}).deterministic


class TestUnits:
    def test_a_value_goes_by_the_unit_wherever_it_stands(self) -> None:
        value = {"a": {"char": 1, "word": 2}, "b": [{"word": 4, "char": 3}, 5], "c": {"d": "e"}}
        assert for_unit(value, "char") == {"a": 1, "b": [3, 5], "c": {"d": "e"}}
        assert for_unit({"char": {"n": 12}, "word": {"n": 4}}, "word") == {"n": 4}
        assert for_unit(0.5, "char") == 0.5
        assert for_unit({}, "char") == {}

    def test_filters_are_built_for_the_unit_of_the_vocabulary(self) -> None:
        block = {"pick": "sample", "filters": [{"top_k": {"char": 1, "word": 2}}]}
        assert left(build(**block), [0.0, 0.0, 3.0, 2.0, 1.0, 0.0]) == [0, 0, 1, 0, 0, 0]
        assert left(build(WORDS, **block), [0.0, 0.0]) == [0.5, 0.5]

    def test_a_unit_without_a_value_is_named(self) -> None:
        with pytest.raises(
            RecurrenceError,
            match=r"mine.filters: {'char': 1} has no value for words; give {char: ..., w",
        ):
            build(WORDS, pick="sample", filters=[{"top_k": {"char": 1}}])


class TestNotebooks:
    def test_top2_skip_unk_is_the_first_of_the_top_two_that_is_not_unk(self) -> None:
        strategy = build(pick="argmax", filters=[{"top_k": 2}], allow=["<eos>", "<pad>"])
        logits_BV = torch.randn(500, 6, generator=torch.Generator().manual_seed(0))
        top_B2 = logits_BV.topk(2).indices
        notebook_B = torch.where(top_B2[:, 0] != 0, top_B2[:, 0], top_B2[:, 1])
        assert [chosen(strategy, logits)[0] for logits in logits_BV.tolist()] == notebook_B.tolist()
        assert (top_B2[:, 0] == 0).sum() > 20  # the case that matters did occur

    def test_multinomial_skip_unk_is_the_first_of_two_draws_that_is_not_unk(self) -> None:
        """Of two draws the second, if the first is <unk>: p_j + p_0 p_j / (1 - p_0)."""
        strategy = build(pick="sample", allow=["<eos>", "<pad>"])
        p = [0.4, 0.1, 0.2, 0.15, 0.1, 0.05]
        notebook = [0.0] + [p_j + p[0] * p_j / (1 - p[0]) for p_j in p[1:]]
        assert left(strategy, torch.tensor(p, dtype=torch.float64).log().tolist()) == pytest.approx(
            notebook
        )


@pytest.mark.parametrize(
    ("block", "message"),
    [
        (
            {"filters": [{"topk": 5}]},
            "strategies.mine.filters: no filter 'topk'; did you mean 'top_k'? nearest: top_k, ",
        ),
        (
            {"filters": [{"top_k": 5}, {"top_p": 1.5}]},
            "strategies.mine.filters: top_p must be a number",
        ),
        (
            {"filters": [{"temperature": 0}]},
            "strategies.mine.filters: temperature must be a number greater than 0",
        ),
        (
            {"filters": [{"top_k": None}]},
            "strategies.mine.filters: top_k must be a whole number of at least 1, got None",
        ),
        (
            {"filters": [{"dry": {"multiplyer": 1}}]},
            "filters: dry has no setting 'multiplyer'; did you mean 'multiplier'",
        ),
        (
            {"filters": [{"contrastive_decoding": 0.1}]},
            "strategies.mine.filters: contrastive_decoding needs a second, wea",
        ),
        (
            {"filters": [{"mirostat_v2": {"tau": {"of_bits": 1}}}]},
            "mirostat_v2.tau.of_bits needs the model's validation",
        ),
        (
            {"pick": None, "search": {"bean": 4}},
            "strategies.mine.search: no search 'bean'; did you mean 'beam'? availabl",
        ),
        (
            {"pick": None, "search": {"beam": {"width": 0}}},
            "strategies.mine.search: beam.width must be a whole number of",
        ),
        (
            {"pick": None, "search": {"beam": 2}, "filters": [{"xtc": 0.5}]},
            "mine.search: a filter with memory or chance",
        ),
        (
            {"pick": "argmax", "filters": [{"xtc": 0.5}]},
            "mine.pick: must be sample beside xtc, which draws lots itself, g",
        ),
    ],
)
def test_bad_blocks_are_named(block: dict[str, Any], message: str) -> None:
    with pytest.raises(RecurrenceError) as caught:
        build(**{"pick": "sample"} | block)
    assert message in str(caught.value)


def test_a_ban_of_everything_is_refused() -> None:
    with pytest.raises(RecurrenceError, match="strategies.mine.allow: every token is a special"):
        build(Vocab(("<unk>",), ("<unk>",), params.Tokens(unit="char")), pick="sample")


# ---------------------------------------------------------------- what every strategy promises

SIZE = 13
LETTERS = Vocab(
    ("<unk>", "<pad>", *"abcdefgh.\n", "<eos>"), ("<unk>", "<pad>"), params.Tokens(unit="char")
)
LENGTH = 24
PROMPTS = ((2, 3, 4), (5,), (4, 9, 2, 2, 7, 2, 6, 4, 9, 2), (8, 8), (10, 2, 3))
VALUES: dict[str, Any] = {
    "temperature": 0.7,
    "dynamic_temperature": 0.5,
    "top_k": 4,
    "top_p": 0.8,
    "min_p": 0.2,
    "typical": 0.7,
    "epsilon": 0.05,
    "eta": 0.1,
    "top_n_sigma": 1,
    "top_h": 0.5,
    "p_less": True,
    "consistent_top_k": 2,
    "consistent_top_p": 0.4,
    "repetition_penalty": {"penalty": 1.5, "window": 6},
    "frequency_penalty": 0.3,
    "presence_penalty": {"value": 0.6, "window": 4},
    "no_repeat_ngram": 2,
    "dry": {"multiplier": 0.8, "allowed": 1},
    "lz_penalty": {"strength": 0.4, "window": 9},
    "fsd": {"k": 4, "alpha": 0.5, "n": 2},
    "xtc": {"probability": 0.5, "threshold": 0.05},
    "mirostat_v1": {"tau": {"of_bits": 0.5}, "eta": 0.5},
    "mirostat_v2": {"tau": 1.0, "eta": 0.5, "surprise": "kept"},
    "adaptive_p": 0.4,
    "look_back": {"tau": 0.5, "k": 3},
    "contrastive_decoding": 0.3,
}
"""A value for every filter; one that is missing here fails a test below."""
BLOCKS = {
    f"sample_{name}": {"pick": "sample", "filters": [{name: value}]}
    for name, value in VALUES.items()
}
BLOCKS |= {
    f"argmax_{k}": {"pick": "argmax", "filters": [{k: v}]} for k, v in VALUES.items() if k != "xtc"
}
BLOCKS |= {
    "all_kinds": {
        "pick": "sample",
        "filters": [
            {"dry": 0.8},
            {"temperature": 0.9},
            {"xtc": 0.5},
            {"mirostat_v2": 2.0},
            {"xtc": 0.3},
            {"top_p": 0.9},
        ],
        "allow": ["<unk>", "<eos>"],
    },
    "rolling": {
        "pick": "sample",
        "filters": [{"xtc": 0.5}, {"no_repeat_ngram": 3}],
        "feeding": "rolling",
        "window": 3,
    },
    "diverse_filtered": {
        "search": {"diverse_beam": 4},
        "filters": [{"top_k": 5}, {"repetition_penalty": 1.3}],
    },
    "beam_stop": {"search": {"beam": {"width": 3, "eos": "stop"}}},
    "stochastic": {"search": {"stochastic_beam": 3}},
    "contrastive": {"search": {"contrastive_search": 3}},
}
BLOCKS |= {f"params_{name}": block.model_dump() for name, block in params.strategies().items()}


def net(core: str, seed: int) -> LanguageModel:
    torch.manual_seed(seed)
    block = params.Model(
        corpus="mine", name="net", core=core, embedding=6, hidden=10, init_range=1.0
    )
    return build_model(block, SIZE).eval().double()


MODEL = net("lstm", 0)
SETTING = Setting(LETTERS, bits=2.5, amateur=net("rnn", 1))


def strategy_of(name: str) -> Strategy:
    return build_strategy(name, params.Strategy.model_validate(BLOCKS[name]), SETTING)


def made(
    strategy: Strategy, prompts: tuple[tuple[int, ...], ...] = PROMPTS, other: str = ""
) -> Samples:
    """A sample of each prompt, in this order."""
    rng = [generator(strategy.name, prompt, other) for prompt in prompts]
    if isinstance(strategy, Search):
        return strategy.find(MODEL, prompts, LENGTH, rng)
    return sample(
        MODEL,
        [Row(prompt, strategy, own) for prompt, own in zip(prompts, rng, strict=True)],
        LENGTH,
    )


def ids(found: Samples) -> list[list[int]]:
    return [ids_T.tolist() for ids_T in found.rows()]


def test_every_filter_and_search_is_among_those_tried() -> None:
    assert VALUES.keys() == FILTERS.keys()
    assert {
        name for block in BLOCKS.values() for name in block.get("search") or ()
    } == SEARCHES.keys()


@pytest.mark.parametrize("name", BLOCKS)
def test_a_sample_is_the_same_alone_in_any_batch_and_again(name: str) -> None:
    strategy = strategy_of(name)
    weights = {key: value.clone() for key, value in MODEL.state_dict().items()}
    together = made(strategy)
    assert ids(made(strategy)) == ids(together)
    backwards = made(strategy, PROMPTS[::-1])
    assert ids(backwards)[::-1] == ids(together)
    for i, prompt in enumerate(PROMPTS):
        alone = made(strategy, (prompt,))
        assert ids(alone) == [ids(together)[i]]
        assert alone.logprob_B.item() == pytest.approx(together.logprob_B[i].item(), rel=1e-9)
        assert alone.rescued_B.item() == together.rescued_B[i]
    assert all(torch.equal(value, weights[key]) for key, value in MODEL.state_dict().items())


@pytest.mark.parametrize("name", [name for name in BLOCKS if strategy_of(name).deterministic])
def test_deterministic_strategies_draw_nothing(name: str) -> None:
    assert ids(made(strategy_of(name))) == ids(made(strategy_of(name), other="seed"))


@pytest.mark.parametrize("name", ["params_multinomial", "sample_xtc", "rolling", "stochastic"])
def test_the_others_do(name: str) -> None:
    assert not strategy_of(name).deterministic
    assert ids(made(strategy_of(name))) != ids(made(strategy_of(name), other="seed"))


@pytest.mark.parametrize("name", BLOCKS)
def test_specials_that_are_not_allowed_never_come(name: str) -> None:
    allowed = params.Strategy.model_validate(BLOCKS[name]).allow
    banned = [LETTERS.index[token] for token in LETTERS.specials if token not in allowed]
    assert not {i for row in ids(made(strategy_of(name))) for i in row} & set(banned)


@pytest.mark.parametrize("name", BLOCKS)
def test_log_probabilities_are_the_models_own(name: str) -> None:
    found = made(strategy_of(name))
    for prompt, ids_T, logprob in zip(PROMPTS, found.rows(), found.logprob_B.tolist(), strict=True):
        text_BT = torch.tensor([[*prompt, *ids_T.tolist()]])
        if BLOCKS[name].get("window"):
            continue  # what the model was fed cannot be read from the text at once
        with torch.inference_mode():
            logits_TV = MODEL(text_BT[:, :-1], MODEL.initial_state(1))[0][0, -len(ids_T) :]
        own = logits_TV.log_softmax(-1).gather(1, ids_T[:, None]).sum()
        assert logprob == pytest.approx(own.item(), rel=1e-9)


@pytest.mark.parametrize(
    "name", [name for name, block in BLOCKS.items() if not block.get("search")]
)
def test_a_sampler_does_what_the_naive_loop_does(name: str) -> None:
    strategy = strategy_of(name)
    assert isinstance(strategy, Sampler)
    found = made(strategy)
    with torch.inference_mode():
        expected = [
            naive(MODEL, prompt, strategy, LENGTH, generator(name, prompt, ""))
            for prompt in PROMPTS
        ]
    assert ids(found) == [ids_T for ids_T, _, _ in expected]
    assert found.rescued_B.tolist() == [rescued for _, _, rescued in expected]


@pytest.mark.parametrize(
    "name", [name for name, block in BLOCKS.items() if not block.get("search")]
)
def test_a_shorter_sample_is_the_beginning_of_a_longer_one(name: str) -> None:
    rows = [Row(prompt, strategy_of(name), generator(name, prompt, "")) for prompt in PROMPTS[:2]]
    assert (
        sample(MODEL, rows, 9).ids_BT.tolist()
        == made(strategy_of(name), PROMPTS[:2]).ids_BT[:, :9].tolist()
    )


def test_all_strategies_in_one_batch_do_not_touch_each_other() -> None:
    samplers = [each for each in map(strategy_of, BLOCKS) if isinstance(each, Sampler)]
    rows = [
        Row(prompt, each, generator(each.name, prompt, ""))
        for each in samplers
        for prompt in PROMPTS
    ]
    together = sample(MODEL, rows, LENGTH).ids_BT.tolist()
    assert together == [row for each in samplers for row in made(each).ids_BT.tolist()]


def test_where_a_ban_by_history_leaves_nothing_it_is_counted() -> None:
    found = sample(Cyclic(4), [Row((1, 0), no_repeat(4), generator()) for _ in range(2)], 9)
    # After 2 and 3 each token has come: nothing is left, and the model goes its own way.
    assert found.ids_BT.tolist() == [[2, 3, 0, 1, 2, 3, 0, 1, 2]] * 2
    assert found.rescued_B.tolist() == [7, 7]


def no_repeat(size: int) -> Strategy:
    vocab = Vocab(tuple("abcdefgh"[:size]), (), params.Tokens(unit="char"))
    return build(vocab, pick="argmax", filters=[{"no_repeat_ngram": 1}])


@pytest.mark.parametrize(
    "name", ["params_greedy", "params_greedy_dry", "params_multinomial", "params_xtc"]
)
def test_stop_at_eos_and_through_eos(name: str) -> None:
    strategy, eos = strategy_of(name), LETTERS.index["<eos>"]
    rng = [generator(name, prompt, "") for prompt in PROMPTS]
    rows = [Row(prompt, strategy, own) for prompt, own in zip(PROMPTS, rng, strict=True)]
    through, stopped = (
        ids(made(strategy)),
        ids(sample(MODEL, rows, LENGTH, stop=lambda count: at_token(eos))),
    )
    for whole, cut in zip(through, stopped, strict=True):
        assert cut == (whole[: whole.index(eos) + 1] if eos in whole else whole)
