"""Folders that transformers loads: the same logits, ids, texts and continuations as ours."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from export.made import CONTEXT, RECURRENT, VOCAB, made
from recurrence import params
from recurrence.cores import unigram
from recurrence.errors import RecurrenceError
from recurrence.export.huggingface import export_huggingface
from recurrence.export.tokenizer import tokenizer_of
from recurrence.model import LanguageModel
from recurrence.vocab import Vocab

TEXT = "abc abd\nfz ab"
pytestmark = pytest.mark.filterwarnings("ignore")  # those of transformers


@pytest.fixture(autouse=True)
def quiet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Without bars, and with code of folders kept in the test's own place."""
    import transformers
    from transformers import dynamic_module_utils

    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    transformers.utils.logging.disable_progress_bar()
    yield
    os.sys.path[:] = [each for each in os.sys.path if each != str(tmp_path / "modules")]  # type: ignore[attr-defined]


def loaded(folder: Path, standard: bool) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    trust = {"trust_remote_code": not standard}
    net = AutoModelForCausalLM.from_pretrained(folder, **trust)
    return net, AutoTokenizer.from_pretrained(folder, **trust)


def logits(model: LanguageModel, ids_BT: Tensor) -> Tensor:
    """After the last token."""
    with torch.inference_mode():
        if model.context:
            return model(ids_BT[:, -model.context :], ())[0]
        return model(ids_BT, model.initial_state(len(ids_BT)))[0][:, -1]


@pytest.mark.parametrize("context", [None, CONTEXT])
@pytest.mark.parametrize("core", RECURRENT)
def test_every_core_goes_on_as_ours_does(core: str, context: int | None, tmp_path: Path) -> None:
    block, model = made(core, context)
    assert not export_huggingface(model, block, VOCAB, tmp_path / "hf")
    net, tokenizer = loaded(tmp_path / "hf", standard=False)
    given = tokenizer(TEXT, return_tensors="pt")
    expected = ids_BT = given["input_ids"]
    with torch.inference_mode():
        torch.testing.assert_close(net(ids_BT).logits[:, -1], logits(model, ids_BT))
    for _ in range(8):
        expected = torch.cat([expected, logits(model, expected).argmax(-1)[:, None]], 1)
    asked = {"max_new_tokens": 8, "do_sample": False}
    assert torch.equal(net.generate(**given, **asked), expected)
    assert torch.equal(net.generate(**given, **asked, use_cache=False), expected)


@pytest.mark.parametrize(
    "changes", [{}, {"embedding": 8}, {"embedding": 8, "tied": True}, {"layers": 2}]
)
def test_a_transformer_without_head_bias_is_a_mistral(
    changes: dict[str, Any], tmp_path: Path
) -> None:
    """Also with a text longer than its window of 6."""
    from transformers import MistralForCausalLM

    block, model = made("transformer", head_bias=False, **changes)
    assert export_huggingface(model, block, VOCAB, tmp_path / "hf")
    net, tokenizer = loaded(tmp_path / "hf", standard=True)
    assert isinstance(net, MistralForCausalLM)
    assert not list((tmp_path / "hf").glob("*.py"))
    ids_BT = tokenizer(TEXT, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        whole, _ = model(ids_BT, model.initial_state(1))
        torch.testing.assert_close(net(ids_BT).logits, whole, rtol=1e-4, atol=1e-5)


def test_beams_take_their_states_along(tmp_path: Path) -> None:
    block, model = made("lstm")
    export_huggingface(model, block, VOCAB, tmp_path / "hf")
    net, tokenizer = loaded(tmp_path / "hf", standard=False)
    asked = {"max_new_tokens": 9, "num_beams": 4, "do_sample": False}
    given = tokenizer(TEXT, return_tensors="pt")
    assert torch.equal(
        net.generate(**given, **asked), net.generate(**given, **asked, use_cache=False)
    )


def test_padded_rows_are_refused(tmp_path: Path) -> None:
    block, model = made("lstm")
    export_huggingface(model, block, VOCAB, tmp_path / "hf")
    net, tokenizer = loaded(tmp_path / "hf", standard=False)
    with pytest.raises(ValueError, match="without padding"):
        net(**tokenizer(["abc", "a"], padding=True, return_tensors="pt"))


def test_a_model_that_counts_is_refused(tmp_path: Path) -> None:
    counted = unigram.Counted.count(np.zeros(9, np.uint8), 2)
    with pytest.raises(RecurrenceError, match="has no weights"):
        export_huggingface(counted, made("rnn")[0], VOCAB, tmp_path / "hf")


PROSE = "Don't stop... it's 3.14, U.S. and «well-known» e.g. <unk> Ünïcode — isn't it?!\n\nA  b\tc"


@pytest.mark.parametrize(
    "rule",
    [
        {"unit": "char"},
        {"unit": "char", "lower": True, "newlines": "drop", "eos": "part"},
        {"unit": "word"},
        {"unit": "word", "lower": True, "words": "punctuation", "eos": "line"},
    ],
)
def test_a_tokenizer_gives_the_same_ids_and_texts(rule: dict[str, Any]) -> None:
    from recurrence.tokens import tokenize

    tokens = params.Tokens.model_validate(rule)
    found = dict.fromkeys(tokenize(PROSE, tokens))
    vocab = Vocab(tuple(dict.fromkeys(("<unk>", "<eos>", *list(found)[::2]))), ("<unk>",), tokens)
    ours = vocab.encode_text(PROSE).tolist()
    theirs = tokenizer_of(vocab)
    ids = theirs(PROSE)["input_ids"]
    if "<unk>" in found or tokens.unit == "word":
        assert ids == ours
    else:  # a special that is spelled out is one token there, and characters here
        spelled = PROSE.replace("<unk>", "unk")
        ids = theirs(spelled)["input_ids"]
        ours = vocab.encode_text(spelled).tolist()
        assert ids == ours
    assert theirs.decode(ids) == vocab.decode(ours)
