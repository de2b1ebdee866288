from hashlib import sha256

import numpy as np
import pytest

from recurrence import params
from recurrence.decoding.prompts import corpus_prompts, encode_prompt, prompts_digest, windows
from recurrence.errors import RecurrenceError
from recurrence.vocab import Vocab

CHARS = Vocab(
    ("<unk>", "<pad>", *"abc "),
    ("<unk>", "<pad>"),
    params.Tokens(unit="char", lower=True, newlines="drop"),
)
WORDS = Vocab(("one", "two"), (), params.Tokens(unit="word"))


def test_windows_are_evenly_spaced() -> None:
    assert windows(np.arange(103, dtype=np.uint8), 4, 3) == [
        (0, 1, 2),
        (25, 26, 27),
        (50, 51, 52),
        (75, 76, 77),
    ]


def test_windows_of_nothing_is_nothing() -> None:
    assert windows(np.arange(2), 0, 64) == []


def test_text_follows_every_window() -> None:
    assert windows(np.arange(4), 3, 3) == [(0, 1, 2)] * 3
    with pytest.raises(RecurrenceError, match="less than the 3 tokens of validation text, got 3"):
        windows(np.arange(3), 1, 3)


def test_windows_come_before_texts_and_are_plain_numbers() -> None:
    block = params.Prompts(prompt_tokens=2, texts=("A b",))
    prompts = corpus_prompts("mine", block, 2, np.array([2, 3, 4, 2, 3, 4], np.uint8), CHARS)
    assert prompts == [(2, 3), (4, 2), (2, 5, 3)]
    assert all(type(i) is int for prompt in prompts for i in prompt)


def test_a_partly_unknown_prompt_is_read() -> None:
    assert encode_prompt("aZ", CHARS) == (2, 0)


@pytest.mark.parametrize(("text", "vocab"), [("", CHARS), ("\n", CHARS), ("  \n ", WORDS)])
def test_an_empty_prompt_is_refused(text: str, vocab: Vocab) -> None:
    with pytest.raises(
        RecurrenceError, match="is empty; give at least one (char|word) to continue"
    ):
        encode_prompt(text, vocab)


def test_a_wholly_unknown_prompt_is_refused() -> None:
    with pytest.raises(
        RecurrenceError, match="'xyz' is wholly unknown; use chars of the corpus, such as 'a', 'b'"
    ):
        encode_prompt("xyz", CHARS)
    with pytest.raises(RecurrenceError, match="'three'"):
        encode_prompt("three", WORDS)


def test_bad_prompts_of_a_corpus_are_named() -> None:
    with pytest.raises(RecurrenceError, match="params.yaml: corpora.mine.prompts: prompt 'xyz'"):
        corpus_prompts("mine", params.Prompts(texts=("xyz",)), 0, np.arange(3), CHARS)


def test_the_digest_is_of_the_ids_and_of_where_each_prompt_ends() -> None:
    assert prompts_digest([(2, 3), (4, 2)]) == sha256(b"2 3\n4 2").hexdigest()
    others = [[(2, 3, 4), (2,)], [(4, 2), (2, 3)], [(2, 3)], [(23,), (4, 2)]]
    assert len({prompts_digest(prompts) for prompts in [*others, [(2, 3), (4, 2)]]}) == 5
