"""Which tokens get which id."""

from pathlib import Path

import numpy as np
import pytest

from recurrence.errors import RecurrenceError
from recurrence.params import Tokens, VocabRule
from recurrence.vocab import Vocab

CHARS = Tokens(unit="char")
WORDS = Tokens(unit="word")


def build(text: str, **rule: object) -> Vocab:
    return Vocab.build(text.split(), VocabRule.model_validate(rule), WORDS)


def test_descending_count_ties_alphabetical() -> None:
    assert build("c b b a d d d a").tokens == ("<unk>", "<pad>", "d", "a", "b", "c")


def test_order_of_first_use() -> None:
    assert build("c b b a", order="first_use", specials=[]).tokens == ("c", "b", "a")


def test_sorted_order() -> None:
    assert build("c b b a", order="sorted", specials=["\0"]).tokens == ("\0", "a", "b", "c")


def test_min_count_drops_the_rare() -> None:
    vocab = build("a a a b b c", min_count=2)
    assert vocab.tokens == ("<unk>", "<pad>", "a", "b")
    assert vocab.encode(["c", "b"]).tolist() == [0, 3]


@pytest.mark.parametrize(
    ("order", "expected"), [("count", "c b"), ("first_use", "b c"), ("sorted", "b c")]
)
def test_max_size_keeps_the_most_frequent_in_every_order(order: str, expected: str) -> None:
    vocab = build("a b b c c c d", order=order, max_size=2, specials=["<unk>"])
    assert vocab.tokens == ("<unk>", *expected.split())


def test_a_rare_eos_that_is_no_special_is_unknown() -> None:
    """This is what happened to the one <eos> of the notebooks' character corpora."""
    vocab = build("a a <eos>", min_count=2)
    assert vocab.encode(["<eos>"]).tolist() == [vocab.unk]


def test_a_token_written_like_a_special_is_that_special() -> None:
    vocab = build("a <unk> <unk> <eos> a", specials=["<unk>", "<pad>", "<eos>"])
    assert vocab.tokens == ("<unk>", "<pad>", "<eos>", "a")
    assert vocab.encode(["<eos>", "a", "<unk>"]).tolist() == [2, 3, 0]


def test_special_ids() -> None:
    assert build("a b").special_ids() == [0, 1]
    assert build("a b", specials=[]).special_ids() == []


def test_without_unk_an_unknown_token_is_named() -> None:
    vocab = build("one two", specials=[])
    assert vocab.unk is None
    with pytest.raises(
        RecurrenceError, match="'zebra' is not among the 2 .* add <unk> to the specials"
    ):
        vocab.encode(["one", "zebra"])


def test_nothing_but_specials_is_an_error() -> None:
    with pytest.raises(
        RecurrenceError, match="min_count: must leave some tokens, but none occurs 3 times"
    ):
        build("a b", min_count=3)


def test_a_prompt_is_tokenized_as_the_corpus_was_but_not_ended() -> None:
    rule = Tokens(unit="char", lower=True, newlines="drop", eos="part")
    vocab = Vocab.build("ab", VocabRule(), rule)
    ids = vocab.encode_text("A\nBx")
    assert ids.tolist() == [2, 3, 0]
    assert ids.dtype == np.int32
    assert vocab.encode_text("").shape == (0,)


def test_decoding_gives_the_text_back() -> None:
    assert build("one two").decode(build("one two").encode_text("two one")) == "two one"
    assert Vocab.build("ab", VocabRule(), CHARS).decode(np.array([3, 2, 0])) == "ba<unk>"


def test_a_file_is_enough_to_encode(tmp_path: Path) -> None:
    vocab = Vocab.build(
        "ab\n\u2028ä", VocabRule(specials=("\0", "<unk>")), Tokens(unit="char", lower=True)
    )
    vocab.save(tmp_path / "v.json")
    loaded = Vocab.load(tmp_path / "v.json")
    assert loaded == vocab
    assert loaded.unit == "char"
    assert loaded.encode_text("BÄ\n").tolist() == vocab.encode(["b", "ä", "\n"]).tolist()


@pytest.mark.parametrize(
    "content", ["[]", '{"tokens": ["a"]}', '{"tokens": [], "specials": [], "rule": {"unit": 1}}']
)
def test_a_foreign_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "v.json").write_text(content)
    with pytest.raises(RecurrenceError, match=r"v\.json: not a vocabulary"):
        Vocab.load(tmp_path / "v.json")


def test_counts_of_characters_leave_out_eos() -> None:
    rule = Tokens(unit="char", newlines="drop", eos="part")
    ids, counts = Vocab.build("aab", VocabRule(), rule).encode_part("ab\nxa")
    assert ids.tolist() == [2, 3, 0, 2, 0]
    assert ids.dtype == np.uint8
    assert counts == {"tokens": 5, "characters": 4, "unk": 2, "unk_rate": 0.4, "lines": 2}


def test_counts_of_words_are_those_of_the_joined_text() -> None:
    vocab = Vocab.build(
        ["one", "two", "<eos>"], VocabRule(specials=()), Tokens(unit="word", eos="line")
    )
    ids, counts = vocab.encode_part("one  two\n\n")
    assert vocab.decode(ids) == "one two <eos> <eos>"
    assert counts == {"tokens": 4, "characters": 19, "unk": 0, "unk_rate": 0.0, "lines": 2}


@pytest.mark.parametrize(
    ("size", "kind"), [(256, np.uint8), (257, np.uint16), (65_536, np.uint16), (65_537, np.int32)]
)
def test_ids_take_the_smallest_type_that_holds_the_vocabulary(size: int, kind: type) -> None:
    tokens = tuple(map(str, range(size)))
    ids, _ = Vocab(tokens, (), WORDS).encode_part(f"0 {size - 1}")
    assert ids.dtype == kind
    assert ids.tolist() == [0, size - 1]
