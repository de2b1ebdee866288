from collections.abc import Sequence
from functools import cache
from math import inf
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from decoding.search.slow import (
    State,
    ln_p,
    lstm,
    rngs,
    text_of,
)
from recurrence.cores import kneser_ney, unigram
from recurrence.decoding.filters.contract import Stateless
from recurrence.decoding.loop.samples import Prompt
from recurrence.decoding.loop.sampling import Sampler
from recurrence.decoding.search.contrastive import ContrastiveSearch
from recurrence.errors import RecurrenceError

#   B = rows, P = prompts, W = hypotheses of each, V = vocabulary, T = tokens


class Placed(nn.Module):
    """Each token has a fixed place as its features, and the same probabilities after it."""

    context = None

    def __init__(self, places: Sequence[Sequence[float]], p: Sequence[float]) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.tensor(places, dtype=torch.float64), requires_grad=False)
        self.ln_p_V, self.vocab_size = torch.tensor(p, dtype=torch.float64).log(), len(p)
        self.core = SimpleNamespace(output_size=len(places[0]))

    def initial_state(self, lanes: int) -> State:
        return ()

    def features(self, ids_BT: Tensor, state: State) -> tuple[Tensor, Tensor, State]:
        return self.places[ids_BT], self.places[ids_BT], state

    def logits(self, features: Tensor) -> Tensor:
        return self.ln_p_V.expand(*features.shape[:-1], -1)


def slow_contrastive(
    model: nn.Module, prompt: Prompt, length: int, k: int, alpha: float
) -> list[int]:
    """From the definition, reading everything again for every feature."""

    @cache
    def feature(text: Prompt) -> Tensor:
        ids_1T = torch.tensor([text])[:, -(model.context or 0) :]
        return model.features(ids_1T, model.initial_state(1))[0][0, -1]

    text = prompt
    for _ in range(length):
        p_V = model.logits(feature(text)).softmax(0)
        past = [feature(text[: t + 1]) for t in range(len(text))]
        scores = {
            v: (1 - alpha) * p_V[v].item()
            - alpha
            * max(torch.cosine_similarity(feature((*text, v)), h, dim=0).item() for h in past)
            for v in p_V.topk(k).indices.tolist()
        }
        text = (*text, max(scores, key=lambda v: scores[v]))
    return list(text[len(prompt) :])


class TestContrastiveSearch:
    def test_by_hand(self) -> None:
        """Places (1,0), (0,1), (.6,.8), (-1,0); p .5 .3 .15 .05; k 3, alpha .5; the prompt is 0.

        Step 1: 0: .25 - .5 = -.25.   1: .15 - 0 = .15.          2: .075 - .3 = -.225.  So 1. Step
        2: 0: -.25.              1: .15 - .5 = -.35.        2: .075 - .4 = -.325.  So 0, and so on
        for ever. With k 4 the first choice is 3: .025 + .5.
        """
        model = Placed([(1, 0), (0, 1), (0.6, 0.8), (-1, 0)], [0.5, 0.3, 0.15, 0.05])
        assert text_of(ContrastiveSearch("c", k=3, alpha=0.5), model, (0,), 3) == (1, 0, 0)
        assert text_of(ContrastiveSearch("c", k=4, alpha=0.5), model, (0,), 2) == (3, 1)
        assert text_of(ContrastiveSearch("c", k=9, alpha=0.5), model, (0,), 2) == (3, 1)

    @pytest.mark.parametrize(("k", "alpha"), [(4, 0.6), (2, 0.3), (11, 0.9)])
    @pytest.mark.parametrize("context", [None, 3])
    def test_is_the_slow_reference(self, k: int, alpha: float, context: int | None) -> None:
        model = lstm(context)
        prompts: list[Prompt] = [(1, 2, 3, 4, 5), (6,), (0, 0, 7, 1, 3), (9, 9)]
        made = ContrastiveSearch("c", k=k, alpha=alpha).find(model, prompts, 20, rngs(4))
        with torch.inference_mode():
            for prompt, ids, logprob in zip(
                prompts, made.ids_BT.tolist(), made.logprob_B.tolist(), strict=True
            ):
                assert ids == slow_contrastive(model, prompt, 20, k, alpha)
                after = ln_p(model, prompt)
                assert logprob == pytest.approx(
                    sum(after(tuple(ids[:t]))[ids[t]] for t in range(20))
                )

    def test_alpha_zero_is_greedy(self) -> None:
        model = lstm()
        greedy = Sampler("greedy", deterministic=True).generate(
            model, [(1, 2), (3, 3)], 40, rngs(2)
        )
        assert (
            ContrastiveSearch("c", k=4, alpha=0.0)
            .generate(model, [(1, 2), (3, 3)], 40, rngs(2))
            .equal(greedy)
        )

    def test_of_equals_the_lowest_id(self) -> None:
        model = Placed([(1, 0)] * 3, [0.1, 0.2, 0.7])
        assert text_of(ContrastiveSearch("c", k=2, alpha=1.0), model, (0,), 2) == (1, 1)

    def test_what_filters_remove_is_no_candidate(self) -> None:
        """Token 3, unlike all others, would win, were it not banned; of 1 and 2 only 1 is left."""

        def without_two(logits_BV: Tensor, history_BT: Tensor) -> Tensor:
            return logits_BV.index_fill(1, torch.tensor([2]), -inf)

        model = Placed([(1, 0), (0, 1), (-0.6, 0.8), (-1, 0)], [0.5, 0.3, 0.15, 0.05])
        found = ContrastiveSearch("c", (Stateless(without_two),), (3, 0), k=4, alpha=1.0)
        made = found.find(model, [(0,)], 4, rngs(1))
        assert made.ids_BT.tolist() == [[1, 1, 1, 1]]
        assert made.rescued_B.tolist() == [0]

    @pytest.mark.parametrize(
        "model",
        [
            unigram.Counted(torch.tensor([3, 4])),
            kneser_ney.Counted.count(np.array([0, 1] * 9), 2, order=2),
        ],
    )
    def test_refuses_a_model_that_counts(self, model: nn.Module) -> None:
        with pytest.raises(
            RecurrenceError, match="strategy calm: contrastive search compares .* hidden states"
        ):
            ContrastiveSearch("calm").find(model, [(0,)], 4, rngs(1))
