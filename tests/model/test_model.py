import pytest
import torch

from recurrence import params
from recurrence.errors import RecurrenceError
from recurrence.model import build_model, core_module


def block(**changes: object) -> params.Model:
    sizes = {"corpus": "toy", "name": "toy", "core": "lstm", "embedding": 6, "hidden": 6}
    return params.Model.model_validate(sizes | changes)


def test_tied_weights_are_one_tensor() -> None:
    tied, free = build_model(block(tied=True), 11), build_model(block(), 11)
    assert (
        sum(p.numel() for p in free.parameters()) - sum(p.numel() for p in tied.parameters())
        == 11 * 6
    )
    ids = torch.tensor([[1, 2]])
    _, dropped, _ = tied.eval().features(ids, tied.initial_state(1))
    torch.testing.assert_close(
        tied.logits(dropped), dropped @ tied.embedding.weight.T + tied.head.bias
    )


def test_tying_needs_equal_widths() -> None:
    with pytest.raises(
        RecurrenceError,
        match=r"tied: the core's output \(8\) must be as wide as the embedding \(6\)",
    ):
        build_model(block(tied=True, hidden=8), 11)


def test_init_range_bounds_embedding_and_head() -> None:
    model = build_model(block(init_range=0.1), 11)
    assert model.embedding.weight.abs().max() <= 0.1 and model.head.weight.abs().max() <= 0.1


@pytest.mark.parametrize("place", ["embedding", "input", "output", "plain_between", "plain_output"])
def test_each_dropout_acts_in_training_only(place: str) -> None:
    torch.manual_seed(0)
    model = build_model(block(dropout={place: 0.5}, layers=2), 11)
    ids, state = torch.randint(11, (3, 9)), model.initial_state(3)
    assert not torch.allclose(model(ids, state)[0], model(ids, state)[0])
    model.eval()
    torch.testing.assert_close(model(ids, state)[0], model(ids, state)[0])


def test_raw_features_are_those_before_output_dropout() -> None:
    torch.manual_seed(0)
    model = build_model(block(dropout={"output": 0.5}), 11)
    raw, dropped, _ = model.features(torch.randint(11, (3, 9)), model.initial_state(3))
    kept = dropped != 0
    torch.testing.assert_close(dropped[kept], raw[kept] * 2)
    assert 0.2 < (~kept).float().mean() < 0.8


def test_sizes_must_be_given() -> None:
    with pytest.raises(RecurrenceError, match="embedding and hidden must be given"):
        build_model(block(hidden=None), 11)


def test_an_unknown_core_names_the_nearest() -> None:
    with pytest.raises(RecurrenceError, match="did you mean 'lstm'"):
        core_module("lsmt")
