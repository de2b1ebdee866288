"""What every model that counts must do, and the two simplest by hand."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from recurrence.cores import kneser_ney, uniform, unigram
from recurrence.errors import RecurrenceError
from recurrence.model.counting import CountedModel

KINDS: list[type[CountedModel]] = [uniform.Counted, unigram.Counted, kneser_ney.Counted]
VOCAB_SIZE = 9
TRAIN = np.random.default_rng(0).integers(0, 7, 400).astype(np.uint8)
OTHER = np.random.default_rng(1).integers(0, VOCAB_SIZE, 80).astype(np.uint8)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__module__.rpartition(".")[2])
def model(request: pytest.FixtureRequest) -> CountedModel:
    counted: CountedModel = request.param.count(TRAIN, VOCAB_SIZE)
    return counted


def test_forward_gives_log_probabilities_for_contexts_of_every_length(model: CountedModel) -> None:
    assert model.initial_state(3) == ()
    for length in range(1, model.context + 1):
        ids_BT = torch.from_numpy(OTHER[: 3 * length].reshape(3, length).astype(np.int64))
        logits_BV, state = model(ids_BT, ())
        assert state == ()
        assert logits_BV.shape == (3, VOCAB_SIZE)
        assert logits_BV.dtype == torch.float32
        torch.testing.assert_close(logits_BV.logsumexp(-1), torch.zeros(3), rtol=0, atol=1e-6)


def test_a_stream_is_scored_as_its_windows_one_by_one(model: CountedModel) -> None:
    for t in range(1, len(OTHER)):
        p_V = model.distributions(OTHER[None, max(0, t - model.context) : t])[0]
        assert model.token_log_probs(OTHER)[t - 1] == pytest.approx(
            np.log(p_V[OTHER[t]]), rel=1e-12
        )
        assert model.likeliest(OTHER)[t - 1] == p_V.argmax()


def test_rows_are_independent(model: CountedModel) -> None:
    ids_BT = OTHER[: 8 * model.context].reshape(8, model.context)
    alone = np.concatenate([model.distributions(row[None]) for row in ids_BT])
    np.testing.assert_array_equal(model.distributions(ids_BT), alone)


def test_nothing_has_probability_zero(model: CountedModel) -> None:
    """Ids 7 and 8 were never seen."""
    assert np.isfinite(model.token_log_probs(np.array([7, 8, 7, 0, 8]))).all()


def test_goes_through_safetensors(model: CountedModel, tmp_path: Path) -> None:
    save_file(model.state_dict(), tmp_path / "seed0.safetensors")
    again = type(model).from_state(load_file(tmp_path / "seed0.safetensors"), VOCAB_SIZE)
    np.testing.assert_array_equal(again.token_log_probs(OTHER), model.token_log_probs(OTHER))
    assert again.stored_counts == model.stored_counts


def test_an_unknown_option_is_named(model: CountedModel) -> None:
    with pytest.raises(RecurrenceError, match="has no 'ordr'"):
        model.count(TRAIN, VOCAB_SIZE, ordr=3)
    with pytest.raises(RecurrenceError, match="has no 'ordr'"):
        model.from_state(model.state_dict(), VOCAB_SIZE, ordr=3)


def test_uniform_by_hand() -> None:
    model = uniform.Counted.count(TRAIN, 4)
    np.testing.assert_allclose(model.token_log_probs(np.array([0, 1, 2])), [-np.log(4)] * 2)
    assert model.likeliest(np.array([3, 3])).tolist() == [0]  # of equals the lowest id
    assert model.stored_counts == 0


def test_unigram_by_hand() -> None:
    model = unigram.Counted.count(
        np.array([2, 2, 1]), 4
    )  # counts 0 1 2 0, one added to each: 1 2 3 1 of 7
    np.testing.assert_allclose(
        model.distributions(np.array([[0], [3]])), [[1 / 7, 2 / 7, 3 / 7, 1 / 7]] * 2
    )
    np.testing.assert_allclose(np.exp(model.token_log_probs(np.array([0, 3, 2]))), [1 / 7, 3 / 7])
    assert model.stored_counts == 4
