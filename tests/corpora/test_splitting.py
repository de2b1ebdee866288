"""The ordered split: nothing is lost, nothing is shuffled, the cut is where the rule says."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurrence.corpora.splitting import first_lines, split
from recurrence.errors import RecurrenceError
from recurrence.params import Sample, Split, Tokens

CHARS = Tokens(unit="char")
WORDS = Tokens(unit="word")


def rule(name: str, **fields: object) -> Split:
    return Split.model_validate({"rule": name, **fields})


def test_a_fraction_of_the_newlines_rounded_up() -> None:
    """Seven newlines: ceil(5.6) = 6 lines. The last line has no newline and does not count."""
    parts = split({"whole": "1\n2\n3\n4\n5\n6\n7\n8"}, rule("line_fraction", fraction=0.8), CHARS)
    assert parts == {"train": "1\n2\n3\n4\n5\n6\n", "valid": "7\n8"}


def test_a_fixed_line() -> None:
    assert split({"whole": "1\n2\n3\n"}, rule("line", line=1), CHARS) == {
        "train": "1\n",
        "valid": "2\n3\n",
    }


def test_windows_of_words() -> None:
    """Eleven words in windows of two, each needing a word beyond it: range(0, 8, 2), 4 windows, int(0.6 x 4) = 2."""
    parts = split(
        {"whole": "a b c d\ne f g h i j k"}, rule("token_windows", window=2, fraction=0.6), WORDS
    )
    assert parts == {"train": "a b c d", "valid": "e f g h i j k"}


def test_windows_of_characters_keep_newlines() -> None:
    parts = split({"whole": "ab\ncd\nefg"}, rule("token_windows", window=3, fraction=0.5), CHARS)
    assert parts == {"train": "ab\n", "valid": "cd\nefg"}


def test_windows_of_words_have_no_lines_to_end() -> None:
    with pytest.raises(RecurrenceError, match="tokens.eos: line needs lines"):
        split({"whole": "a b"}, rule("token_windows", window=1), Tokens(unit="word", eos="line"))


@given(
    st.text(alphabet="a\n\r\u2028\x0b", max_size=40),
    st.sampled_from(
        [rule("line_fraction", fraction=0.5), rule("line", line=3), rule("token_windows", window=2)]
    ),
)
def test_the_parts_together_are_the_whole(text: str, how: Split) -> None:
    parts = split({"whole": text}, how, CHARS)
    assert list(parts) == ["train", "valid"]
    assert parts["train"] + parts["valid"] == text


def test_given_parts_stay() -> None:
    assert split({"train": "a", "valid": "b"}, rule("given"), CHARS) == {"train": "a", "valid": "b"}


@pytest.mark.parametrize("texts", [{"whole": "a"}, {"train": "a"}])
def test_given_needs_two_parts(texts: dict[str, str]) -> None:
    with pytest.raises(
        RecurrenceError, match="given needs a source with members.train and members.valid"
    ):
        split(texts, rule("given"), CHARS)


def test_parts_of_the_source_are_not_cut_again() -> None:
    with pytest.raises(
        RecurrenceError, match="must be given where the source has its own parts, got line"
    ):
        split({"train": "a", "valid": "b"}, rule("line", line=1), CHARS)


def test_a_single_part_of_an_archive_is_cut() -> None:
    assert split({"train": "1\n2\n"}, rule("line", line=1), CHARS) == {
        "train": "1\n",
        "valid": "2\n",
    }


def test_a_sample_is_the_first_lines_of_each_part() -> None:
    texts = {"train": "1\n2\u2028\n3\n", "valid": "4\n5"}
    assert first_lines(texts, Sample(train_lines=2, valid_lines=9)) == {
        "train": "1\n2\u2028\n",
        "valid": "4\n5",
    }
