from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from decoding.fakes import Fading
from recurrence import graphs, params
from recurrence.decoding.loop.prefill import prefill, prefill_rows, slices
from recurrence.decoding.loop.samples import Samples
from recurrence.errors import RecurrenceError
from recurrence.model import LanguageModel, build_model, core_module
from tape import Tape

#   B = rows, T = tokens


def after(text: list[int], context: int | None = None) -> list[float]:
    """The logits after a text, read at once."""
    model = Fading(context=context)
    logits, _ = model(torch.tensor([text[-(context or 0) :]]), model.initial_state(1))
    return pytest.approx((logits if context else logits[:, -1])[0].tolist())


def test_a_step_goes_on_from_where_the_prompts_left() -> None:
    logits_BV, read = prefill(Fading(), [(1, 2), (3, 4)], None)
    assert logits_BV.tolist() == [after([1, 2]), after([3, 4])]
    text_BT = torch.tensor([[1, 2, 5], [3, 4, 6]])
    assert read.step(text_BT).tolist() == [after([1, 2, 5]), after([3, 4, 6])]


@pytest.mark.parametrize("context", [None, 2])
def test_selected_rows_go_on_as_if_they_had_read_it_themselves(context: int | None) -> None:
    _, read = prefill(Fading(context=context), [(1, 2), (3, 4), (5, 6)], None)
    read.select(torch.tensor([2, 0, 0, 2]))
    text_BT = torch.tensor([[5, 6, 7], [1, 2, 8], [1, 2, 9], [5, 6, 10]])
    assert read.step(text_BT).tolist() == [after(text, context) for text in text_BT.tolist()]


def test_rows_of_any_length_and_window_read_each_prompt_once() -> None:
    model = Fading()
    rows = [((1, 2), None), ((3,), None), ((1, 2), 4), ((3,), 4)]
    logits_BV, parts = prefill_rows(model, rows)
    assert [tuple(ids_BT.shape) for ids_BT in model.fed] == [(1, 1), (1, 2)]
    assert logits_BV.tolist() == [after([1, 2]), after([3]), after([1, 2]), after([3])]
    assert [(part, read.reach, read.known) for part, read in parts] == [
        (slice(0, 2), 1, 1),
        (slice(2, 3), 4, 2),
        (slice(3, 4), 4, 1),
    ]


def test_runs_of_equal_keys_become_slices() -> None:
    assert slices("aab") == [("a", slice(0, 2)), ("b", slice(2, 3))]
    assert slices([]) == []


def test_samples_are_cut_to_their_length() -> None:
    zero = torch.zeros(2)
    found = Samples(torch.tensor([[1, 2, 0], [3, 4, 5]]), zero, zero, torch.tensor([2, 3]))
    assert [ids_T.tolist() for ids_T in found.rows()] == [[1, 2], [3, 4, 5]]


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(RecurrenceError, match="prompt is empty"):
        prefill(Fading(), [()], None)


SIZES: dict[str, Any] = {"corpus": "toy", "name": "toy", "embedding": 8, "hidden": 8}


def net(core: str = "lstm", **changes: Any) -> LanguageModel:
    torch.manual_seed(5)
    made = (
        build_model(params.Model.model_validate(SIZES | {"core": core} | changes), 11)
        .double()
        .eval()
    )
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.8)
    return made


class TestCaptured:
    """The model's step as a graph (see tape.py) gives what it gives step by step, to the bit."""

    @pytest.fixture
    def on_a_gpu(self, monkeypatch: pytest.MonkeyPatch) -> None:
        Tape.made.clear()
        monkeypatch.setattr(graphs, "maker", lambda device: Tape)

    def logits(self, model: LanguageModel, window: int | None) -> list[Tensor]:
        """Of ten steps, with rows reordered, doubled and dropped on the way."""
        logits_BV, read = prefill(model, [(1, 2), (3, 4), (5, 6)], window)
        text_BT, made = torch.tensor([[1, 2], [3, 4], [5, 6]]), [logits_BV]
        for step in range(10):
            text_BT = torch.cat([text_BT, made[-1].argmax(1, keepdim=True)], 1)
            made.append(read.step(text_BT))
            if step in (3, 4, 7):
                index_B = torch.tensor({3: [2, 0, 1], 4: [2, 0, 0, 1], 7: [3, 1]}[step])
                read.select(index_B)
                text_BT = text_BT[index_B]
                made.append(made[-1][index_B])
        return made

    @pytest.mark.parametrize(
        ("model", "window"),
        [
            (net(layers=2), None),
            (net(), 4),
            (net("gru"), None),
            (net("awd_lstm", layers=2), 3),
            (net("rnn_cell"), None),
            (net("elman", context=3), None),
        ],
    )
    def test_equals_eager(
        self, model: LanguageModel, window: int | None, request: pytest.FixtureRequest
    ) -> None:
        eager = self.logits(model, window)
        request.getfixturevalue("on_a_gpu")
        captured = self.logits(model, window)
        assert all(map(torch.equal, eager, captured)) and len(eager) == len(captured)
        assert (
            sum(tape.replays for tape in Tape.made) >= 4
        )  # one rehearsal for each number of rows and tokens

    def test_logits_stay_as_they_are_when_the_next_step_is_made(self, on_a_gpu: None) -> None:
        _, read = prefill(net(), [(1, 2)], None)
        given = [read.step(torch.tensor([[token]])) for token in (1, 2, 3, 4)]
        kept = [logits_BV.clone() for logits_BV in given]
        read.step(torch.tensor([[5]]))
        assert all(map(torch.equal, given, kept))

    def test_a_model_that_counts_is_left_alone(self, on_a_gpu: None) -> None:
        counted = core_module("kneser_ney").Counted.count(np.arange(200) % 11, 11, order=3)
        _, read = prefill(counted, [(1, 2)], None)
        for token in (3, 4, 5):
            assert read.step(torch.tensor([[token - 1, token]])).argmax() == token + 1
        assert not Tape.made
