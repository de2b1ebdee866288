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


def test_windows_do_not_overlap_and_the_first_ones_are_spread() -> None:
    """103 tokens hold 34 windows of 3; of 64 places in van der Corput's order those below 34."""
    found = windows(np.arange(103, dtype=np.uint8), 3)
    assert len(found) == 34
    assert [prompt[0] for prompt in found[:5]] == [0, 96, 48, 24, 72]
    assert sorted(i for prompt in found for i in prompt) == list(range(102))


def test_one_window_is_enough_and_text_follows_it() -> None:
    assert windows(np.arange(4), 3) == [(0, 1, 2)]
    with pytest.raises(RecurrenceError, match="less than the 3 tokens of validation text, got 3"):
        windows(np.arange(3), 3)


def test_texts_come_before_windows_and_are_plain_numbers() -> None:
    block = params.Prompts(prompt_tokens=2, texts=("A b",))
    prompts = corpus_prompts("mine", block, np.array([2, 3, 4, 2, 3, 4], np.uint8), CHARS)
    assert prompts == [(2, 5, 3), (2, 3), (3, 4), (4, 2)]
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
        corpus_prompts("mine", params.Prompts(texts=("xyz",)), np.arange(3), CHARS)


def test_the_digest_is_of_the_ids_and_of_where_each_prompt_ends() -> None:
    assert prompts_digest([(2, 3), (4, 2)]) == sha256(b"2 3\n4 2").hexdigest()
    others = [[(2, 3, 4), (2,)], [(4, 2), (2, 3)], [(2, 3)], [(23,), (4, 2)]]
    assert len({prompts_digest(prompts) for prompts in [*others, [(2, 3), (4, 2)]]}) == 5
