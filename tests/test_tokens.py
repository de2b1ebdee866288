"""Text to tokens and back."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from recurrence.params import Tokens
from recurrence.tokens import detokenize, token_lines, tokenize

PROSE = Tokens(unit="word", words="punctuation")


def test_characters_keep_newlines_and_case() -> None:
    assert tokenize("Ab\n\nc", Tokens(unit="char")) == ["A", "b", "\n", "\n", "c"]


def test_characters_without_newlines_in_lower_case_with_one_eos() -> None:
    rule = Tokens(unit="char", lower=True, newlines="drop", eos="part")
    assert tokenize("Ab\n\nÄ", rule) == ["a", "b", "ä", "<eos>"]


def test_only_the_newline_ends_a_line() -> None:
    """str.splitlines would also cut at these, and give more <eos> than lines."""
    rule = Tokens(unit="char", newlines="drop", eos="line")
    assert tokenize("a\u2028b\x0cc\x85d\n", rule) == [
        "a",
        "\u2028",
        "b",
        "\x0c",
        "c",
        "\x85",
        "d",
        "<eos>",
    ]


def test_words_with_an_eos_after_every_line_also_an_empty_one() -> None:
    rule = Tokens(unit="word", eos="line")
    assert tokenize(" = Title = \n \nOne  two .\nlast", rule) == [
        *("=", "Title", "=", "<eos>"),
        "<eos>",
        *("One", "two", ".", "<eos>"),
        *("last", "<eos>"),
    ]


def test_words_at_spaces_take_newlines_for_spaces() -> None:
    assert tokenize("one two\nthree,\tfour", Tokens(unit="word")) == [
        "one",
        "two",
        "three,",
        "four",
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Well, it's fine.", "Well , it 's fine ."),
        ("I don't; they can't, won’t!", "I do n't ; they ca n't , wo n’t !"),
        ("DON'T", "DO N'T"),
        ("we'll they've I'm he'd you're", "we 'll they 've I 'm he 'd you 're"),
        ('"A well-made film" (1999)', '" A well - made film " ( 1999 )'),
        ("wait... what?!", "wait ... what ? !"),
        ("$1,000.50 at 10:30, 3rd, 1980s", "$ 1,000.50 at 10:30 , 3rd , 1980s"),
        ("the U.S. and the end.", "the U.S. and the end ."),
        ("'quoted' o'clock", "' quoted ' o ' clock"),
        ("café naïve 戦場", "café naïve 戦場"),
        ("a <unk> b<eos>", "a <unk> b <eos>"),
        ("isn't", "is n't"),
        ("n't 's", "n't 's"),
    ],
)
def test_words_of_prose(text: str, expected: str) -> None:
    assert tokenize(text, PROSE) == expected.split(" ")


@given(
    st.text(
        alphabet=st.characters(exclude_categories=["Cs"]) | st.sampled_from("n'’tsaA. -<>unk1,"),
        max_size=60,
    )
)
@example("don'tn't")
@example("1,2,x")
@example("a.b.cn't")
def test_words_joined_and_split_again_are_the_same(text: str) -> None:
    """A generated text, or a part made of joined tokens, reads back as the tokens it was made
    of.
    """
    tokens = tokenize(text, PROSE)
    assert tokenize(detokenize(tokens, "word"), PROSE) == tokens


@given(st.text(alphabet="ab \n'.", max_size=60))
def test_nothing_but_white_space_is_lost(text: str) -> None:
    assert "".join(tokenize(text, PROSE)) == "".join(text.split())


@given(st.text(max_size=60), st.sampled_from(["none", "part", "line"]))
def test_characters_side_by_side_are_the_text(text: str, eos: str) -> None:
    tokens = tokenize(text, Tokens.model_validate({"unit": "char", "eos": eos}))
    assert detokenize(tokens, "char").replace("<eos>", "") == text.replace("<eos>", "")


def test_lines_give_the_tokens_in_pieces() -> None:
    rule = Tokens(unit="word", eos="part")
    assert list(token_lines(["a b\n", "c\n"], rule)) == [["a", "b"], ["c"], ["<eos>"]]


def test_specials_are_shown_as_they_are_written() -> None:
    assert detokenize(["a", "<eos>", "b"], "char") == "a<eos>b"
    assert detokenize(["a", "<eos>", "b"], "word") == "a <eos> b"
