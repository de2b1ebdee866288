"""Exact scores do not depend on how they are computed, and are what a plain loop gives."""

import copy
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from pretended import GPU, PretendedGpu
from recurrence import params, scoring
from recurrence.cores import kneser_ney, unigram
from recurrence.errors import RecurrenceError
from recurrence.model import LanguageModel, build_model
from recurrence.scoring import Score, exact, token_scores

VOCAB_SIZE = 11
IDS = np.random.default_rng(0).integers(0, VOCAB_SIZE, 500).astype(np.uint8)


def small(**fields: Any) -> LanguageModel:
    """An LSTM with weights large enough to remember for long."""
    block = params.Model(
        corpus="c", name="m", core="lstm", layers=2, embedding=6, hidden=8, **fields
    )
    torch.manual_seed(0)
    model = build_model(block, VOCAB_SIZE).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(3)
    return model


def one_by_one(model: Any, ids: NDArray[Any]) -> tuple[NDArray[np.float64], list[int]]:
    """ln p of every token but the first, and the likeliest one there, a forward per token."""
    log_probs, predicted, state = [], [], model.initial_state(1)
    for t in range(1, len(ids)):
        start = t - 1 if model.context is None else max(0, t - model.context)
        with torch.no_grad():
            logits, state = model(torch.from_numpy(ids[None, start:t].astype(np.int64)), state)
        log_p_V = logits.flatten().log_softmax(-1)
        log_probs.append(float(log_p_V[ids[t]]))
        predicted.append(int(log_p_V.argmax()))
    return np.array(log_probs), predicted


class Adder(torch.nn.Module):
    """Never forgets: its state is the sum of all ids so far, and decides what it predicts."""

    vocab_size, context = VOCAB_SIZE, None

    def initial_state(self, lanes: int) -> tuple[Tensor, ...]:
        return (torch.zeros(1, lanes, 1),)

    def forward(
        self, ids_BT: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        sums_BT = state[0][0] + ids_BT.cumsum(1)
        favourite_BT = sums_BT.long() % VOCAB_SIZE
        logits_BTV = 3.0 * torch.nn.functional.one_hot(favourite_BT, VOCAB_SIZE).float()
        return logits_BTV, (sums_BT[None, :, -1:].clone(),)


@pytest.mark.parametrize("lanes", [1, 3, 7, 64, 499, 5000])
@pytest.mark.parametrize("model", [small(), Adder().eval()], ids=["lstm", "adder"])
def test_carried_state_gives_the_single_pass_whatever_the_lanes(
    model: Any, lanes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scoring, "SHORTEST_LEG", 16)
    scores, (log_probs, predicted) = token_scores(model, IDS, lanes=lanes), one_by_one(model, IDS)
    np.testing.assert_allclose(scores.log_probs, log_probs, atol=2e-6)
    assert scores.predicted.tolist() == predicted
    assert scores.hits.tolist() == [
        a == b for a, b in zip(predicted, IDS[1:].tolist(), strict=True)
    ]


def test_lanes_that_agree_already_are_not_run_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that forgets at once costs one leg of a second round, not a second pass."""
    ran: list[int] = []

    def forgetful(ids_BT: Tensor, state: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        ran.append(ids_BT.numel())
        return torch.zeros(*ids_BT.shape, VOCAB_SIZE), state

    monkeypatch.setattr(scoring, "SHORTEST_LEG", 10)
    model = Adder().eval()
    monkeypatch.setattr(model, "forward", forgetful)
    exact(model, IDS[:401], lanes=4)  # type: ignore[arg-type]
    assert ran == [40] * 10 + [30]


@pytest.mark.parametrize("context", [1, 3, 8])
def test_a_window_model_sees_so_many_tokens_and_fewer_at_the_start(context: int) -> None:
    model = small(context=context)
    scores, (log_probs, predicted) = token_scores(model, IDS), one_by_one(model, IDS)
    np.testing.assert_allclose(scores.log_probs, log_probs, atol=2e-6)
    assert scores.predicted.tolist() == predicted


@pytest.mark.gpu
@pytest.mark.parametrize("context", [None, 3])
def test_a_gpu_scores_as_the_cpu_does(context: int | None) -> None:
    model = small(context=context)
    here = token_scores(model, IDS)
    with PretendedGpu():
        there = token_scores(copy.deepcopy(model).to(GPU), IDS, device=GPU)
    np.testing.assert_allclose(there.log_probs, here.log_probs, atol=2e-6)
    assert there.predicted.tolist() == here.predicted.tolist()


@pytest.mark.parametrize("context", [None, 3])
def test_memory_bounds_change_nothing(context: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    model = small(context=context)
    whole = exact(model, IDS, lanes=5)
    monkeypatch.setattr(scoring, "MOST_LOGITS", 7 * VOCAB_SIZE)
    in_pieces = exact(model, IDS, lanes=5)
    assert in_pieces.total_nats == pytest.approx(whole.total_nats, abs=1e-4)
    assert (in_pieces.targets, in_pieces.correct) == (499, whole.correct)


@pytest.mark.parametrize("length", [2, 3, 4])
@pytest.mark.parametrize("context", [None, 3])
def test_the_shortest_streams(context: int | None, length: int) -> None:
    model = small(context=context)
    assert exact(model, IDS[:length]).total_nats == pytest.approx(
        -one_by_one(model, IDS[:length])[0].sum(), abs=1e-5
    )


@pytest.mark.parametrize("kind", [unigram.Counted, kneser_ney.Counted])
def test_counted_models_score_as_their_logits_say(kind: Any) -> None:
    model = kind.count(IDS, VOCAB_SIZE)
    other = np.roll(IDS, 7)[:200]
    score, (log_probs, predicted) = exact(model, other), one_by_one(model, other)
    assert score.total_nats == pytest.approx(-log_probs.sum(), rel=1e-6)
    assert score.correct == np.sum(np.array(predicted) == other[1:])
    assert token_scores(model, other).predicted.tolist() == predicted


def test_of_equal_logits_the_lowest_id_is_the_prediction(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Adder().eval()
    monkeypatch.setattr(
        model, "forward", lambda ids, state: (torch.zeros(*ids.shape, VOCAB_SIZE), state)
    )
    score = exact(model, np.array([5, 0, 1, 0, 2]))  # type: ignore[arg-type]
    assert (score.correct, score.targets) == (2, 4)
    assert score.nats == pytest.approx(math.log(VOCAB_SIZE))


def test_figures_by_hand() -> None:
    # 8 tokens at probability 1/4 are 16 bits; they stand for 10 characters
    score = Score(total_nats=8 * math.log(4), targets=8, correct=6)
    expected = {
        "nats": math.log(4),
        "bits_per_char": 1.6,
        "perplexity": 4.0,
        "accuracy": 0.75,
        "tokens": 8,
    }
    assert score.figures(10) == pytest.approx(expected)


def test_what_cannot_be_scored_is_named() -> None:
    with pytest.raises(RecurrenceError, match="at least 2 tokens to score, got 1"):
        exact(small(), IDS[:1])
    with pytest.raises(RecurrenceError, match="below the model's vocabulary of 11, got 11"):
        exact(small(), np.array([0, 11]))


def history() -> pd.DataFrame:
    rows = [
        (0, "ordered", 1.9, 0.4),
        (0, "ordered", 1.5, 0.5),
        (1, "ordered", 1.7, 0.45),
        (1, "as_notebook", 1.2, 0.6),
    ]
    return pd.DataFrame(rows, columns=["seed", "protocol", "valid_nats", "valid_accuracy"])


def test_as_notebook_is_the_last_row_of_the_notebooks_own_split_if_there_is_one() -> None:
    assert scoring.as_notebook(history(), 0) == {"nats": 1.5, "accuracy": 0.5}
    assert scoring.as_notebook(history(), 1) == {"nats": 1.2, "accuracy": 0.6}
    assert scoring.as_notebook(history()[:0], 0) is None


def test_mean_and_spread_over_seeds_by_hand() -> None:
    one, two = (
        {"nats": 1.0, "accuracy": 0.5, "tokens": 9},
        {"nats": 3.0, "accuracy": 0.5, "tokens": 9},
    )
    expected = {
        "nats": 2.0,
        "nats_sd": math.sqrt(2),
        "accuracy": 0.5,
        "accuracy_sd": 0.0,
        "tokens": 9,
    }
    assert scoring.mean([one, two]) == pytest.approx(expected)
    assert scoring.mean([one])["nats_sd"] is None


def test_delta_is_ours_minus_the_notebooks() -> None:
    ours = {"nats": 1.5, "accuracy": 0.5}
    assert scoring.delta(ours, {"nats": 1.25, "accuracy": 0.75}) == {
        "nats": 0.25,
        "accuracy": -0.25,
    }
    assert scoring.delta(ours, {"nats": 1.25, "accuracy": None}) == {"nats": 0.25, "accuracy": None}
    assert scoring.delta(None, ours) is scoring.delta(ours, None) is None


def test_size_is_parameters_or_counts() -> None:
    assert scoring.size(unigram.Counted.count(IDS, VOCAB_SIZE)) == VOCAB_SIZE
    # embedding 11x6; LSTM layers 4x8x(6+8+2) and 4x8x(8+8+2); head 11x8 + 11
    assert scoring.size(small()) == 66 + 512 + 576 + 99
