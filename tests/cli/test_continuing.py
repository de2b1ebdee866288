"""`recurrence generate MODEL --prompt`: strategies of every kind, and what ends a text early."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from recurrence import paths
from recurrence.files import write_json
from recurrence.loops import find_run
from recurrence.vocab import Vocab
from small_project import Cli

PROMPT = "the cat "
STRATEGIES: dict[str, Any] = {
    "greedy": {"pick": "argmax"},
    "multinomial": {"pick": "sample"},
    "beam": {"search": {"beam": 2}},
    "mirostat": {"pick": "sample", "filters": [{"mirostat_v2": {"tau": {"of_bits": 0.5}}}]},
    "contrastive": {"pick": "argmax", "filters": [{"contrastive_decoding": 0.1}]},
    "wrong": {"pick": "sample", "filters": [{"top_kk": 5}]},
    "even": {"pick": "sample", "filters": [{"temperature": 1.0e9}]},
}


@pytest.fixture
def project(trained_project: Path) -> Path:
    """The small project with strategies of every kind, its detector not calibrated."""
    edit(trained_project, strategies=STRATEGIES)
    paths.calibration("mine").unlink()
    return trained_project


def edit(project: Path, **sections: Any) -> None:
    tree = yaml.safe_load((project / "params.yaml").read_text())
    (project / "params.yaml").write_text(yaml.safe_dump(tree | sections))


def said(recurrence: Cli, *words: str) -> tuple[str, str]:
    """What follows the prompt, and stderr, of a call that ends well."""
    code, out, err = recurrence(
        "generate", "mine/rnn", "--prompt", PROMPT, "--length", "150", *words
    )
    assert (code, out[: len(PROMPT)], out[-1]) == (0, PROMPT, "\n")
    return out[len(PROMPT) : -1], err


@pytest.mark.parametrize("strategy", ["greedy", "multinomial", "beam", "mirostat", "contrastive"])
@pytest.mark.usefixtures("project")
def test_every_kind_of_strategy_continues_a_prompt(recurrence: Cli, strategy: str) -> None:
    text, err = said(recurrence, "--strategy", strategy)
    assert (len(text), err) == (150, "")
    assert said(recurrence, "--strategy", strategy)[0] == text


@pytest.mark.parametrize("strategy", ["greedy", "beam"])
@pytest.mark.usefixtures("project")
def test_stop_on_loop_ends_with_the_token_that_proves_it(recurrence: Cli, strategy: str) -> None:
    whole, _ = said(recurrence, "--strategy", strategy)
    text, err = said(recurrence, "--strategy", strategy, "--stop-on-loop")
    assert whole.startswith(text) and len(text) < 150
    run = find_run([ord(letter) for letter in text], 40)
    assert run is not None and run.end == len(text)
    assert find_run([ord(letter) for letter in text[:-1]], 40) is None
    assert (
        err == f"stopped after {len(text)} tokens, {150 - len(text)} saved: "
        f"a loop of period {run.period} since token {run.start + 1}\n"
    )


@pytest.mark.usefixtures("project")
def test_a_text_that_does_not_loop_is_not_stopped(recurrence: Cli) -> None:
    assert said(recurrence, "--strategy", "even", "--stop-on-loop") == said(
        recurrence, "--strategy", "even"
    )


def test_the_floor_is_the_detector_cards_or_that_of_params(recurrence: Cli, project: Path) -> None:
    edit(project, loops={"floor": {"char": 60, "word": 20}})
    later, _ = said(recurrence, "--stop-on-loop")
    write_json(paths.calibration("mine"), {"detector": {"floor": 25}})
    sooner, _ = said(recurrence, "--stop-on-loop")
    assert len(later) == len(sooner) + 60 - 25


def test_stop_at_eos_ends_with_it(recurrence: Cli, project: Path) -> None:
    # As if the corpus had put <eos> where it has its commas: the file of the vocabulary alone says
    # how ids are read.
    path = paths.model("mine", "rnn") / "vocab.json"
    vocab = Vocab.load(path)
    tokens = tuple("<eos>" if token == "," else token for token in vocab.tokens)
    Vocab(tokens, vocab.specials, vocab.rule).save(path)
    whole, _ = said(recurrence, "--strategy", "even")
    text, err = said(recurrence, "--strategy", "even", "--stop-at-eos")
    assert text == whole[: whole.index("<eos>") + len("<eos>")]
    assert re.fullmatch(
        r"stopped after \d+ tokens, \d+ saved: the text ended itself \(<eos>\)\n", err
    )


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--prompt", "the", "--strategy", "greedi"],
            "strategies has no 'greedi'; did you mean 'greedy'? available: ",
        ),
        (
            ["--prompt", "the", "--strategy", "wrong"],
            "strategies.wrong.filters: no filter 'top_kk'; did you mean 'top_k",
        ),
        (["--prompt", "the", "--stop-at-eos"], "--stop-at-eos: the vocabulary of"),
        (["--prompt", ""], "prompt '' is empty"),
        (["--stop-on-loop"], "--stop-on-loop needs a --prompt to continue; without options"),
        (["--strategy", "greedy"], "--strategy needs a --prompt to continue"),
        (["--seed", "0", "--length", "9"], "--length needs a --prompt to continue"),
    ],
)
def test_bad_calls_are_named(recurrence: Cli, words: list[str], message: str) -> None:
    code, out, err = recurrence("generate", "mine/rnn", *words)
    assert (code, out) == (2, "")
    assert message in err and err.count("\n") == 1


def test_a_strategy_that_needs_what_is_missing_says_so(recurrence: Cli, project: Path) -> None:
    edit(project, sampling={})
    code, _, err = recurrence(
        "generate", "mine/rnn", "--prompt", "the", "--strategy", "contrastive"
    )
    assert (code, "this strategy needs a second, weaker model" in err) == (2, True)
    paths.scores("mine", "rnn").unlink()
    code, _, err = recurrence("generate", "mine/rnn", "--prompt", "the", "--strategy", "mirostat")
    assert (code, "data/scores/mine/rnn.json: no such file" in err) == (2, True)


def test_a_strategy_needs_no_amateur_that_it_does_not_use(recurrence: Cli, project: Path) -> None:
    """mirostat needs the model's bits alone: neither the block of params.yaml nor a trained
    amateur.
    """
    expected = said(recurrence, "--strategy", "mirostat")
    shutil.rmtree(paths.model("mine", "unigram"))
    assert said(recurrence, "--strategy", "mirostat") == expected
    edit(project, sampling={})
    assert said(recurrence, "--strategy", "mirostat") == expected


@pytest.mark.usefixtures("project")
def test_what_of_a_prompt_is_unknown_is_said(recurrence: Cli) -> None:
    code, out, err = recurrence("generate", "mine/rnn", "--prompt", "the Qat ß Q", "--length", "5")
    assert code == 0
    assert err == ("prompt: 3 of 11 chars are not in the vocabulary, and read as <unk>: 'Q', 'ß'\n")
    assert out.startswith("the <unk>at")
    assert "not in the vocabulary" in recurrence("next", "mine/rnn", "--prompt", "the Q")[2]
