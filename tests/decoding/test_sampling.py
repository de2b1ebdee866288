"""The loop against fake models whose next token is known, and against naive loops written from the definitions."""

from collections.abc import Sequence
from math import exp, inf, log, nan

import pytest
import torch
from torch import Tensor, nn

from recurrence import params
from recurrence.decoding import sampling
from recurrence.decoding.filters import ban, temperature, top_k, top_p
from recurrence.decoding.sampling import Prompt, Row, Sampler, draw, sample, steps
from recurrence.errors import RecurrenceError
from recurrence.model import build_model
from recurrence.randomness import generator

#   B = rows, T = tokens, V = vocabulary

State = tuple[Tensor, ...]


class Fixed(nn.Module):
    """The same logits whatever was read; with a context it answers as a window model does."""

    def __init__(self, logits: Sequence[float], context: int | None = None) -> None:
        super().__init__()
        self.logits_V = torch.tensor(logits, dtype=torch.float64)
        self.vocab_size, self.context = len(logits), context

    def initial_state(self, lanes: int) -> State:
        return ()

    def forward(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        shape = ids_BT.shape[:1] if self.context else ids_BT.shape
        return self.logits_V.expand(*shape, -1), state


class Cyclic(Fixed):
    """After i comes i + 1, nearly always."""

    def __init__(self, size: int) -> None:
        super().__init__([0.0] * size)

    def forward(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        return 9.0 * nn.functional.one_hot((ids_BT + 1) % self.vocab_size, self.vocab_size).double(), state


class Fading(nn.Module):
    """Logits mix all tokens ever read, older ones fainter: whatever is fed twice, left out or reordered shows.

    `fed` keeps what each call was given.
    """

    def __init__(self, size: int = 11, context: int | None = None) -> None:
        super().__init__()
        gen = torch.Generator().manual_seed(7)
        self.mix_VV = torch.randn(size, size, generator=gen, dtype=torch.float64) * 2
        self.vocab_size, self.context = size, context
        self.fed: list[Tensor] = []

    def initial_state(self, lanes: int) -> State:
        return (torch.zeros(1, lanes, self.vocab_size, dtype=torch.float64),)

    def forward(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        self.fed.append(ids_BT.clone())
        if self.context:
            assert ids_BT.shape[1] <= self.context
            state = self.initial_state(len(ids_BT))
        h_BV, out = state[0][0], []
        for ids_B in ids_BT.unbind(1):
            h_BV = 0.7 * h_BV + nn.functional.one_hot(ids_B, self.vocab_size)
            out.append(h_BV @ self.mix_VV)
        return (out[-1] if self.context else torch.stack(out, 1)), (h_BV[None],)


GREEDY = Sampler("greedy", (top_k(1),), deterministic=True)
PURE = Sampler("pure", ())
MIXED = (
    PURE,
    GREEDY,
    Sampler("careful", (ban([0, 3]), temperature(0.6), top_p(0.8))),
    Sampler("rolling", (), window=4),
    Sampler("rolling_top", (top_k(3),), window=2),
)
PROMPTS: tuple[Prompt, ...] = ((1, 2, 3), (5,), (4, 9, 2, 2, 7, 0, 1), (8, 8), (10, 1, 3))


def mixed_rows() -> list[Row]:
    return [
        Row(prompt, sampler, generator(sampler.name, i, seed))
        for i, prompt in enumerate(PROMPTS)
        for sampler in MIXED
        for seed in range(2)
    ]


def naive(
    model: nn.Module, prompt: Prompt, sampler: Sampler, length: int, rng: torch.Generator
) -> tuple[list[int], float]:
    """One sample, a token at a time, as the definitions say; no state but where the window is fed again."""
    uniforms = torch.rand(length, dtype=torch.float64, generator=rng)
    text, logprob, state, feed = list(prompt), 0.0, model.initial_state(1), list(prompt)
    for uniform in uniforms:
        if model.context:
            logits_BV, _ = model(torch.tensor([text[-model.context :]]), model.initial_state(1))
        elif sampler.window:
            logits, state = model(torch.tensor([feed]), state)
            logits_BV = logits[:, -1]
        else:
            logits_BV = model(torch.tensor([text]), model.initial_state(1))[0][:, -1]
        p_V = sampler.narrow(logits_BV, torch.tensor([text]))[0].softmax(-1)
        chosen = next(i for i, total in enumerate(p_V.cumsum(-1)) if total > uniform)
        text.append(chosen)
        feed = text[-(sampler.window or 1) :]
        logprob += float(logits_BV[0].log_softmax(-1)[chosen])
    return text[len(prompt) :], logprob


class TestDraw:
    def test_inverts_the_cumulative_distribution(self) -> None:
        logits_V = torch.tensor([0.1, 0.2, 0.3, 0.4]).log()
        uniform_B = torch.tensor([0.0, 0.09, 0.11, 0.29, 0.31, 0.59, 0.61, 0.99], dtype=torch.float64)
        assert draw(logits_V.expand(8, 4), uniform_B).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]

    def test_frequencies_are_the_probabilities(self) -> None:
        p_V = torch.tensor([0.0, 0.003, 0.5, 0.0, 0.047, 0.45], dtype=torch.float64)
        uniform_B = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
        counts_V = draw(p_V.log().expand(1000, 6), uniform_B).bincount(minlength=6)
        assert counts_V.tolist() == [0, 3, 500, 0, 47, 450]

    @pytest.mark.parametrize("uniform", [0.0, 1 - 2**-53])
    def test_never_takes_what_is_ruled_out(self, uniform: float) -> None:
        logits_BV = torch.tensor([[-inf, 0.1, 0.2, -inf, 0.3, -inf], [-inf, -inf, -inf, 5.0, -inf, -inf]])
        ids_B = draw(logits_BV, torch.full((2,), uniform, dtype=torch.float64))
        assert ids_B.tolist() == [1 if uniform == 0 else 4, 3]

    def test_the_largest_uniform_stays_within_any_total(self) -> None:
        logits_BV = torch.randn(2000, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        logits_BV[:, -1] = -inf
        assert draw(logits_BV, torch.full((2000,), 1 - 2**-53, dtype=torch.float64)).tolist() == [7] * 2000

    def test_rare_tokens_keep_their_share(self) -> None:
        logits_BV = torch.tensor([[0.0, log(1e-12)]], dtype=torch.float64)
        assert draw(logits_BV, torch.tensor([1 - 2e-12], dtype=torch.float64)).item() == 0
        assert draw(logits_BV, torch.tensor([1 - 5e-13], dtype=torch.float64)).item() == 1


class TestKnownModels:
    def test_greedy_on_a_cycle_goes_round(self) -> None:
        ids_BT, logprob_B = sample(Cyclic(4), [Row((0, 2), GREEDY, generator())], 9)
        assert ids_BT.tolist() == [[3, 0, 1, 2, 3, 0, 1, 2, 3]]
        assert logprob_B.item() == pytest.approx(9 * (9 - log(exp(9) + 3)))

    @pytest.mark.parametrize("context", [None, 2])
    def test_greedy_breaks_ties_towards_the_lowest_id(self, context: int | None) -> None:
        ids_BT, logprob_B = sample(Fixed([0.0] * 5, context), [Row((3,), GREEDY, generator())], 4)
        assert ids_BT.tolist() == [[0, 0, 0, 0]]
        assert logprob_B.item() == pytest.approx(-4 * log(5))

    def test_samples_of_a_spiky_model_have_its_frequencies(self) -> None:
        logits = [log(0.7), log(0.2), log(0.1), -inf]
        ids_BT, _ = sample(Fixed(logits), [Row((0,), PURE, generator("spiky", i)) for i in range(40)], 250)
        counts = ids_BT.flatten().bincount(minlength=4).double()
        expected = torch.tensor([7000.0, 2000.0, 1000.0])
        # Chi-square with 2 degrees of freedom exceeds 13.8 once in a thousand; the seeds are fixed.
        assert ((counts[:3] - expected) ** 2 / expected).sum() < 13.8
        assert counts[3] == 0

    def test_what_is_banned_never_comes(self) -> None:
        skip = Sampler("skip", (ban([0]),))
        ids_BT, _ = sample(Fixed([9.0, 0.0, 0.0]), [Row((0, 0), skip, generator(i)) for i in range(20)], 50)
        assert set(ids_BT.flatten().tolist()) == {1, 2}


@pytest.mark.parametrize("context", [None, 3])
class TestAgainstNaiveLoops:
    def test_ids_and_log_probabilities(self, context: int | None) -> None:
        """Covers feeding the whole text anew, the window fed again into its state, and window models, in one batch."""
        model = Fading(context=context)
        ids_BT, logprob_B = sample(model, mixed_rows(), 30)
        for row, ids, logprob in zip(mixed_rows(), ids_BT.tolist(), logprob_B.tolist(), strict=True):
            expected_ids, expected_logprob = naive(model, row.prompt, row.sampler, 30, row.rng)
            assert ids == expected_ids, row
            assert logprob == pytest.approx(expected_logprob, rel=1e-9)

    def test_a_sample_is_the_same_alone_and_in_any_batch(self, context: int | None) -> None:
        model = Fading(context=context)
        together, logprobs = sample(model, mixed_rows(), 20)
        backwards, _ = sample(model, mixed_rows()[::-1], 20)
        assert torch.equal(together, backwards.flip(0))
        for row, ids_T, logprob in zip(mixed_rows(), together, logprobs, strict=True):
            alone_BT, alone_B = sample(model, [row], 20)
            assert torch.equal(alone_BT[0], ids_T)
            assert alone_B.item() == pytest.approx(logprob.item(), rel=1e-9)

    def test_memory_limits_change_nothing(self, context: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
        model = Fading(context=context)
        whole = sample(model, mixed_rows(), 12)
        monkeypatch.setattr(sampling, "READ_TOKENS", 2)
        monkeypatch.setattr(sampling, "CHUNK_CELLS", 7 * 11 * 4)
        model.fed.clear()
        told: list[int] = []
        parts = sample(model, mixed_rows(), 12, told.append)
        assert max(map(len, model.fed)) < 10  # of 50 rows
        assert torch.equal(parts[0], whole[0])
        assert torch.allclose(parts[1], whole[1], rtol=1e-12)
        assert sum(told) == 50 * 12

    def test_a_shorter_sample_is_the_beginning_of_a_longer_one(self, context: int | None) -> None:
        model = Fading(context=context)
        longer, _ = sample(model, mixed_rows(), 40)
        shorter, _ = sample(model, mixed_rows(), 17)
        assert torch.equal(shorter, longer[:, :17])


class TestFeeding:
    def test_every_distinct_prompt_is_read_once_and_then_one_token_per_step(self) -> None:
        model = Fading()
        rows = [Row(p, s, generator(i)) for p in ((1, 2), (3, 4), (5, 6, 7)) for s in (GREEDY, PURE) for i in range(3)]
        sample(model, rows, 5)
        assert [tuple(ids_BT.shape) for ids_BT in model.fed] == [(2, 2), (1, 3)] + [(18, 1)] * 4

    def test_rolling_feeds_the_last_window_again_at_every_step(self) -> None:
        model = Fading()
        prompt: Prompt = (1, 2, 3, 4, 5)
        ids_BT, _ = sample(model, [Row(prompt, Sampler("r", (), window=3), generator())], 4)
        text = [*prompt, *ids_BT[0].tolist()]
        assert [ids_BT[0].tolist() for ids_BT in model.fed] == [text[:5], text[3:6], text[4:7], text[5:8]]

    def test_a_window_model_sees_its_context_whatever_the_feeding(self) -> None:
        for sampler in (PURE, Sampler("rolling", (), window=8)):
            model = Fading(context=3)
            ids_BT, _ = sample(model, [Row((1, 2), sampler, generator())], 4)
            text = [1, 2, *ids_BT[0].tolist()]
            assert [ids_BT[0].tolist() for ids_BT in model.fed] == [text[:2], text[:3], text[1:4], text[2:5]]

    def test_filters_see_prompt_and_text_so_far_of_their_rows_alone(self) -> None:
        seen: list[list[list[int]]] = []

        def spy(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
            seen.append(history_BT.tolist())
            return logits_BV.clone()

        rows = [Row(p, Sampler("spy", (spy,)), generator(p)) for p in ((1, 2), (3, 4))]
        rows += [Row((5,), rows[0].sampler, generator()), Row((6,), PURE, generator())]
        ids, _ = sample(Fading(), rows, 2)
        first = ids[:, 0].tolist()
        assert [[5]] in seen and [[5, first[2]]] in seen
        assert [[1, 2]] in seen and [[1, 2, first[0]]] in seen
        assert not any(6 in row for history in seen for row in history)


def test_log_probability_is_the_models_own_before_any_filter() -> None:
    model = Fading()
    harsh = Sampler("harsh", (temperature(0.1), top_k(2)))
    ids_BT, logprob_B = sample(model, [Row((1, 2, 3), harsh, generator())], 25)
    text = torch.tensor([[1, 2, 3, *ids_BT[0].tolist()]])
    logits_BTV, _ = model(text[:, :-1], model.initial_state(1))
    expected = logits_BTV.log_softmax(-1).gather(2, text[:, 1:, None])[0, 2:].sum()
    assert logprob_B.item() == pytest.approx(expected.item(), rel=1e-12)


def test_steps_stream_what_sample_collects() -> None:
    stream = steps(Fading(), mixed_rows(), 6)
    made = []
    for ids_B, _ in stream:
        assert not torch.is_inference_mode_enabled()  # the caller's mode is its own
        made.append(ids_B.tolist())
    assert torch.tensor(made).T.tolist() == sample(Fading(), mixed_rows(), 6)[0].tolist()


def test_a_strategy_generates_by_the_same_loop() -> None:
    ids_BT = PURE.generate(Fading(), PROMPTS, 8, [generator(i) for i in range(5)])
    rows = [Row(prompt, PURE, generator(i)) for i, prompt in enumerate(PROMPTS)]
    assert torch.equal(ids_BT, sample(Fading(), rows, 8)[0])


@pytest.mark.parametrize("block", ["nietzsche-lstm", "human_numbers-lm2"])
def test_real_models_alone_and_together(block: str) -> None:
    torch.manual_seed(0)
    small = params.model(block).model_copy(update={"embedding": 12, "hidden": 12})
    model = build_model(small, 11).eval().double()
    together, _ = sample(model, mixed_rows(), 25)
    for row, ids_T in zip(mixed_rows(), together, strict=True):
        assert torch.equal(sample(model, [row], 25)[0][0], ids_T)


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(RecurrenceError, match="prompt is empty"):
        sample(Fading(), [Row((), PURE, generator())], 5)


class Bursting(Fixed):
    """Its state overflows after a few tokens."""

    def initial_state(self, lanes: int) -> State:
        return (torch.full((1, lanes, 1), 1e300, dtype=torch.float64),)

    def forward(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        h_LBH = state[0] * 1e4 ** ids_BT.shape[1]
        return self.logits_V + (h_LBH - h_LBH).transpose(0, 1), (h_LBH,)


def test_a_model_without_numbers_is_refused_at_once() -> None:
    with pytest.raises(RecurrenceError, match="not numbers.*train it again"):
        next(steps(Fixed([nan, 1.0]), [Row((0,), PURE, generator())], 5))


def test_a_state_that_overflows_on_the_way_is_named() -> None:
    with pytest.raises(RecurrenceError, match="in 2 of 2 samples.*overflowed"):
        sample(Bursting([0.0, 1.0]), [Row((0,), PURE, generator()) for _ in range(2)], 5)
