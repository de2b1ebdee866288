import pytest
import torch

from decoding.fakes import Fading
from recurrence.decoding.feeding import Samples, read, read_rows, slices
from recurrence.errors import RecurrenceError

#   B = rows, T = tokens


def after(text: list[int], context: int | None = None) -> list[float]:
    """The logits after a text, read at once."""
    model = Fading(context=context)
    logits, _ = model(torch.tensor([text[-(context or 0) :]]), model.initial_state(1))
    return pytest.approx((logits if context else logits[:, -1])[0].tolist())


def test_a_feed_goes_on_from_where_the_prompts_left() -> None:
    logits_BV, feed = read(Fading(), [(1, 2), (3, 4)], None)
    assert logits_BV.tolist() == [after([1, 2]), after([3, 4])]
    text_BT = torch.tensor([[1, 2, 5], [3, 4, 6]])
    assert feed.step(text_BT).tolist() == [after([1, 2, 5]), after([3, 4, 6])]


@pytest.mark.parametrize("context", [None, 2])
def test_selected_rows_go_on_as_if_they_had_read_it_themselves(context: int | None) -> None:
    _, feed = read(Fading(context=context), [(1, 2), (3, 4), (5, 6)], None)
    feed.select(torch.tensor([2, 0, 0, 2]))
    text_BT = torch.tensor([[5, 6, 7], [1, 2, 8], [1, 2, 9], [5, 6, 10]])
    assert feed.step(text_BT).tolist() == [after(text, context) for text in text_BT.tolist()]


def test_rows_of_any_length_and_window_read_each_prompt_once() -> None:
    model = Fading()
    rows = [((1, 2), None), ((3,), None), ((1, 2), 4), ((3,), 4)]
    logits_BV, feeds = read_rows(model, rows)
    assert [tuple(ids_BT.shape) for ids_BT in model.fed] == [(1, 1), (1, 2)]
    assert logits_BV.tolist() == [after([1, 2]), after([3]), after([1, 2]), after([3])]
    assert [(part, feed.reach, feed.known) for part, feed in feeds] == [
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
        read(Fading(), [()], None)
