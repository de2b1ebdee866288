"""Elements of a JSON array come one at a time, however the stream is cut."""

import json
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurrence.scan.elements import Elements

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text('a"\\,[]{}é\u2028', max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.lists(values, min_size=1, max_size=6), st.integers(1, 9), st.sampled_from([None, 1]))
def test_elements_are_those_of_the_array(array: list[Any], size: int, indent: int | None) -> None:
    text = " " + json.dumps(array, indent=indent) + "\n"
    elements = Elements(text[at : at + size] for at in range(0, len(text), size))
    assert elements.is_array()
    assert elements.first() == array[0]
    assert list(elements) == array


@given(st.lists(values, min_size=1, max_size=4), st.integers(1, 9), st.data())
def test_of_an_array_that_was_cut_the_whole_elements_come_first(
    array: list[Any], size: int, data: st.DataObject
) -> None:
    text = json.dumps(array)
    text = text[: data.draw(st.integers(1, len(text) - 1))]
    found: list[Any] = []
    with pytest.raises(ValueError):
        for each in Elements(text[at : at + size] for at in range(0, len(text), size)):
            found.append(each)
    numbers = (int, float)  # one that was cut may be another one
    whole = found[:-1] if found and isinstance(found[-1], numbers) else found
    assert whole == array[: len(whole)]


def test_what_is_broken_is_not_read_to_its_end() -> None:
    read = []

    def chunks() -> Iterator[str]:
        for number in range(1000):
            read.append(number)
            yield '{"a": 1}, {oops}, ' if number else '[{"a": 1}, '

    elements = Elements(chunks())
    assert list(islice(elements, 2)) == [{"a": 1}] * 2
    with pytest.raises(ValueError):
        list(elements)
    assert len(read) < 10


def test_what_is_no_array_is_given_back_whole() -> None:
    elements = Elements(iter(["", "", ' {"a"', ": 1}"]))
    assert not elements.is_array()
    assert elements.text() == ' {"a": 1}'
    with pytest.raises(ValueError, match="without elements"):
        Elements(iter(["[", " ]"])).first()
