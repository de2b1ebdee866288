import torch
from hypothesis import given
from hypothesis import strategies as st

from recurrence.decoding.filters.history import counts, last_places, matches, recent

texts = st.integers(1, 4).flatmap(
    lambda size: st.lists(st.integers(0, size - 1), min_size=1, max_size=24)
)


def test_places_and_counts() -> None:
    text_BT = torch.tensor([[2, 0, 2, 1], [1, 1, 1, 1]])
    assert counts(text_BT, 4).tolist() == [[1, 1, 2, 0], [0, 4, 0, 0]]
    assert last_places(text_BT, 4).tolist() == [[2, 4, 3, 0], [0, 4, 0, 0]]


def test_ids_outside_the_vocabulary_are_text_but_in_no_result() -> None:
    text_BT = torch.tensor([[0, -100, 1, 0, -100], [7, 1, 7, 0, 7]])
    assert counts(text_BT, 2).tolist() == [[2, 1], [1, 1]]
    assert last_places(text_BT, 2).tolist() == [[4, 3], [4, 2]]
    found = matches(text_BT, 5, 2)
    assert found.length_M.tolist() == [2, 1, 1]  # 0 -100; 7 and 7
    assert found.most(found.length_M).tolist() == [[0, 2], [1, 1]]
    assert found.count(found.length_M > 1).tolist() == [[0, 1], [0, 0]]


@given(texts, st.integers(1, 9))
def test_matches_are_all_there_are(text: list[int], most: int) -> None:
    found = matches(torch.tensor([text]), most, 4)
    ours = list(
        zip(found.place_M.tolist(), found.next_M.tolist(), found.length_M.tolist(), strict=True)
    )
    expected = []
    for place in range(1, len(text)):
        agree = [text[place - n : place] == text[-n:] for n in range(1, min(place, most) + 1)]
        length = next((n for n, same in enumerate(agree) if not same), len(agree))
        if length:
            expected.append((place + 1, text[place], length))
    assert ours == expected


def test_recent_is_the_end_or_all() -> None:
    text_BT = torch.tensor([[1, 2, 3]])
    assert [recent(text_BT, last).tolist() for last in (None, 2, 9)] == [
        [[1, 2, 3]],
        [[2, 3]],
        [[1, 2, 3]],
    ]


def test_a_text_of_one_token_has_no_matches() -> None:
    assert len(matches(torch.tensor([[1]]), 5, 3).row_M) == 0
