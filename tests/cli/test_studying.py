"""`recurrence study`: from a folder or an address to a page."""

import json
from pathlib import Path
from statistics import fmean

import pandas as pd
import pytest

from outside.tiny_gpt2 import TEXT, build, serving
from small_project import Cli

pytestmark = pytest.mark.filterwarnings("ignore")  # those of transformers


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("made") / "gpt2")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder outside of any project, with prompts and a text of people."""
    monkeypatch.delenv("RECURRENCE_ROOT", raising=False)
    monkeypatch.chdir(tmp_path)
    lines = TEXT.splitlines()
    (tmp_path / "prompts.txt").write_text("\n".join(line[:20] for line in lines[:12]), "utf-8")
    (tmp_path / "people.txt").write_text(TEXT, encoding="utf-8")
    return tmp_path


ASKED = ("--prompts", "prompts.txt", "--length", "30", "--first", "4")


def test_a_folder_of_transformers_is_studied(gpt2: Path, here: Path, recurrence: Cli) -> None:
    names = "greedy,multinomial,top_p_0_9"
    options = ("--text", "people.txt", "--strategies", names, "--out", "found", "--bound", "0.5")
    code, out, err = recurrence("study", str(gpt2), *ASKED, *options)
    assert code == 0, err
    assert set(names.split(",")) <= {line.split()[0] for line in out.splitlines()}
    assert "recommended: " in out or "nearest: " in out
    page = (here / "found/index.html").read_text(encoding="utf-8")
    assert "GPT2LMHeadModel" in page and "dvc repro" not in page
    models = pd.read_csv(here / "found/models.csv")
    nats = float(models["exact_nats"].iloc[0])
    assert models["bits_per_char"].iloc[0] == pytest.approx(nats / 0.693147, rel=1e-4)
    decoding = pd.read_csv(here / "found/decoding.csv").set_index("strategy")
    lines = (here / "found/samples.jsonl").read_text(encoding="utf-8").splitlines()
    first = [each for each in map(json.loads, lines) if not each["fresh"]]
    assert len(first) == 12
    prices = [each["reference_nats"] for each in first if each["strategy"] == "greedy"]
    assert decoding.loc["greedy", "reference_nats"] == pytest.approx(fmean(prices), rel=1e-4)


def test_a_folder_is_studied_without_a_text(gpt2: Path, here: Path, recurrence: Cli) -> None:
    code, out, err = recurrence("study", str(gpt2), *ASKED, "--strategies", "greedy")
    assert (code, "recommended" in out) == (0, False), err
    assert "predicts best" in (here / "study-gpt2/index.html").read_text(encoding="utf-8")
    assert recurrence("study", str(gpt2), *ASKED, "--strategies", "greedy")[0] == 0  # again


def test_an_address_is_sampled_and_judged(here: Path, recurrence: Cli) -> None:
    with serving() as address:
        code, out, err = recurrence(
            "study", address, *ASKED, "--text", "people.txt", "--out", "api"
        )
    assert code == 0, err
    assert "without beam_4: a search needs the model itself" in err
    rates = pd.read_csv(here / "api/decoding.csv").set_index("strategy")["loop_rate"]
    assert (rates["greedy"], rates["multinomial"]) == (1, 0)
    assert out.splitlines()[-1].startswith("greedy")
    assert "predicts best" not in (here / "api/index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--prompts", "absent.txt"), "cannot be read"),
        ((*ASKED, "--strategies", "greedi"), "did you mean 'greedy'"),
        ((*ASKED, "--out", "."), "is there, and no study"),
        (("--prompts", "bad.jsonl"), "bad.jsonl:1: must be a JSON object"),
    ],
)
def test_what_will_not_do_is_one_line(
    options: tuple[str, ...], said: str, gpt2: Path, here: Path, recurrence: Cli
) -> None:
    (here / "bad.jsonl").write_text('{"question": "why"}\n', encoding="utf-8")
    code, _, err = recurrence("study", str(gpt2), *options)
    assert (code, said in err) == (2, True), err
    assert not list(here.glob("study-*"))


def test_a_net_of_ours_is_studied_once_exported(
    trained_project: Path, recurrence: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bits per character are those of `recurrence score`."""
    from transformers import dynamic_module_utils

    modules = str(trained_project / "modules")
    monkeypatch.setattr(dynamic_module_utils, "HF_MODULES_CACHE", modules)
    (trained_project / "prompts.txt").write_text("the cat\nthe dog\n", encoding="utf-8")
    assert recurrence("export", "mine/rnn", "ours", "--to", "huggingface")[0] == 0
    asked = ("study", "ours", *ASKED, "--text", "texts/mine.txt", "--strategies", "greedy")
    assert "--trust-remote-code" in recurrence(*asked)[2]
    code, _, err = recurrence(*asked, "--trust-remote-code")
    assert code == 0, err
    bits = pd.read_csv(trained_project / "study-ours/models.csv")["bits_per_char"].iloc[0]
    said = recurrence("score", "mine/rnn", "texts/mine.txt")[1]
    assert f"bits per character  {bits:.4f}" in said
