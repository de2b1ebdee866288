"""A project small enough to train in a test: one corpus of 60 lines, one net, one baseline, two
strategies.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from unittest import mock

import pytest

Cli = Callable[..., tuple[int, str, str]]

PARAMS = """
corpora:
  mine:
    source: {kind: text, addresses: [texts/mine.txt]}
    tokens: {unit: char}
    split: {rule: line_fraction, fraction: 0.8}
    vocab: {}
    prompts: {prompt_tokens: 8, length: 40}
recipes:
  short:
    batches: {loader: lanes, size: 2, bptt: 16}
    phases:
      - {epochs: 1, schedule: {kind: constant, lr: 1.0e-2}, optimizer: {}}
  counted: {}
models:
  mine-rnn:
    corpus: mine
    name: rnn
    core: rnn
    embedding: 8
    hidden: 16
    recipe: short
  mine-unigram: {corpus: mine, name: unigram, core: unigram, recipe: counted}
sampling:
  mine-rnn: {corpus: mine, name: rnn, reference: unigram, amateur: unigram}
  mine-unigram: {corpus: mine, name: unigram, reference: rnn, amateur: rnn, strategies: [multinomial]}
protocol:
  size: tiny
  reference: multinomial
  bound: {char: 0.01, word: 0.03}
  tiny: {pairs: 1, seeds: [0], candidates: 1, card_trials: 1}
strategies:
  greedy: {pick: argmax}
  multinomial: {pick: sample}
compute: {device: cpu, threads: 1}
"""
CARD = {
    "unit": "char", "length": 40,
    "detector": {"floor": 10, "near_floor": 10, "near_delta": 0.4, "rep_n": 8, "rep_limit": 0.9, "zlib_limit": None},
    "bands": {name: {"high": 9.0} for name in ("rep_2", "rep_4", "rep_8", "zlib_ratio")},
}  # fmt: skip
"""What calibrate would say, by hand: it takes longer than all other stages."""
TEXT = "".join(f"the cat sat on mat {i}, and the dog ate it.\n" for i in range(60))


@contextmanager
def project_in(root: Path) -> Iterator[Path]:
    """Make `root` the project and the current folder, with params.yaml and the corpus in it."""
    (root / "params.yaml").write_text(PARAMS, encoding="utf-8")
    (root / "texts").mkdir(exist_ok=True)
    (root / "texts/mine.txt").write_text(TEXT, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch, mock.patch.dict(os.environ):
        for name in ("RECURRENCE_MIRROR", "RECURRENCE_DEVICE"):
            patch.delenv(name, raising=False)
        patch.setenv("RECURRENCE_ROOT", str(root))
        patch.chdir(root)
        yield root


@pytest.fixture
def empty_project(tmp_path: Path) -> Iterator[Path]:
    """A project in which nothing ran yet."""
    with project_in(tmp_path) as root:
        yield root


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its data/ after the stages up to `evaluate`, and a card; for `trained_project` to copy."""
    with project_in(tmp_path_factory.mktemp("small")) as root:
        for stage in ("download", "split", "build_vocab", "numericalize"):
            import_module(f"recurrence.stages.{stage}").main("mine")
        for model in ("mine-rnn", "mine-unigram"):
            for stage in ("train", "evaluate"):
                import_module(f"recurrence.stages.{stage}").main(model)
        (root / "data/loops/mine").mkdir(parents=True)
        (root / "data/loops/mine/calibration.json").write_text(json.dumps(CARD), encoding="utf-8")
    return root / "data"


@pytest.fixture
def trained_project(trained_once: Path, empty_project: Path) -> Path:
    """A project run up to `evaluate`, of the test's own: it may do to it what it likes."""
    shutil.copytree(trained_once, empty_project / "data")
    return empty_project


@pytest.fixture
def recurrence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Call the command as a shell does: (exit code, stdout, stderr)."""
    from recurrence import cli

    def call(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["recurrence", *words])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            cli.main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return call
