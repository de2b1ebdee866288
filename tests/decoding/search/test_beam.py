"""Beam searches against brute force, slow references, hand-computed texts and transformers."""

from itertools import permutations, product
from math import exp, inf, log, nan, prod

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from decoding.search.slow import (
    Chain,
    State,
    Table,
    Text,
    ln_p,
    lstm,
    rngs,
    slow_beam,
    slow_stop,
    text_of,
)
from recurrence.cores import kneser_ney, unigram
from recurrence.decoding.filters.contract import Stateless
from recurrence.decoding.loop.sampling import Sampler
from recurrence.decoding.search import picks
from recurrence.decoding.search.beam import Beam, DiverseBeam, StochasticBeam
from recurrence.decoding.search.endings import Through
from recurrence.decoding.search.hypotheses import GRAIN_NATS, Growth, Hypotheses, rounded
from recurrence.decoding.search.picks import Diverse, Stochastic, conditioned, noise
from recurrence.errors import RecurrenceError

#   B = rows, P = prompts, W = hypotheses of each, V = vocabulary, T = tokens


class TestBeam:
    @given(st.integers(0, 10**6), st.integers(1, 4))
    @settings(max_examples=25, deadline=None)
    def test_wide_enough_it_finds_the_best_of_all_texts(self, seed: int, length: int) -> None:
        model = Table(seed)
        after = ln_p(model, (0, 2))
        best = max(
            product(range(3), repeat=length),
            key=lambda x: sum(after(x[:t])[x[t]] for t in range(length)),
        )
        made = Beam("beam", width=3**length).find(model, [(0, 2)], length, rngs(1))
        assert tuple(made.ids_BT[0].tolist()) == best
        assert made.logprob_B.item() == pytest.approx(
            sum(after(best[:t])[best[t]] for t in range(length))
        )

    @given(st.integers(0, 10**6), st.integers(1, 5), st.booleans(), st.sampled_from([None, 2]))
    @settings(max_examples=60, deadline=None)
    def test_is_the_slow_reference_also_with_ties(
        self, seed: int, width: int, whole: bool, context: int | None
    ) -> None:
        model = Table(seed, context=context, whole=whole)
        (score, text), *_ = slow_beam(ln_p(model, (1, 0, 2)), width, 6)[0]
        made = Beam("beam", width=width).find(model, [(1, 0, 2)], 6, rngs(1))
        assert tuple(made.ids_BT[0].tolist()) == text
        assert made.logprob_B.item() == pytest.approx(score / 2**32, abs=1e-8)

    def test_width_one_is_greedy(self) -> None:
        model = lstm()
        prompts = [(1, 2, 3), (4, 5, 6)]
        greedy = Sampler("greedy", deterministic=True).generate(model, prompts, 40, rngs(2))
        assert Beam("beam", width=1).generate(model, prompts, 40, rngs(2)).equal(greedy)

    def test_tokens_in_another_order_tie(self) -> None:
        """With a unigram model every order is as good; the lowest (beam, token) wins."""
        model = unigram.Counted(torch.tensor([40, 40, 5]))
        assert text_of(Beam("beam", width=4), model, (2,), 12) == (0,) * 12

    def test_rounded_scores_add_up_alike_in_any_order(self) -> None:
        raw = torch.rand(300, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).log()
        scores = rounded(raw)
        assert sum(scores.tolist()) == sum(scores.flip(0).tolist()) != sum(raw.tolist())
        assert sum(raw.tolist()) != sum(raw.flip(0).tolist())
        assert (scores - raw).abs().max() <= GRAIN_NATS / 2
        assert rounded(torch.tensor([-inf])).item() == -inf

    def test_a_planted_cycle_is_followed(self) -> None:
        after = [[0.02] * 5 for _ in range(5)]
        for i in range(5):
            after[i][(i + 1) % 5] = 0.92
        assert text_of(Beam("beam", width=4), Chain(after), (3,), 12) == (
            4,
            0,
            1,
            2,
            3,
            4,
            0,
            1,
            2,
            3,
            4,
            0,
        )

    def test_the_best_text_leaves_its_loop_at_the_end(self) -> None:
        """0 again costs ln .6; 1 2 3 costs ln .4 and then nothing, until 3 goes anywhere."""
        chain = Chain(
            [[0.6, 0.4, *[0] * 6], [0, 0, 1, *[0] * 5], [0, 0, 0, 1, *[0] * 4], *[[0.125] * 8] * 5]
        )
        assert text_of(Beam("beam", width=4), chain, (0,), 50) == (0,) * 47 + (1, 2, 3)
        assert text_of(Beam("beam", width=1), chain, (0,), 50) == (0,) * 50

    def test_a_counted_model_works(self) -> None:
        model = kneser_ney.Counted.count(np.array([0, 1, 2, 3] * 20), 5, order=3)
        assert text_of(Beam("beam", width=3), model, (0, 1), 7) == (2, 3, 0, 1, 2, 3, 0)

    def test_banned_ids_and_filters_narrow_every_hypothesis(self) -> None:
        """Two ids of five are left: the best text of those, while logprob is the model's own."""
        model = Table(3, size=5)

        def without_four(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
            return logits_BV.index_fill(1, torch.tensor([4]), -inf)

        after = ln_p(model, (0,))

        def narrowed(text: Text) -> list[float]:
            raw_V = torch.tensor(after(text), dtype=torch.float64)
            return raw_V.index_fill(0, torch.tensor([0, 2, 4]), -inf).log_softmax(0).tolist()

        best = max(
            product((1, 3), repeat=5), key=lambda x: sum(narrowed(x[:t])[x[t]] for t in range(5))
        )
        made = Beam("beam", (Stateless(without_four),), (0, 2), width=32).find(
            model, [(0,)], 5, rngs(1)
        )
        assert tuple(made.ids_BT[0].tolist()) == best
        assert made.logprob_B.item() == pytest.approx(
            sum(after(best[:t])[best[t]] for t in range(5))
        )
        assert made.rescued_B.tolist() == [0]

    @pytest.mark.parametrize("uses_history", [True, False])
    def test_filters_see_the_text_of_their_hypothesis(self, uses_history: bool) -> None:
        """No token twice in a text of five; without uses_history a filter sees the end alone."""
        shown = []

        def unseen(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
            shown.append(history_BT.shape[1])
            return logits_BV.scatter(1, history_BT, -inf)

        model = Table(8, size=6)
        after = ln_p(model, (5,))
        made = text_of(Beam("beam", (Stateless(unseen, uses_history),), width=200), model, (5,), 5)
        assert shown == ([1, 2, 3, 4, 5] if uses_history else [1] * 5)
        if uses_history:

            def narrowed(text: Text) -> list[float]:
                left_V = (
                    torch.tensor(after(text)).double().index_fill(0, torch.tensor([5, *text]), -inf)
                )
                return left_V.log_softmax(0).tolist()

            orders = permutations(range(5))
            assert made == max(orders, key=lambda x: sum(narrowed(x[:t])[x[t]] for t in range(5)))

    def test_a_hypothesis_with_nothing_left_is_rescued_and_counted(self) -> None:
        def nothing_after_one(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
            return torch.where(history_BT[:, -1:] == 1, -inf, logits_BV)

        chain = Chain([[0, 1, 0], [1, 0, 0], [0, 0, 1]])
        made = Beam("beam", (Stateless(nothing_after_one, True),), width=2).find(
            chain, [(0,), (2,)], 5, rngs(2)
        )
        assert made.ids_BT.tolist() == [[1, 0, 1, 0, 1], [2] * 5]
        assert made.rescued_B.tolist() == [2, 0]
        assert made.logprob_B.tolist() == [0, 0]

    @pytest.mark.parametrize("seed", range(8))
    def test_the_count_of_rescues_goes_with_its_hypothesis(self, seed: int) -> None:
        def nothing_after_one(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
            return torch.where(history_BT[:, -1:] == 1, -inf, logits_BV)

        made = Beam("beam", (Stateless(nothing_after_one, True),), width=4).find(
            Table(seed), [(0,)], 12, rngs(1)
        )
        assert made.rescued_B.item() == made.ids_BT[0, :-1].tolist().count(1)

    def test_tells_of_every_step(self) -> None:
        told: list[int] = []
        Beam("beam", width=2).find(Table(1), [(0,), (1,), (0, 1)], 3, rngs(3), told.append)
        assert sum(told) == 9

    def test_says_where_the_model_yields_no_numbers(self) -> None:
        class Overflowing(Chain):
            def forward(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
                return super().forward(ids_BT, state)[0] + torch.where(ids_BT == 1, nan, 0.0)[
                    ..., None
                ], state

        model = Overflowing([[0, 1.0], [1.0, 0]])
        with pytest.raises(RecurrenceError, match="probabilities are not numbers"):
            Beam("beam").find(model, [(1,)], 3, rngs(1))
        with pytest.raises(RecurrenceError, match="stopped being numbers in 1 of 1"):
            Beam("beam").find(model, [(0,)], 3, rngs(1))
        with pytest.raises(RecurrenceError, match="prompt is empty"):
            Beam("beam").find(model, [()], 3, rngs(1))


class TestStop:
    @given(
        st.integers(0, 10**6),
        st.integers(1, 4),
        st.sampled_from([0.0, 0.6, 1.0, 2.0]),
        st.booleans(),
    )
    @settings(max_examples=60, deadline=None)
    def test_is_the_slow_reference(self, seed: int, width: int, alpha: float, whole: bool) -> None:
        model = Table(seed, whole=whole)
        made = Beam("beam", width=width, length_penalty=alpha, eos=2).find(
            model, [(0, 1)], 7, rngs(1)
        )
        expected = slow_stop(ln_p(model, (0, 1)), width, 7, 2, alpha)
        assert made.ids_BT[0].tolist() == [*expected, *[0] * (7 - len(expected))]
        assert made.length_B.tolist() == [len(expected)]

    def test_a_length_penalty_prefers_longer_texts(self) -> None:
        """0 0 0 … at .9 each, or <eos> at .1: by p it ends as soon as it can, per token never."""
        chain = Chain([[0.9, 0.1], [0.5, 0.5]])
        lengths = [
            len(text_of(Beam("b", width=2, length_penalty=a, eos=1), chain, (0,), 40))
            for a in (0, 1)
        ]
        assert lengths == [1, 40]

    def test_through_goes_on_after_eos(self) -> None:
        chain = Chain([[0, 1, 0], [0, 0, 1], [1, 0, 0]])
        assert text_of(Beam("beam"), chain, (0,), 5) == (1, 2, 0, 1, 2)
        stopped = Beam("beam", eos=1).find(chain, [(0,), (1,)], 5, rngs(2))
        assert stopped.ids_BT.tolist() == [[1, 0, 0, 0, 0], [2, 0, 1, 0, 0]]
        assert stopped.length_B.tolist() == [1, 3]
        assert stopped.logprob_B.tolist() == [0, 0]

    @pytest.mark.parametrize(
        ("width", "alpha"), [(1, 1.0), (2, 1.0), (4, 0.0), (4, 1.0), (5, 2.0), (3, -1.0)]
    )
    @pytest.mark.parametrize("eos", [None, 6])
    def test_is_transformers_beam_search(self, width: int, alpha: float, eos: int | None) -> None:
        transformers = pytest.importorskip("transformers")
        torch.manual_seed(3)
        config = transformers.GPT2Config(
            vocab_size=7, n_positions=32, n_embd=16, n_layer=1, n_head=2, initializer_range=0.8
        )
        gpt2 = transformers.GPT2LMHeadModel(config).eval()
        prompts = [(1, 2, 3), (4, 4, 0), (5, 1, 1), (0, 2, 5), (3, 3, 3), (2, 0, 4)]
        theirs = gpt2.generate(
            torch.tensor(prompts),
            attention_mask=torch.ones(len(prompts), 3, dtype=torch.int64),
            num_beams=width,
            do_sample=False,
            max_new_tokens=20,
            length_penalty=alpha,
            early_stopping=False,
            eos_token_id=eos,
            pad_token_id=eos,
        )[:, 3:]
        found = Beam("beam", width=width, length_penalty=alpha, eos=eos)
        ours = found.find(Window(gpt2, 7, 32), prompts, 20, rngs(6))
        for text, row in zip(ours.rows(), theirs, strict=True):
            assert text.tolist() == row[: len(text)].tolist()
            assert set(row[len(text) :].tolist()) <= {eos}


class Window(nn.Module):
    """A model of transformers as a window model: it reads the whole text at every step."""

    def __init__(self, model: nn.Module, vocab_size: int, context: int) -> None:
        super().__init__()
        self.model, self.vocab_size, self.context = model, vocab_size, context

    def initial_state(self, lanes: int) -> State:
        return ()

    def forward(self, ids_BT: Tensor, state: State) -> tuple[Tensor, State]:
        return self.model(ids_BT).logits[:, -1], state


class TestDiverseBeam:
    @given(
        st.integers(0, 10**6),
        st.sampled_from([(1, 1), (2, 2), (4, 2), (6, 3), (4, 4)]),
        st.booleans(),
    )
    @settings(max_examples=60, deadline=None)
    def test_is_the_slow_reference(self, seed: int, shape: tuple[int, int], whole: bool) -> None:
        width, groups = shape
        model = Table(seed, whole=whole)
        (_, text), *_ = slow_beam(ln_p(model, (1,)), width, 5, groups, penalty=0.5)[0]
        assert (
            text_of(DiverseBeam("d", width=width, groups=groups, penalty=0.5), model, (1,), 5)
            == text
        )

    def test_without_a_penalty_every_group_is_a_plain_beam(self) -> None:
        total_PWV = torch.randn(
            3, 6, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64
        )
        places = Diverse(3, 0.0)(total_PWV)
        for g in range(3):
            assert (places[:, 2 * g : 2 * g + 2] - 14 * g).equal(
                picks.best(total_PWV[:, 2 * g : 2 * g + 2])
            )

    def test_without_a_penalty_it_finds_what_a_beam_of_a_groups_width_finds(self) -> None:
        model = lstm()
        prompts = [(1, 2, 3), (4, 5, 6), (0, 0, 1)]
        plain = Beam("beam", width=3).find(model, prompts, 30, rngs(3))
        diverse = DiverseBeam("d", width=9, groups=3, penalty=0.0).find(model, prompts, 30, rngs(3))
        assert diverse.ids_BT.equal(plain.ids_BT)

    def test_groups_shun_what_was_just_taken(self) -> None:
        """ln p: -1, -1.2, -3. Two earlier groups took 0; it then costs -1 - .3, more than 1."""
        total_PWV = torch.tensor([[[-1.0, -1.2, -3.0]] * 4], dtype=torch.float64)
        assert (Diverse(4, 0.15)(total_PWV) % 3).tolist() == [[0, 0, 1, 0]]

    def test_a_free_seat_takes_nothing(self) -> None:
        """The first group has one text, token 0; its second seat, for token 1, costs nothing."""
        total_PWV = torch.full((1, 4, 3), -inf, dtype=torch.float64)
        total_PWV[0, 0, 0] = -1
        total_PWV[0, 2] = torch.tensor([-9.0, -1.0, -1.1])
        assert (Diverse(2, 5.0)(total_PWV)[0, [0, 2, 3]] % 3).tolist() == [0, 1, 2]


def every_text(chain: Chain, prompt: int, length: int) -> dict[Text, float]:
    """The probability of each text."""
    p = chain.ln_p_VV.exp().tolist()
    return {
        x: prod(p[before][after] for before, after in zip((prompt, *x), x, strict=False))
        for x in product(range(chain.vocab_size), repeat=length)
    }


def without_replacement(p: dict[Text, float], count: int) -> dict[tuple[Text, ...], float]:
    """The probability of every ordered draw of `count` texts."""
    drawn = {}
    for texts in permutations([x for x in p if p[x]], count):
        left, chance = 1.0, 1.0
        for x in texts:
            chance *= p[x] / left
            left -= p[x]
        drawn[texts] = chance
    return drawn


RANDOM_CHAIN = Chain([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8], [0.6, 0.4, 0.0]])


class TestStochasticBeam:
    def test_texts_are_drawn_without_replacement(self) -> None:
        """6,000 beams of 3: how often each ordered draw occurs, against exact enumeration."""
        count, length = 6000, 2
        uniform = noise(rngs(count, "draws"), (length, 3, 3), torch.device("cpu"))
        through = Through(Stochastic(uniform))
        running = Hypotheses.start(count, 3, 3, torch.device("cpu"))
        texts = torch.zeros(count, 3, 0, dtype=torch.int64)
        last = torch.zeros(count, 3, dtype=torch.int64)
        for _ in range(length):
            own_PWV = RANDOM_CHAIN.ln_p_VV[last]
            growth = Growth(running, running.score[..., None] + own_PWV, own_PWV, running.rescued)
            running = through.step(growth)
            last = running.token
            texts = torch.cat(
                [texts.gather(1, running.parent[..., None].expand_as(texts)), last[..., None]], 2
            )
        found: dict[tuple[Text, ...], int] = {}
        for row in texts.tolist():
            key = tuple(map(tuple, row))
            found[key] = found.get(key, 0) + 1
        expected = without_replacement(every_text(RANDOM_CHAIN, 0, length), 3)
        assert set(found) <= set(expected)
        assert sum(expected.values()) == pytest.approx(1)
        for draws, p in expected.items():
            assert abs(found.get(draws, 0) - count * p) <= 4.5 * (count * p * (1 - p)) ** 0.5 + 1
        for x in every_text(RANDOM_CHAIN, 0, length):  # the inclusion probabilities, more sharply
            p = sum(chance for draws, chance in expected.items() if x in draws)
            occurs = sum(times for draws, times in found.items() if x in draws)
            assert abs(occurs - count * p) <= 4 * (count * p * (1 - p)) ** 0.5

    def test_the_likeliest_of_those_drawn_wins(self) -> None:
        count = 4000
        p = every_text(RANDOM_CHAIN, 0, 3)
        expected: dict[Text, float] = {}
        for draws, chance in without_replacement(p, 2).items():
            winner = max(draws, key=p.__getitem__)
            expected[winner] = expected.get(winner, 0) + chance
        made = StochasticBeam("s", width=2).find(
            RANDOM_CHAIN, [(0,)] * count, 3, rngs(count, "best")
        )
        found = list(map(tuple, made.ids_BT.tolist()))
        # texts of one probability share a place: .5 * .3 * .8 and the like
        for level in {round(p[x], 12) for x in expected}:
            same = [x for x in p if round(p[x], 12) == level]
            chance = sum(expected.get(x, 0) for x in same)
            occurs = sum(found.count(x) for x in same)
            assert abs(occurs - count * chance) <= 4 * (count * chance * (1 - chance)) ** 0.5 + 1
        assert made.logprob_B[0].item() == pytest.approx(log(p[found[0]]))

    def test_width_one_is_a_plain_sample(self) -> None:
        count = 4000
        made = StochasticBeam("s", width=1).find(
            RANDOM_CHAIN, [(0,)] * count, 2, rngs(count, "one")
        )
        found = list(map(tuple, made.ids_BT.tolist()))
        for x, p in every_text(RANDOM_CHAIN, 0, 2).items():
            assert abs(found.count(x) - count * p) <= 4 * (count * p * (1 - p)) ** 0.5

    def test_conditioned_gumbels_keep_their_order_below_the_top(self) -> None:
        gumbel = torch.tensor(
            [[[1.0, 3.0, 2.0, -inf], [-700.0, -701.0, -900.0, -700.5]]], dtype=torch.float64
        )
        moved = conditioned(gumbel, torch.tensor([[-5.0, -20.0]], dtype=torch.float64))
        # -ln(e^5 - e^-3 + e^-g), by hand
        for g, m in zip(gumbel[0, 0, :3].tolist(), moved[0, 0, :3].tolist(), strict=True):
            assert m == pytest.approx(-log(exp(5) - exp(-3) + exp(-g)))
        assert moved[0, 0, 3].item() == -inf
        assert moved[0, 1].argsort(descending=True).tolist() == [0, 3, 1, 2]
        assert moved[0, 1, 0].item() == -20
        assert moved.isfinite().sum().item() == 7

    def test_does_not_depend_on_how_far_ahead_noise_is_drawn(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model, found = lstm(), StochasticBeam("s", width=3)
        far = found.generate(model, [(1, 2)] * 3, 30, rngs(3))
        monkeypatch.setattr(picks, "NOISE_CELLS", 1)
        assert found.generate(model, [(1, 2)] * 3, 30, rngs(3)).equal(far)

    def test_is_another_text_with_another_generator(self) -> None:
        made = StochasticBeam("s", width=2).generate(lstm(), [(1, 2)] * 8, 20, rngs(8))
        assert len(set(map(tuple, made.tolist()))) == 8
