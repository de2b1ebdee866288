"""What all searches promise, and the blocks that name them."""

import pytest

from decoding.search.slow import (
    ln_p,
    lstm,
    rngs,
)
from recurrence.decoding.filters.contract import Setting
from recurrence.decoding.filters.registry import FILTERS
from recurrence.decoding.loop.samples import Prompt
from recurrence.decoding.search import base
from recurrence.decoding.search.base import Search
from recurrence.decoding.search.beam import Beam, DiverseBeam, StochasticBeam
from recurrence.decoding.search.contrastive import ContrastiveSearch
from recurrence.decoding.search.registry import SEARCHES, SearchSetting
from recurrence.params import Tokens
from recurrence.vocab import Vocab

#   B = rows, P = prompts, W = hypotheses of each, V = vocabulary, T = tokens


ALL = [
    Beam("beam", width=3),
    Beam("stop", width=3, eos=4, banned=(0,)),
    DiverseBeam("diverse", width=4, groups=2),
    StochasticBeam("stochastic", width=3, window=3),
    ContrastiveSearch("contrastive", k=4, alpha=0.5),
]
PROMPTS: list[Prompt] = [(1, 2, 3), (5,), (4, 9, 2, 2, 7, 0, 1), (8, 8, 1), (10, 1, 3), (5,)]


class TestAll:
    @pytest.mark.parametrize("found", ALL, ids=lambda each: each.name)
    @pytest.mark.parametrize("context", [None, 3])
    def test_rows_are_the_same_alone_and_in_any_batch(
        self, found: Search, context: int | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model = lstm(context)
        together = found.find(model, PROMPTS, 25, rngs(len(PROMPTS)))
        assert together.ids_BT.shape == (len(PROMPTS), 25)
        for i, prompt in enumerate(PROMPTS):
            alone = found.find(model, [prompt], 25, [rngs(len(PROMPTS))[i]])
            assert alone.ids_BT[0].equal(together.ids_BT[i])
            assert alone.logprob_B.item() == pytest.approx(together.logprob_B[i].item())
            assert alone.length_B[0] == together.length_B[i]
        monkeypatch.setattr(base, "CHUNK_CELLS", 1)
        in_turns = found.find(model, PROMPTS, 25, rngs(len(PROMPTS)))
        assert in_turns.ids_BT.equal(together.ids_BT)

    @pytest.mark.parametrize("found", ALL, ids=lambda each: each.name)
    def test_logprob_is_the_models_own(self, found: Search) -> None:
        model = lstm()
        made = found.find(model, PROMPTS, 12, rngs(len(PROMPTS)))
        for prompt, text, logprob in zip(
            PROMPTS, made.rows(), made.logprob_B.tolist(), strict=True
        ):
            ids = tuple(text.tolist())
            if found.window is None:
                after = ln_p(model, prompt)
                assert logprob == pytest.approx(
                    sum(after(ids[:t])[ids[t]] for t in range(len(ids)))
                )

    def test_what_they_say_of_themselves(self) -> None:
        assert [each.deterministic for each in ALL] == [True, True, True, False, True]
        assert [each.uses_history for each in ALL] == [False, False, False, False, True]
        assert [each.width for each in ALL] == [3, 3, 4, 3, 4]


VOCAB = Vocab(("<unk>", "<eos>", "a", "b"), ("<unk>", "<eos>"), Tokens(unit="char"))
GIVEN = SearchSetting("mine", Setting(VOCAB), banned=(0,))


class TestFactories:
    def test_blocks_become_searches(self) -> None:
        beam = SEARCHES["beam"]({"width": 8, "length_penalty": 0.5, "eos": "stop"}, GIVEN)
        assert isinstance(beam, Beam)
        assert (beam.name, beam.width, beam.length_penalty, beam.eos, beam.banned) == (
            "mine",
            8,
            0.5,
            1,
            (0,),
        )
        assert SEARCHES["beam"](2, GIVEN).eos is None
        diverse = SEARCHES["diverse_beam"]({"width": 6, "penalty": 1}, GIVEN)
        assert (diverse.width, diverse.groups, diverse.penalty) == (6, 6, 1.0)
        assert not SEARCHES["stochastic_beam"](3, GIVEN).deterministic
        contrastive = SEARCHES["contrastive_search"]({"k": 7, "alpha": 0.4}, GIVEN)
        assert (contrastive.k, contrastive.alpha, contrastive.uses_history) == (7, 0.4, True)

    def test_a_vocabulary_without_eos_has_nothing_to_stop_at(self) -> None:
        vocab = Vocab(("a", "b"), (), Tokens(unit="char"))
        assert SEARCHES["beam"]({"eos": "stop"}, SearchSetting("mine", Setting(vocab))).eos is None

    @pytest.mark.parametrize(
        ("name", "value", "message"),
        [
            ("beam", {"widht": 3}, "beam has no setting 'widht'; did you mean 'width'"),
            ("beam", {"width": 0}, "beam.width must be a whole number of at least 1, got 0"),
            ("beam", {"length_penalty": "a"}, "beam.length_penalty must be a number"),
            ("beam", {"eos": "never"}, "beam.eos must be through or stop, got 'never'"),
            (
                "diverse_beam",
                {"width": 6, "groups": 4},
                "diverse_beam.groups must divide the width 6, got 4",
            ),
            ("diverse_beam", {"penalty": -1}, "diverse_beam.penalty must be"),
            ("stochastic_beam", None, "stochastic_beam.width must be"),
            ("contrastive_search", {"alpha": 1.5}, "contrastive_search.alpha must be"),
            ("contrastive_search", {"k": 1.5}, "contrastive_search.k must be"),
        ],
    )
    def test_wrong_values_are_named(self, name: str, value: object, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            SEARCHES[name](value, GIVEN)

    def test_stopping_at_a_banned_eos_is_refused(self) -> None:
        with pytest.raises(ValueError, match="to stop at <eos>, the strategy's allow must name it"):
            SEARCHES["beam"]({"eos": "stop"}, SearchSetting("mine", Setting(VOCAB), banned=(0, 1)))

    @pytest.mark.parametrize("name", SEARCHES)
    def test_filters_with_memory_are_refused(self, name: str) -> None:
        coin = FILTERS["xtc"](0.5, Setting(VOCAB))
        with pytest.raises(ValueError, match="memory or chance"):
            SEARCHES[name](3, SearchSetting("mine", Setting(VOCAB), filters=(coin,)))

    def test_contrastive_search_takes_no_window(self) -> None:
        with pytest.raises(ValueError, match="window must be null, got 8"):
            SEARCHES["contrastive_search"](3, SearchSetting("mine", Setting(VOCAB), window=8))
