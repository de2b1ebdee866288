"""Our filters in `generate` of a tiny GPT-2 with random weights, against our loop and theirs."""

import re
from math import inf
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from decoding.filters.hostile import VALUES, histories, hostile_logits, setting
from recurrence.decoding.filters.contract import Filter, Stateless
from recurrence.decoding.filters.registry import FILTERS
from recurrence.decoding.loop.sampling import Row, Sampler, sample
from recurrence.errors import RecurrenceError
from recurrence.randomness import generator

transformers = pytest.importorskip("transformers")

from recurrence.decoding.huggingface import (  # noqa: E402
    FilterLogitsProcessor,
    Rereading,
    logits_processors,
)

#   B = rows, V = vocabulary, T = tokens so far, S = steps

SIZE, STEPS = 31, 12
PROMPTS = [[3, 1, 4, 1, 5], [9, 2, 6, 9, 2]]


def net(seed: int) -> Any:
    torch.manual_seed(seed)
    config = transformers.GPT2Config(
        vocab_size=SIZE,
        n_positions=256,
        n_embd=16,
        n_layer=1,
        n_head=2,
        initializer_range=0.4,
        bos_token_id=None,
        eos_token_id=None,
    )
    return transformers.GPT2LMHeadModel(config).eval()


@pytest.fixture(scope="module")
def gpt2() -> Any:
    return net(0)


@pytest.fixture(scope="module")
def small() -> Any:
    return net(1)


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["<end>", ":", '"', "*", "\n", "the", "cat", "sat", "on", *"abcdefghijklmnopqrstuv"]
    inner = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="a"))
    inner.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    made = transformers.PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<end>")
    assert len(made) == SIZE
    return made


def generated(
    gpt2: Any, processors: list[Any], prompts: list[list[int]] = PROMPTS, **given: Any
) -> tuple[list[list[int]], Tensor]:
    """Ids after the prompts, and the scores_SBV from which they were chosen."""
    prompt_BT = torch.tensor(prompts)
    made = gpt2.generate(
        prompt_BT,
        attention_mask=torch.ones_like(prompt_BT),
        max_new_tokens=STEPS,
        pad_token_id=0,
        use_cache=False,
        logits_processor=processors,
        output_scores=True,
        return_dict_in_generate=True,
        **{"do_sample": False} | given,
    )
    return made.sequences[:, prompt_BT.shape[1] :].tolist(), torch.stack(made.scores)


def ours(gpt2: Any, filter_: Filter) -> tuple[list[list[int]], Tensor]:
    """The same by our own loop."""
    seen: list[Tensor] = []

    def spy(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
        seen.append(logits_BV)
        return logits_BV.clone()

    chain = (filter_, Stateless(spy, reads_history=True))
    strategy = Sampler("ours", chain, deterministic=True)
    rows = [Row(tuple(prompt), strategy, generator(i)) for i, prompt in enumerate(PROMPTS)]
    model: Any = Rereading(gpt2)
    return sample(model, rows, STEPS).ids_BT.tolist(), torch.stack(seen)


@pytest.mark.parametrize("name", FILTERS)
def test_scores_are_those_of_our_own_loop(gpt2: Any, small: Any, name: str) -> None:
    value = VALUES[name][-1]  # of XTC the one that draws nothing: a probability of 1
    amateur: Any = Rereading(small)
    made = FILTERS[name](value, setting(SIZE, amateur))
    ids, scores_SBV = generated(gpt2, [FilterLogitsProcessor(made)])
    own_ids, own_SBV = ours(gpt2, made)
    assert ids == own_ids
    assert torch.equal(scores_SBV == -inf, own_SBV == -inf)
    left_SBV = (own_SBV > -inf) & (own_SBV.abs() < 1e38)
    assert torch.allclose(scores_SBV[left_SBV], own_SBV[left_SBV].float(), rtol=1e-5, atol=1e-6)


THEIRS: list[tuple[str, Any, str]] = [
    ("temperature", 0.7, "TemperatureLogitsWarper"),
    ("top_k", 5, "TopKLogitsWarper"),
    ("top_p", 0.7, "TopPLogitsWarper"),
    ("min_p", 0.1, "MinPLogitsWarper"),
    ("typical", 0.6, "TypicalLogitsWarper"),
    ("epsilon", 0.03, "EpsilonLogitsWarper"),
    ("eta", 0.03, "EtaLogitsWarper"),
    ("top_h", 0.4, "TopHLogitsWarper"),
    ("repetition_penalty", 1.3, "RepetitionPenaltyLogitsProcessor"),
    ("no_repeat_ngram", 2, "NoRepeatNGramLogitsProcessor"),
]


@pytest.mark.parametrize(("name", "value", "theirs"), THEIRS)
def test_scores_are_those_of_transformers(gpt2: Any, name: str, value: Any, theirs: str) -> None:
    ids, scores_SBV = generated(gpt2, logits_processors([{name: value}]))
    their_ids, their_SBV = generated(gpt2, [getattr(transformers, theirs)(value)])
    assert ids == their_ids
    assert torch.equal(scores_SBV == -inf, their_SBV == -inf)
    assert torch.allclose(scores_SBV, their_SBV, rtol=1e-6, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("name", FILTERS)
def test_any_float_goes_in_and_comes_out(name: str, dtype: torch.dtype) -> None:
    """No score becomes infinite or a bar of half precision: 1.75 ** 158 is no float16."""
    for value in VALUES[name]:
        processor = FilterLogitsProcessor(FILTERS[name](value, setting(7)), 3)
        scores = hostile_logits(7).clamp(max=6e4).to(dtype)
        text_BT = histories(12, 7, 9)
        out_BV = processor(text_BT, scores.clone())
        found = FILTERS[name](value, setting(7)).start(torch.zeros(12, 3).double())
        expected_BV = found(scores.double(), text_BT)
        most = torch.finfo(dtype).max
        fits_B1 = expected_BV.amax(-1, keepdim=True) <= most
        alive_BV = (expected_BV > -most) & fits_B1
        assert out_BV.dtype == dtype
        assert not out_BV.isnan().any() and not (out_BV == inf).any()
        assert (out_BV > -inf).any(-1).all()
        if not found_by_chance(name, value):
            assert torch.equal(out_BV[alive_BV], expected_BV[alive_BV].to(dtype))


def test_a_temperature_near_zero_keeps_the_order_of_what_is_too_large() -> None:
    scores = torch.tensor([[9.0, 10.0, -3.0, -inf]], dtype=torch.float16)
    out_BV = logits_processors([{"temperature": 1e-9}])(torch.zeros(1, 1).long(), scores)
    assert out_BV.float().softmax(-1).tolist() == [[0, 1, 0, 0]]


def found_by_chance(name: str, value: Any) -> bool:
    return name == "xtc" and value == 0.5


@pytest.mark.parametrize("name", sorted(FILTERS.keys() - {"contrastive_decoding"}))
def test_ids_outside_the_vocabulary_are_text_that_cannot_come_next(name: str) -> None:
    scores = hostile_logits(7)
    text_BT = histories(12, 7, 9)
    plain_BT = text_BT.clone()
    text_BT[:, [2, 5]] = torch.tensor([-100, 90])
    for value in VALUES[name]:
        made = FILTERS[name](value, setting(7))
        out_BV = FilterLogitsProcessor(made, 9)(text_BT, scores)
        again_BV = FilterLogitsProcessor(made, 9)(text_BT.where(text_BT != 90, 1234), scores)
        assert not out_BV.isnan().any()
        if not made.draws:
            assert torch.equal(out_BV, again_BV)
    penalty = logits_processors([{"presence_penalty": 1}])
    seen_BV = penalty(text_BT, torch.zeros(12, 7))
    for ids_T, row_V in zip(text_BT.tolist(), seen_BV.tolist(), strict=True):
        assert row_V == [-1.0 if i in ids_T else 0.0 for i in range(7)]
    assert not torch.equal(plain_BT, text_BT)


class TestState:
    """Filters that carry something from token to token."""

    mirostat = [{"mirostat_v2": {"tau": 2.0, "eta": 0.5}}]

    def test_starts_anew_with_every_batch(self, gpt2: Any) -> None:
        processors = logits_processors(self.mirostat)
        once = generated(gpt2, processors)
        assert generated(gpt2, processors, [[1, 2, 3]]) != once
        ids, scores_SBV = generated(gpt2, processors)
        assert ids == once[0] and torch.equal(scores_SBV, once[1])

    @pytest.mark.parametrize("name", ["mirostat_v1", "mirostat_v2", "adaptive_p", "look_back"])
    def test_rows_do_not_hear_of_each_other(self, gpt2: Any, name: str) -> None:
        chain = [{name: VALUES[name][0]}]
        ids, scores_SBV = generated(gpt2, logits_processors(chain))
        for i, prompt in enumerate(PROMPTS):
            alone, alone_SBV = generated(gpt2, logits_processors(chain), [prompt])
            assert alone == [ids[i]]
            assert torch.allclose(alone_SBV[:, 0], scores_SBV[:, i], rtol=1e-4, atol=1e-5)

    def test_random_numbers_are_those_of_the_generator(self, gpt2: Any) -> None:
        def cut(seed: int) -> list[list[bool]]:
            coins = torch.Generator().manual_seed(seed)
            processors = logits_processors(
                [{"xtc": {"probability": 0.5, "threshold": 0.01}}], generator=coins
            )
            return (generated(gpt2, processors)[1] == -inf).any(-1).tolist()

        assert cut(1) == cut(1) != cut(2)
        assert {flag for row in cut(1) for flag in row} == {True, False}

    def test_a_filter_that_tosses_no_coin_takes_no_random_number(self, gpt2: Any) -> None:
        def drawn(chain: list[dict[str, Any]]) -> list[list[int]]:
            torch.manual_seed(3)
            return generated(gpt2, logits_processors(chain), do_sample=True, top_k=0)[0]

        assert drawn([{"mirostat_v2": {"tau": 99}}]) == drawn([{"top_p": 1}]) == drawn([])

    def test_beams_are_refused(self, gpt2: Any) -> None:
        with pytest.raises(RecurrenceError, match="cannot follow the beams .* num_beams=1"):
            generated(gpt2, logits_processors(self.mirostat), num_beams=3)
        generated(gpt2, logits_processors([{"dry": 0.8}]), num_beams=3)

    def test_more_tokens_than_it_was_started_for_are_refused(self, gpt2: Any) -> None:
        with pytest.raises(RecurrenceError, match="max_new_tokens must be at least .* got 5; give"):
            generated(gpt2, logits_processors(self.mirostat, max_new_tokens=5))
        generated(gpt2, logits_processors(self.mirostat, max_new_tokens=STEPS))

    def test_padding_outside_the_vocabulary_teaches_nothing(self) -> None:
        processors = logits_processors(self.mirostat)
        scores = torch.randn(2, 7, generator=torch.Generator().manual_seed(0))
        text_BT = torch.tensor([[1, 2], [3, 4]])
        for token in (5, -1, 99):
            assert processors(text_BT, scores).isfinite().any(-1).all()
            text_BT = torch.cat([text_BT, torch.tensor([[token], [6]])], 1)


def test_a_row_with_nothing_left_keeps_its_scores() -> None:
    scores = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    text_BT = torch.tensor([[0, 1, 0], [1, 1, 1]])
    out_BV = logits_processors([{"no_repeat_ngram": 1}])(text_BT, scores)
    assert out_BV.tolist() == [[1.0, 2.0], [3.0, -inf]]


def test_the_tokenizer_says_what_breaks_and_what_ends(tokenizer: Any) -> None:
    text_BT = torch.tensor([[9, 1, 10, 11, 9, 1, 10]])  # 1 is a colon; 11 followed "9 : 10"
    even = torch.zeros(1, SIZE)
    plain = logits_processors([{"dry": {"multiplier": 1, "breakers": []}}], tokenizer)
    assert plain(text_BT, even)[0, 11] < 0
    assert torch.equal(logits_processors([{"dry": 1}], tokenizer)(text_BT, even), even)
    rising = torch.arange(SIZE, dtype=torch.float32)[None]
    left = logits_processors([{"consistent_top_k": 1}], tokenizer)(text_BT, rising)
    assert left.isfinite()[0].nonzero()[:, 0].tolist() == [0, SIZE - 1]


def test_wrong_names_and_values_are_named() -> None:
    with pytest.raises(ValueError, match="no filter 'topk'; did you mean 'top_k'"):
        logits_processors([{"topk": 3}])
    with pytest.raises(ValueError, match=r"top_p must be a number in \(0, 1\], got 2"):
        logits_processors([{"top_p": 2}])
    with pytest.raises(ValueError, match="contrastive_decoding needs a second, weaker model"):
        logits_processors([{"contrastive_decoding": 0.1}])


def test_the_blocks_of_the_docs_run(gpt2: Any, small: Any, tokenizer: Any) -> None:
    page = Path(__file__).parents[2] / "docs/huggingface.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S)
    assert len(blocks) == 4
    gpt2.generation_config.pad_token_id = 0
    names: dict[str, Any] = {"model": gpt2, "small_model": small, "tokenizer": tokenizer}
    for block in blocks:
        exec(block, names)
        assert names["made"].shape[1] > 4
