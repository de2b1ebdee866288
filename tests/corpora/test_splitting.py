"""The ordered split: nothing is lost, nothing is shuffled, the cut is where the rule says."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recurrence.corpora import splitting
from recurrence.errors import RecurrenceError
from recurrence.params import Split, Tokens

CHARS = Tokens(unit="char")
WORDS = Tokens(unit="word")


def rule(name: str, **fields: object) -> Split:
    return Split.model_validate({"rule": name, **fields})


def split(texts: dict[str, str], how: Split, tokens: Tokens) -> dict[str, str]:
    """The content of the two files."""
    with TemporaryDirectory() as folder:
        given = {part: iter([text[:3], text[3:]]) for part, text in texts.items()}
        files = splitting.split(given, how, tokens, Path(folder))
        made = {path.name for path in Path(folder).iterdir()}
        assert made == {"train.txt", "valid.txt"}
        return {part: file.read_bytes().decode() for part, file in files.items()}


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
    """Eleven words in windows of two, each needing a word beyond it: range(0, 8, 2), 4 windows,
    int(0.6 x 4) = 2.
    """
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


def test_a_sample_is_the_first_lines_of_a_part(tmp_path: Path) -> None:
    file = tmp_path / "train.txt"
    file.write_bytes("1\n2\u2028\n3\n".encode())
    splitting.first_lines(file, 2)
    assert file.read_bytes().decode() == "1\n2\u2028\n"
    splitting.first_lines(file, 9)
    assert file.read_bytes().decode() == "1\n2\u2028\n"


# ---------------------------------------------------------------- by characters


def by_characters(text: str, fraction: float = 0.8) -> tuple[str, str]:
    parts = split({"whole": text}, rule("char_fraction", fraction=fraction), CHARS)
    return parts["train"], parts["valid"]


def test_one_long_line_is_cut_after_a_word() -> None:
    """35 kB on one line: int(0.8 x 35,000) = 28,000 falls into a word, which goes to train."""
    text = "seven by" * 4375
    train, valid = by_characters(text)
    assert train + valid == text
    assert len(text[:28_000]) <= len(train) <= 28_008 and train.endswith("seven ")


def test_a_line_that_ends_near_stays_whole() -> None:
    text = "a line of words\n" * 400
    train, valid = by_characters(text, 0.501)
    assert train.endswith("words\n") and valid.startswith("a line")


def test_a_newline_at_the_very_end_does_not_leave_valid_empty() -> None:
    assert by_characters("x" * 100 + "\n") == ("x" * 80, "x" * 20 + "\n")


def test_characters_are_counted_and_not_bytes() -> None:
    assert by_characters("ä" * 10) == ("ä" * 8, "ä" * 2)


@given(st.text(alphabet="a \nä\u2028", min_size=2, max_size=400), st.sampled_from([0.1, 0.5, 0.9]))
def test_both_parts_have_something_and_nothing_is_lost(text: str, fraction: float) -> None:
    train, valid = by_characters(text, fraction)
    assert train + valid == text
    assert valid
    assert len(train) >= int(fraction * len(text))


def test_a_text_larger_than_a_block_is_cut_at_the_same_place(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = "some wörds in a line\n" * 50
    rules = [rule("line", line=17), rule("line_fraction"), rule("char_fraction", fraction=0.33)]
    whole = [split({"whole": text}, each, CHARS) for each in rules]
    monkeypatch.setattr(splitting, "BLOCK", 7)
    assert [split({"whole": text}, each, CHARS) for each in rules] == whole


def test_windows_are_not_for_subwords() -> None:
    tokens = Tokens(unit="subword", subwords="bpe")
    with pytest.raises(
        RecurrenceError, match="token_windows is for characters and words.*use char"
    ):
        split({"whole": "a b"}, rule("token_windows", window=1), tokens)


@pytest.mark.parametrize(
    ("text", "lines", "is_blank"),
    [
        ("a", 1, False),
        ("a\n", 1, False),
        ("a\n\nb", 3, False),
        ("a\u2028b\n", 1, False),
        (" \n", 1, True),
    ],
)
def test_the_size_of_a_part(tmp_path: Path, text: str, lines: int, is_blank: bool) -> None:
    (tmp_path / "a.txt").write_bytes(text.encode())
    assert splitting.size(tmp_path / "a.txt") == (lines, len(text), is_blank)
