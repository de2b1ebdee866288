"""The stage on a small corpus: a card where it should be, by the corpus's vocabulary and the
project's params.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from loops.made_text import chars, prose
from recurrence.params import Tokens
from recurrence.stages import calibrate
from recurrence.study.planted import Cell
from recurrence.vocab import Vocab

CORPUS = {
    "source": {"kind": "text", "addresses": ["toy.txt"]},
    "tokens": {"unit": "char"},
    "split": {"rule": "line_fraction"},
    "vocab": {"specials": ["<unk>"]},
    "prompts": {"prompt_tokens": 8, "length": 200},
}
PARAMS = {
    "corpora": {"toy": CORPUS},
    "models": {},
    "strategies": {},
    "loops": {"floor": {"char": 30, "word": 20}},
    "protocol": {"size": "small", "small": {"card_trials": 2}},
}
GRID = tuple(
    Cell(period, 3.0, edits, "gap", False) for period in (3, 40, 85) for edits in (0.0, 0.05, 0.1)
)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECURRENCE_ROOT", str(tmp_path))
    monkeypatch.setattr("recurrence.study.calibration.GRID", GRID)
    monkeypatch.setattr(calibrate, "GRID", GRID)
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(PARAMS), encoding="utf-8")
    text = prose(3, 1_500)
    vocab = Vocab(("<unk>", *sorted(set(text))), ("<unk>",), Tokens(unit="char"))
    vocab.save(tmp_path / "data/vocab/toy.json")
    folder = tmp_path / "data/ids/toy"
    folder.mkdir(parents=True)
    ids = vocab.encode(list(text)).astype(np.uint8)
    np.save(folder / "train.npy", ids[:7_000])
    np.save(folder / "valid.npy", ids[7_000:])
    assert len(chars(text)) > 8_000
    return tmp_path


def made(root: Path) -> dict[str, Any]:
    calibrate.main("toy")
    tree: dict[str, Any] = json.loads((root / "data/loops/toy/calibration.json").read_text())
    return tree


def test_the_card_of_a_corpus(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = made(project)
    assert (tree["unit"], tree["length"], tree["default_floor"], tree["detector"]["floor"]) == (
        "char",
        200,
        30,
        30,
    )
    assert tree["human"]["train"]["windows"] == 35
    assert tree["human"]["valid"]["false_positives"]["exact"] == 0
    assert [row["trials"] for row in tree["planted"]] == [2] * len(GRID)
    assert tree["recall"]["exact_above_floor"] == {"found": 4, "trials": 4}
    assert tree["bands"]["non_word"]["median"] is not None
    said = capsys.readouterr().err
    assert "detector card of toy: 18 planted texts" in said
    assert (
        "calibrate toy: floors 30 and 30 chars; planted loops found: exact_above_floor 4/4" in said
    )


def test_the_same_bytes_every_time(project: Path) -> None:
    made(project)
    first = (project / "data/loops/toy/calibration.json").read_bytes()
    made(project)
    assert (project / "data/loops/toy/calibration.json").read_bytes() == first
