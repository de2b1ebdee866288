"""A model of transformers against transformers itself, and an export of ours against ours."""

from math import log
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from export.made import VOCAB, made
from outside.tiny_gpt2 import POSITIONS, TEXT, build
from recurrence.errors import RecurrenceError
from recurrence.export.huggingface import export_huggingface
from recurrence.outside.local import Cached, LocalModel, bits_per_token
from recurrence.outside.strategies import chosen
from recurrence.scoring import exact

pytestmark = pytest.mark.filterwarnings("ignore")  # those of transformers
GREEDY = chosen(["greedy"])["greedy"]
DRAWN = chosen(["multinomial"])["multinomial"]


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> LocalModel:
    return LocalModel(build(tmp_path_factory.mktemp("made") / "gpt2"))


def nothing(tokens: int) -> None:
    pass


def test_what_is_kept_stands_for_what_was_read(gpt2: LocalModel) -> None:
    ids_BT = torch.tensor([gpt2._ids(TEXT, 20), gpt2._ids(TEXT[::-1], 20)])
    net = Cached(gpt2.model)
    with torch.inference_mode():
        whole_BTV = gpt2.model(ids_BT).logits
        first_BTV, state = net(ids_BT[:, :7], net.initial_state(2))
        state = tuple(leaf.index_select(1, torch.tensor([1, 0])) for leaf in state)
        last_BTV, _ = net(ids_BT[[1, 0], 7:], state)
    torch.testing.assert_close(torch.cat([first_BTV, last_BTV[[1, 0]]], 1), whole_BTV)


@pytest.mark.parametrize("length", [10, POSITIONS])
def test_it_goes_on_as_transformers_does(gpt2: LocalModel, length: int) -> None:
    """Beyond its positions it reads as many as it has."""
    prompts = ["the cat", "the dog ate it", "cats"]
    found = gpt2.continued("greedy", GREEDY, prompts, length, 0, nothing)
    for prompt, each in zip(prompts, found, strict=True):
        ids = list(gpt2._ids(prompt, POSITIONS))
        start = len(ids)
        nats = 0.0
        for _ in range(length):
            with torch.inference_mode():
                log_p_V = gpt2.model(torch.tensor([ids[-POSITIONS:]])).logits[0, -1].log_softmax(-1)
            ids.append(int(log_p_V.argmax()))
            nats -= float(log_p_V.max())
        assert each.text == gpt2.tokenizer.decode(ids[start:])
        assert each.nats == pytest.approx(nats, rel=1e-4)


def test_a_draw_does_not_depend_on_the_other_prompts_of_its_length(gpt2: LocalModel) -> None:
    both = gpt2.continued("multinomial", DRAWN, ["cats", "dogs"], 8, 1, nothing)
    alone = gpt2.continued("multinomial", DRAWN, ["cats"], 8, 1, nothing)
    other = gpt2.continued("multinomial", DRAWN, ["cats"], 8, 2, nothing)
    assert both[0].text == alone[0].text != other[0].text


def test_every_token_but_the_first_is_read_once(gpt2: LocalModel) -> None:
    """A text of several windows: by hand, each token from the window that it is new in."""
    ids = torch.tensor(gpt2.tokenizer(TEXT[:500])["input_ids"])
    assert len(ids) > 2 * POSITIONS
    expected = [0.0]
    for at in range(1, len(ids)):
        windows_before = max(0, -(-(at + 1 - POSITIONS) // (POSITIONS // 2)))
        start = windows_before * (POSITIONS // 2)
        with torch.inference_mode():
            logits_TV = gpt2.model(ids[None, start:at]).logits[0]
        expected.append(float(F.cross_entropy(logits_TV[-1], ids[at])))
    reading = gpt2.read(TEXT[:500])
    assert reading.nats == pytest.approx(expected, rel=1e-4)
    assert bits_per_token(reading) == pytest.approx(sum(expected) / log(2) / (len(ids) - 1))
    assert [TEXT[a:b] for a, b in zip(reading.starts, reading.starts[1:], strict=False)] == [
        gpt2.tokenizer.decode([i]) for i in ids[:-1].tolist()
    ]


@pytest.mark.parametrize(("core", "changes"), [("lstm", {}), ("transformer", {"head_bias": False})])
def test_an_export_of_ours_is_scored_as_ours(
    core: str, changes: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As code of ours, and as a Mistral."""
    from transformers import dynamic_module_utils

    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    block, model = made(core, **changes)
    standard = export_huggingface(model, block, VOCAB, tmp_path / "hf")
    found = LocalModel(tmp_path / "hf", trust=not standard)
    text = "abc def fed cab " * 6
    score = exact(model, VOCAB.encode_text(text))
    assert sum(found.read(text).nats) == pytest.approx(score.total_nats, rel=1e-4)
    [made_] = found.continued("greedy", GREEDY, ["abc"], 12, 0, nothing)
    whole = found.read("abc" + made_.text)
    if len(made_.text) == 12:  # no <unk> among it, which is spelled with more characters
        assert made_.nats == pytest.approx(sum(whole.nats[3:]), rel=1e-3)


def test_what_needs_more_is_named(gpt2: LocalModel) -> None:
    from recurrence.params import Strategy

    block = Strategy.model_validate({"pick": "argmax", "filters": [{"contrastive_decoding": 0.1}]})
    assert "amateur" in gpt2.takes("x", block) or "weaker" in gpt2.takes("x", block)
    rolling = Strategy.model_validate({"pick": "argmax", "feeding": "rolling", "window": 4})
    assert "fed again" in gpt2.takes("x", rolling)
    assert gpt2.takes("greedy", GREEDY) == ""


@pytest.mark.parametrize("what", ["nothing", "no model", "code of its own"])
def test_a_folder_that_will_not_do_is_named(what: str, tmp_path: Path) -> None:
    said = {
        "nothing": "must be a folder",
        "no model": "does not load it",
        "code of its own": "--trust-remote-code",
    }
    if what == "no model":
        (tmp_path / "config.json").write_text("{}")
    if what == "code of its own":
        block, model = made("rnn")
        export_huggingface(model, block, VOCAB, tmp_path / "hf")
    folder = tmp_path / "hf" if what == "code of its own" else tmp_path
    with pytest.raises(RecurrenceError, match=said[what]):
        LocalModel(folder)
