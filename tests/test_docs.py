"""README, CONTRIBUTING and docs/: their code blocks run, or name commands and options that there
are.

A block after `<!-- run -->` is run in a small project. Of every other shell block each command is
parsed by the program that it names, as far as that is ours, dvc or make.
"""

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import yaml
from typer.main import get_command

from recurrence import params
from recurrence.cli import app
from small_project import PARAMS, Cli

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"(?:<!-- (run[^>]*?) -->\n)?^```(\w*)\n(.*?)^```", re.M | re.S)
SHELL = ("sh", "bash")
SMALL = {
    "nietzsche/lstm": "mine/rnn",
    "top_p_0_9": "multinomial",
    "essay.txt": "texts/mine.txt",
    "texts/poems.txt": "texts/mine.txt",
}
"""Names in the pages, and what stands for them in the small project."""
FREE = (
    "git",
    "cat",
    "rm",
    "cp",
    "mkdir",
    "pip",
    "pytest",
    "torchrun",
    "ray",
    "salloc",
    "srun",
    "kubectl",
)
"""Programs whose options nobody checks here."""


class Block(NamedTuple):
    page: str
    mark: str
    language: str
    text: str


def blocks() -> Iterator[Block]:
    for page in PAGES:
        for mark, language, text in BLOCK.findall(page.read_text(encoding="utf-8")):
            yield Block(page.relative_to(ROOT).as_posix(), mark, language, text)


def commands(block: Block) -> Iterator[list[str]]:
    """The words of each command of a shell block, without comments and settings before it."""
    for line in block.text.replace("\\\n", " ").splitlines():
        for part in re.split(r"&&|\||(?<!\S)[&>](?!\S).*", line):
            words = shlex.split(part, comments=True)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words = words[1:]
            if words:
                yield words


def named(block: Block) -> str:
    return f"{block.page}: {block.text.strip().splitlines()[0][:40]}"


EVERY = list(blocks())
SHELLS = [each for each in EVERY if each.language in SHELL]


def test_every_block_says_its_language() -> None:
    known = (*SHELL, "python", "yaml", "text")
    assert not [named(each) for each in EVERY if each.language not in known]


@pytest.mark.parametrize("block", SHELLS, ids=named)
def test_the_commands_and_options_of_a_block_are_there(block: Block) -> None:
    found = list(commands(block))
    assert found
    for words in found:
        program, *rest = words
        if program == "recurrence":
            parse_ours(rest)
        elif program == "dvc":
            parse_dvc(rest)
        elif program == "make":
            parse_make(rest)
        elif program == "python":
            parse_python(rest)
        else:
            assert program in FREE, f"{program}: of which nothing is known here"


def parse_ours(words: list[str]) -> None:
    """Raises what the command line would say of an unknown command, option or value."""
    group: Any = get_command(app)
    name, command, rest = group.resolve_command(group.context_class(group), words)
    assert command is not None
    with command.make_context(name, list(rest)):
        pass


def parse_dvc(words: list[str]) -> None:
    from dvc.cli import parse_args

    parse_args(words)


def parse_make(words: list[str]) -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", text, re.M))
    variables = set(re.findall(r"^([A-Z]+) \?=", text, re.M))
    for word in words:
        assert word in targets or word.partition("=")[0] in variables, f"make {word}"


def parse_python(words: list[str]) -> None:
    """A benchmark, or a module of ours; its options stand in its text."""
    if words[0] == "-m":
        file = ROOT / "src" / f"{words[1].replace('.', '/')}.py"
        words = words[1:]
    else:
        file = ROOT / words[0]
    assert file.is_file()
    text = file.read_text(encoding="utf-8")
    assert all(f'"{word}"' in text for word in words[1:] if word.startswith("--"))


# ---------------------------------------------------------------- blocks that run


def marked(mark: str, *languages: str) -> list[Block]:
    return [each for each in EVERY if each.mark == mark and each.language in languages]


@pytest.mark.parametrize("block", marked("run", *SHELL), ids=named)
def test_the_commands_of_a_block_run(block: Block, trained_project: Path, recurrence: Cli) -> None:
    (trained_project / "story.txt").write_text("Once upon a time. " * 40, encoding="utf-8")
    rows = ["a short text that says something once", "and on and on and on " * 30]
    lines = [json.dumps({"text": text, "model": "mine"}) + "\n" for text in rows]
    (trained_project / "samples.jsonl").write_text("".join(lines), encoding="utf-8")
    for words in commands(block):
        code, out, err = recurrence(*(SMALL.get(word, word) for word in words[1:]))
        is_loops = words[1] == "loops"
        assert code in ((0, 1) if is_loops else (0,)), f"{words}: {err}"
        assert out


@pytest.mark.parametrize("block", marked("run", "yaml"), ids=named)
def test_a_block_of_params_is_valid(block: Block) -> None:
    """Beside those that there are."""
    tree = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    for section, entries in yaml.safe_load(block.text).items():
        tree[section] |= entries
    if "cores" not in block.text and "mgu" in block.text:  # the page's own core, see below
        tree["models"]["human_numbers-mgu"]["core"] = "rnn_cell"
    known = params.parse(yaml.safe_dump(tree))
    assert known.models


def test_a_corpus_of_ones_own_goes_through_the_stages(empty_project: Path, recurrence: Cli) -> None:
    """The page's block, as far as the ids; what comes after is the same for all corpora."""
    [block] = [each for each in marked("run", "yaml") if each.page == "docs/own-corpus.md"]
    tree = yaml.safe_load(PARAMS)
    for section, entries in yaml.safe_load(block.text).items():
        tree[section] |= entries
    (empty_project / "params.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    (empty_project / "texts/poems").mkdir()
    for name in ("one.txt", "two.txt"):
        text = "Tyger tyger, burning\n" * 25
        (empty_project / "texts/poems" / name).write_text(text, encoding="utf-8")
    for stage in ("download", "split", "build_vocab", "numericalize"):
        assert recurrence(stage, "poems")[0] == 0
    assert len(np.load(empty_project / "data/ids/poems/train.npy")) > 800


def test_the_core_of_the_page_keeps_the_contract() -> None:
    [block] = marked("run: core", "python")
    names: dict[str, Any] = {}
    exec(block.text, names)
    core = names["Core"](4, 6, 1, params.Dropout()).double()
    x_BTE = torch.randn(3, 5, 4, dtype=torch.double, generator=torch.Generator().manual_seed(0))
    state = tuple(torch.zeros(layers, 3, size).double() for layers, size in core.state_shapes)
    whole, after = core(x_BTE, state)
    steps = []
    for x_B1E in x_BTE.split(1, 1):
        out, state = core(x_B1E, state)
        steps.append(out)
    torch.testing.assert_close(torch.cat(steps, 1), whole)
    torch.testing.assert_close(state, after)
    assert whole.shape == (3, 5, core.output_size)


def test_the_filter_of_the_page_does_what_it_says() -> None:
    from recurrence.decoding.filters.contract import Setting
    from recurrence.vocab import Vocab

    [block] = marked("run: filter", "python")
    names: dict[str, Any] = {}
    exec(block.text, names)
    setting = Setting(Vocab(("a", "b", "c"), (), params.Tokens(unit="char")))
    keep = names["top_two"](0, setting)
    logits_BV = torch.tensor([[1.0, 3.0, 2.0]]).double()
    history_BT = torch.zeros(1, 1).long()
    assert keep(logits_BV, history_BT).tolist() == [[-float("inf"), 3, 2]]
    with pytest.raises(ValueError, match="top_two must be"):
        names["top_two"](-1, setting)


def test_the_detector_of_the_page_runs() -> None:
    [block] = marked("run: detector", "python")
    again = "the same again, " * 20
    names: dict[str, Any] = {"text": again, "frame": {"completion": [again, "once"]}}
    names["tokens"] = np.zeros(8, int)
    exec(block.text, names)
    assert names["verdict"].kind == "exact"
    assert [verdict.kind for verdict in names["verdicts"]] == ["exact", "none"]
    assert len(names["fired"]) == 8


@pytest.mark.parametrize("to", ["onnx", "huggingface"])
@pytest.mark.filterwarnings("ignore")  # those of transformers
def test_an_exported_model_is_used_as_the_page_says(
    to: str, trained_project: Path, recurrence: Cli, capsys: pytest.CaptureFixture[str]
) -> None:
    for package in {"onnx": ("onnxscript", "onnxruntime"), "huggingface": ("transformers",)}[to]:
        pytest.importorskip(package)
    assert recurrence("export", "mine/rnn", "out", "--to", to)[0] == 0
    [block] = [each for each in marked(f"run: {to}", "python") if each.page == "docs/export.md"]
    exec(block.text, {"folder": trained_project / "out"})
    assert capsys.readouterr().out.startswith("the c")


@pytest.mark.filterwarnings("ignore")  # those of mlflow's own classes
def test_the_champion_is_loaded_as_the_page_says(
    trained_project: Path,
    fresh_store: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import mlflow

    from recurrence.stages import track

    (trained_project / ".mlflow").mkdir()
    shutil.copy(fresh_store, trained_project / ".mlflow/mlflow.db")
    track.main("mine")
    [block] = [each for each in marked("run: champion", "python") if each.page == "docs/mlflow.md"]
    store = f"sqlite:///{trained_project}/.mlflow/mlflow.db"
    monkeypatch.setattr(mlflow.tracking._tracking_service.utils, "_tracking_uri", store)
    monkeypatch.setattr(mlflow.tracking._model_registry.utils, "_registry_uri", store)
    capsys.readouterr()
    text = block.text.replace("nietzsche-lstm", "mine-rnn").replace(" for thos", "the cat")
    exec(text, {})
    assert "nats_per_token" in capsys.readouterr().out


# ---------------------------------------------------------------- links


def places() -> Iterator[tuple[Path, str]]:
    for page in PAGES:
        for place in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            yield page, place.partition("#")[0]


def test_links_lead_somewhere() -> None:
    inside = [(page, place) for page, place in places() if place and "://" not in place]
    assert not [
        f"{page.name}: {place}" for page, place in inside if not (page.parent / place).exists()
    ]


def test_the_list_of_pages_has_them_all() -> None:
    listed = (ROOT / "docs/README.md").read_text(encoding="utf-8")
    pages = {page.name for page in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert not {name for name in pages if f"({name})" not in listed}
