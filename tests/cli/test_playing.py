import sys
from pathlib import Path

import pytest

from recurrence import play as package
from recurrence.cli import playing
from small_project import Cli


def test_without_gradio_it_says_what_to_install(
    trained_project: Path, recurrence: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "recurrence.play.page", raising=False)
    monkeypatch.delattr(package, "page", raising=False)
    monkeypatch.setitem(sys.modules, "gradio", None)
    code, _, err = recurrence("play")
    assert code == 2
    assert "needs gradio, which is not installed: pip install 'recurrence-lab[play]'" in err


def test_a_project_without_models_says_what_to_run(empty_project: Path, recurrence: Cli) -> None:
    code, _, err = recurrence("play")
    assert code == 2 and "no model is trained yet" in err and "recurrence repro train" in err


def test_an_unknown_model_is_named(trained_project: Path, recurrence: Cli) -> None:
    code, _, err = recurrence("play", "mine/rn")
    assert code == 2 and "mine-rnn" in err


def test_a_model_comes_with_its_reference_model_and_a_prompt(trained_project: Path) -> None:
    opened = playing.opened("mine/rnn")
    assert opened.reference == "unigram" and opened.writer.reference is not None
    assert len(playing._prompt("mine/rnn")) == 8  # held-out text, as long as the corpus's prompts
