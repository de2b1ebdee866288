"""The printed figures that models are compared with are all there, and are the last ones
printed.
"""

from pathlib import Path

import pytest

from recurrence import notebooks, params
from recurrence.errors import RecurrenceError

PARAMS = params.parse((Path(__file__).parents[1] / "params.yaml").read_text(encoding="utf-8"))
COMPARED = {key: block for key, block in PARAMS.models.items() if block.notebook}


@pytest.mark.parametrize("key", COMPARED)
def test_every_model_that_names_a_notebook_has_its_table(key: str) -> None:
    """With a row per epoch of its recipe, but for the table that breaks off."""
    block = COMPARED[key]
    assert block.notebook and block.recipe
    printed, epochs = (
        notebooks.printed(block.notebook),
        sum(phase.epochs for phase in block.recipe.phases),
    )
    assert len(printed.valid_nats) == (33 if block.notebook == "lstm_long-b" else epochs)
    assert len(printed.valid_accuracy) == (epochs if block.corpus == "human_numbers" else 0)


def test_every_table_has_a_model() -> None:
    assert {block.notebook for block in COMPARED.values()} == set(notebooks.load())


@pytest.mark.parametrize(
    ("name", "nats", "accuracy"),
    [
        ("rnn-a", 1.543987, None),
        ("lstm-a", 1.372136, None),
        ("awd_lstm-a", 1.368162, None),
        ("lstm-b", 1.350068, None),
        ("lstm_long-b", 1.366420, None),
        ("lm1-human_numbers", 1.685956, 0.470882),
        ("lm7-human_numbers", 0.383106, 0.885254),
    ],
)
def test_the_figure_compared_with_is_the_last_printed(
    name: str, nats: float, accuracy: float | None
) -> None:
    printed = notebooks.printed(name)
    assert (printed.nats, printed.accuracy) == (nats, accuracy)


def test_what_to_know_goes_with_the_figures() -> None:
    figures = notebooks.printed("char3-cased").figures()
    assert figures["nats"] == 0.423080
    assert "means nothing" in str(figures["note"])
    assert min(notebooks.printed("lstm_long-b").valid_nats) == 1.331728


def test_an_unknown_table_is_met_with_the_nearest() -> None:
    with pytest.raises(RecurrenceError, match="did you mean 'lm6-human_numbers'"):
        notebooks.printed("lm6-human_number")
