"""Subword tokens: trained on bytes, loaded from a tokenizer.json, and back to the text."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from recurrence import subwords
from recurrence.errors import RecurrenceError
from recurrence.params import Tokens
from recurrence.vocab import Counts, Vocab

TEXT = "the cat sat on the mat, and the dog sat on the cat.\n" * 40
SPECIALS = ("<unk>", "<pad>", "<eos>")
RULE = Tokens(unit="subword", subwords="bpe")


def trained(kind: str = "bpe", entries: int = 300) -> str:
    return subwords.train(TEXT.splitlines(keepends=True), kind, entries, 2, SPECIALS)


@pytest.mark.parametrize("kind", ["bpe", "unigram"])
def test_any_text_comes_back_exactly(kind: str) -> None:
    vocab = Vocab.of_subwords(trained(kind), RULE)
    for text in ("the cat\n", "  two  spaces\t\n\nünd 戦場 🙂", "unseen WORDS, 123"):
        ids = vocab.encode_text(text)
        assert vocab.decode(ids) == text
        assert "".join(said for _, said in vocab.spoken(ids.tolist())) == text
    assert vocab.tokens[:3] == vocab.specials == SPECIALS


def test_what_is_often_together_is_one_token() -> None:
    vocab = Vocab.of_subwords(trained(), RULE)
    assert len(vocab.encode_text("the cat sat on the mat")) < 12


def test_bpe_is_the_same_bytes_in_another_process() -> None:
    program = (
        f"from recurrence import subwords; print(subwords.train({TEXT!r}.splitlines(True), 'bpe', "
        f"300, 2, {SPECIALS!r}))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ran.stdout.rstrip("\n") == trained()


def test_no_token_spans_two_lines_and_eos_ends_each() -> None:
    vocab = Vocab.of_subwords(trained(), RULE.model_copy(update={"eos": "line"}))
    ids, counts = vocab.encode_part("the cat\nthe dog")
    eos = vocab.index["<eos>"]
    assert ids.tolist().count(eos) == 2 and ids[-1] == eos
    assert vocab.decode(ids) == "the cat\n<eos>the dog<eos>"
    assert (counts["characters"], counts["lines"], counts["unk"]) == (15, 2, 0)
    assert counts["tokens"] == len(ids)


def test_without_eos_among_the_specials_that_is_said() -> None:
    made = subwords.train([TEXT], "bpe", 300, 2, ())
    vocab = Vocab.of_subwords(made, RULE.model_copy(update={"eos": "part"}))
    with pytest.raises(RecurrenceError, match="tokens.eos: needs <eos> among the specials"):
        list(vocab.encode_lines(["a\n"], Counts()))


def test_fewer_entries_than_bytes_are_refused() -> None:
    with pytest.raises(RecurrenceError, match=r"vocab.max_size: must be at least 256 .* got 100"):
        trained(entries=100)


def test_a_file_is_enough_to_go_on_with(tmp_path: Path) -> None:
    vocab = Vocab.of_subwords(trained(), RULE)
    vocab.save(tmp_path / "v.json")
    again = Vocab.load(tmp_path / "v.json")
    assert again.tokens == vocab.tokens
    assert again.encode_text("the mat").tolist() == vocab.encode_text("the mat").tolist()
    again.save(tmp_path / "w.json")
    assert (tmp_path / "v.json").read_bytes() == (tmp_path / "w.json").read_bytes()


def test_a_tokenizer_of_others_keeps_its_ids_and_gets_the_specials_it_lacks() -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    given = Tokenizer(models.WordLevel({"<unk>": 0, "the": 1, "cat": 2}, unk_token="<unk>"))
    given.pre_tokenizer = pre_tokenizers.Whitespace()
    given.enable_truncation(2)
    made = subwords.loaded(given.to_str(), ("<unk>", "<eos>"), "texts/tokenizer.json")
    vocab = Vocab.of_subwords(made, Tokens(unit="subword", subwords="texts/tokenizer.json"))
    assert vocab.tokens == ("<unk>", "the", "cat", "<eos>")
    assert vocab.encode_text("the cat the cat").tolist() == [1, 2, 1, 2]


@pytest.mark.parametrize("content", ["", "{}", "[1, 2]", json.dumps({"model": {"type": "Magic"}})])
def test_what_is_no_tokenizer_is_named(content: str) -> None:
    with pytest.raises(RecurrenceError, match="^mine: must be a tokenizer.json"):
        subwords.loaded(content, (), "mine")


def test_the_breakers_of_a_penalty_are_found_by_how_they_are_spelled() -> None:
    vocab = Vocab.of_subwords(trained(), RULE)
    assert vocab.tokens[vocab.by_spelling["\n"]] == "Ċ"
    assert vocab.spellings[vocab.by_spelling[" the"]] == " the"
    assert Vocab(("a", "b"), (), Tokens(unit="char")).by_spelling == {"a": 0, "b": 1}
