"""Published rules on examples worked out by hand, with their blind spots, and vLLM's on its own
test vectors.
"""

import pytest

from recurrence.repetition.metrics import zlib_ratio
from recurrence.repetition.published import (
    PUBLISHED,
    holtzman_code,
    holtzman_paper,
    vllm_repetition,
    whisper_zlib,
)


def ids(text: str) -> list[int]:
    return [ord(letter) for letter in text]


@pytest.mark.parametrize(
    ("text", "flagged"),
    [
        ("xyzababab", True),
        ("xyzabab", False),  # twice
        ("ababab", True),
        ("abababx", False),  # not at the end
        ("xaaaaaa", True),  # aa three times
        ("xaaaaa", False),  # a phrase has two tokens at least
        ("xabccabccabcc", True),
        ("q" + "abcdefghij" * 3, True),
        ("abc", False),
        ("", False),
    ],
)
def test_holtzman_as_the_paper_says(text: str, flagged: bool) -> None:
    assert holtzman_paper(ids(text)) is flagged


@pytest.mark.parametrize(
    ("text", "flagged"),
    [
        ("xyzabcabc", True),  # twice is enough
        ("xyzabc", False),
        ("abcabcx", False),
        ("abccabcc", False),  # c twice and abcc twice: the shorter wins the tie, and is too short
        ("abcccabcccabccc", False),  # three of each
        ("abccabccabcc", True),  # three against two
        ("ab" * 30, False),  # short units must come more than 50 times
        ("ab" * 51, True),
        ("a" * 50, False),
        ("a" * 51, True),
        ("", False),
    ],
)
def test_holtzman_as_the_code_does(text: str, flagged: bool) -> None:
    assert holtzman_code(ids(text)) is flagged


def test_holtzmans_code_sees_no_period_above_ninety() -> None:
    assert holtzman_code(list(range(90)) * 3)
    assert not holtzman_code(list(range(91)) * 3)
    assert holtzman_paper(list(range(91)) * 3)


def test_holtzmans_code_drops_one_end_of_text() -> None:
    assert not holtzman_code([7, *[1, 2, 3] * 2, 0])
    assert holtzman_code([7, *[1, 2, 3] * 2, 0], eos=0)
    assert not holtzman_code([7, *[1, 2, 3] * 2, 0, 0], eos=0)


@pytest.mark.parametrize(
    ("tokens", "setting", "flagged"),
    [
        ([1, 2, 3] * 3, (3, 2, 3), True),
        ([1, 2, 3] * 2, (3, 2, 3), False),
        ([1, 2] * 4, (5, 2, 4), True),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9], (5, 2, 2), False),
        ([1, 2, 3, 1, 2, 3, 1, 2, 4], (3, 2, 3), False),
        ([], (3, 2, 2), False),
        ([1, 2] * 3, (0, 0, 0), False),
        ([1, 2, 1, 2], (5, 1, 1), False),  # a count below two is off
        ([1, 2, 3, 4, 5, 6, 5, 6, 5, 6], (3, 2, 3), True),
        ([1, 2, 3, 4, 5, 6, 7, 8] * 5, (10, 2, 3), True),
        ([1, 2] * 10, (5, 1, 4), True),
        ([7] * 20, (5, 1, 5), True),
        ([10, 20, 30] * 2, (3, 3, 2), True),
        ([7, 8, 9, 10] * 3, (5, 2, 3), True),
        (
            [10, 20] * 3,
            (5, 3, 3),
            False,
        ),  # shorter than allowed, and twice as long does not fit thrice
        ([10, 20] * 3, (5, 2, 5), False),
    ],
)
def test_vllm_on_its_own_vectors(
    tokens: list[int], setting: tuple[int, int, int], flagged: bool
) -> None:
    assert vllm_repetition(tokens, *setting) is flagged


def test_vllm_as_it_is_set_here() -> None:
    assert vllm_repetition([9, *list(range(20)) * 3])
    assert not vllm_repetition(list(range(21)) * 9)  # a longer unit
    assert vllm_repetition([1, 5, 5, 5])  # and an ellipsis is repetition


def test_whisper_is_a_zlib_ratio() -> None:
    text = "and so on, " * 20
    assert whisper_zlib(text)
    assert not whisper_zlib("Each word here differs from all others, more or less.")
    assert not whisper_zlib(text, limit=zlib_ratio(text))
    assert not whisper_zlib("")


def test_all_rules_by_name() -> None:
    text = "xyz" + "abc" * 40
    assert {name: rule(ids(text), text) for name, rule in PUBLISHED.items()} == dict.fromkeys(
        ("holtzman_paper", "holtzman_code", "vllm_repetition", "whisper_zlib"), True
    )
    assert not any(rule([1, 2, 3], "one two three") for rule in PUBLISHED.values())
