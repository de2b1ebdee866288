"""Reference nats are what a plain loop gives, alone or in any company, for every kind of reference
model.
"""

import copy
from typing import Any

import numpy as np
import pytest
import torch

from pretended import GPU, PretendedGpu
from recurrence import params, reference
from recurrence.cores import kneser_ney, unigram
from recurrence.errors import RecurrenceError
from recurrence.model import LanguageModel, build_model
from recurrence.reference import Text, nats_per_token

VOCAB_SIZE = 11
IDS = np.random.default_rng(0).integers(0, VOCAB_SIZE, 700).astype(np.uint8)
TEXTS = [Text(IDS[i : i + before], IDS[i + before : i + before + n]) for i, before, n in
         [(0, 8, 40), (50, 8, 40), (100, 3, 90), (200, 20, 1), (300, 0, 30), (400, 1, 250)]]  # fmt: skip


def net(**fields: Any) -> LanguageModel:
    block = params.Model(
        corpus="c", name="m", core="lstm", layers=2, embedding=6, hidden=8, **fields
    )
    torch.manual_seed(0)
    model = build_model(block, VOCAB_SIZE).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(3)
    return model


REFERENCES = {
    "lstm": net(),
    "window": net(context=5),
    "unigram": unigram.Counted.count(IDS, VOCAB_SIZE),
    "kneser_ney": kneser_ney.Counted.count(IDS, VOCAB_SIZE, order=3),
}


def one_by_one(model: Any, text: Text) -> float:
    """Mean nats of the text's tokens, a forward for each with all that is before it (or the model's
    context).
    """
    whole, nats = torch.from_numpy(text.whole), []
    for t in range(max(len(text.prompt), 1), len(whole)):
        start = 0 if model.context is None else max(0, t - model.context)
        with torch.no_grad():
            logits, _ = model(whole[None, start:t], model.initial_state(1))
        last_V = logits[0] if model.context else logits[0, -1]
        nats.append(-float(last_V.double().log_softmax(-1)[whole[t]]))
    return float(np.mean(nats))


@pytest.mark.parametrize("name", REFERENCES)
def test_a_price_is_what_a_plain_loop_gives(name: str) -> None:
    found = nats_per_token(REFERENCES[name], TEXTS)
    np.testing.assert_allclose(
        found, [one_by_one(REFERENCES[name], text) for text in TEXTS], atol=1.1e-5
    )
    np.testing.assert_array_equal(found, found.round(5))


@pytest.mark.gpu
@pytest.mark.parametrize("name", REFERENCES)
def test_a_gpu_gives_the_prices_of_the_cpu(name: str) -> None:
    model = REFERENCES[name]
    here = nats_per_token(model, TEXTS)
    with PretendedGpu():
        there = copy.deepcopy(model).to(GPU) if isinstance(model, LanguageModel) else model
        np.testing.assert_allclose(nats_per_token(there, TEXTS, GPU), here, atol=1.1e-5)


@pytest.mark.parametrize("name", REFERENCES)
def test_company_and_bounds_change_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    together = nats_per_token(REFERENCES[name], TEXTS)
    monkeypatch.setattr(reference, "ROWS", 2)
    monkeypatch.setattr(reference, "STEPS", 7)
    backwards = nats_per_token(REFERENCES[name], TEXTS[::-1])[::-1]
    np.testing.assert_allclose(together, backwards, atol=1.1e-5)
    np.testing.assert_allclose(
        together[2], nats_per_token(REFERENCES[name], TEXTS[2:3])[0], atol=1.1e-5
    )


def test_little_memory_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = nats_per_token(REFERENCES["lstm"], TEXTS)
    monkeypatch.setattr(reference, "MOST_LOGITS", VOCAB_SIZE)
    np.testing.assert_allclose(nats_per_token(REFERENCES["lstm"], TEXTS), whole, atol=1.1e-5)


def test_what_says_nothing_has_no_price() -> None:
    """The first token of all is predicted from nothing, so a text of one token without a prompt is
    not priced.
    """
    empty = IDS[:0]
    for model in REFERENCES.values():
        found = nats_per_token(
            model, [Text(IDS[:4], empty), Text(empty, IDS[:1]), Text(empty, empty), TEXTS[0]]
        )
        assert np.isnan(found).tolist() == [True, True, True, False]
    assert len(nats_per_token(REFERENCES["lstm"], [])) == 0


def test_it_tells_how_far_it_is() -> None:
    told: list[int] = []
    nats_per_token(REFERENCES["lstm"], TEXTS, tell=told.append)
    assert sum(told) == sum(len(text.whole) for text in TEXTS)


def test_a_judge_of_another_vocabulary_is_refused() -> None:
    with pytest.raises(
        RecurrenceError, match="below the reference model's vocabulary of 11, got 11"
    ):
        nats_per_token(REFERENCES["lstm"], [Text(IDS[:4], np.array([3, 11]))])
