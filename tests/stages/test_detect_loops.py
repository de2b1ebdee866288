"""The stage on a project with planted samples: a verdict for each, human text beside them, rates of both."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from recurrence.errors import RecurrenceError
from recurrence.params import Tokens
from recurrence.stages import detect_loops
from recurrence.vocab import Vocab

LENGTH = 60
LETTERS = "abcdefghij"
FIELDS = ["kind", "start", "period", "copies", "matched", "coverage", "terminal", "unit", "attractor"]
METRICS = {f"rep_{n}" for n in (1, 2, 3, 4, 8)} | {"distinct_2", "distinct_4", "zlib_ratio", "longest_repeat"}
SHARES = {"exact_rate", "exact_lo", "exact_hi", "terminal_rate", "onset_median", "period_median", "copies_median"}
RATES = {"samples", "length", "exact", "coverage_mean", "attractors"} | SHARES | METRICS - {"rep_1", "rep_2", "rep_3"}
CORPUS = {
    "source": {"kind": "text", "addresses": ["toy.txt"]},
    "tokens": {"unit": "char"},
    "split": {"rule": "line_fraction"},
    "vocab": {"specials": ["<unk>"]},
    "prompts": {"length": LENGTH},
}
PARAMS = {
    "corpora": {"toy": CORPUS},
    "models": {"toy-unigram": {"corpus": "toy", "name": "unigram", "core": "unigram"}},
    "strategies": {"greedy": {"pick": "argmax"}, "multinomial": {"pick": "sample"}},
    "loops": {"floor": {"char": 30, "word": 20}, "human_windows": 3},
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two greedy samples that loop, one only half as long as the floor asks, and one that does not; human text."""
    monkeypatch.setenv("RECURRENCE_ROOT", str(tmp_path))
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(PARAMS), encoding="utf-8")
    vocab = Vocab(("<unk>", *LETTERS), ("<unk>",), Tokens(unit="char"))
    vocab.save(tmp_path / "data/vocab/toy.json")
    rng = np.random.default_rng(0)
    mixed = rng.integers(1, 11, 600)
    put_ids(tmp_path, train=mixed[:350], valid=mixed[350:])
    texts = {
        "greedy/0/0/0": "jihgf" + "abcde" * 11,
        "greedy/1/0/0": "cdeab" * 10 + "jihgfjighj",
        "greedy/2/0/0": "jihgf" + "ab" * 8 + vocab.decode(mixed[:39]),
        "multinomial/0/0/0": vocab.decode(mixed[100 : 100 + LENGTH]),
        "multinomial/0/0/1": "<unk>" * LENGTH,
    }
    rows = [
        {"sample_id": name, "strategy": name.split("/")[0], "text": text, "ids": ids(vocab, text)}
        for name, text in texts.items()
    ]
    path = tmp_path / "data/samples/toy/unigram.parquet"
    path.parent.mkdir(parents=True)
    pd.DataFrame(rows).to_parquet(path)
    return tmp_path


def put_ids(root: Path, **parts: np.ndarray) -> None:
    folder = root / "data/ids/toy"
    folder.mkdir(parents=True, exist_ok=True)
    for part, values in parts.items():
        np.save(folder / f"{part}.npy", values.astype(np.uint8))


def ids(vocab: Vocab, text: str) -> np.ndarray:
    return vocab.encode(["<unk>"] * LENGTH if text.startswith("<") else list(text))


def detected(root: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    detect_loops.main("toy-unigram")
    folder = root / "data/loops/toy"
    return pd.read_parquet(folder / "unigram.parquet"), json.loads((folder / "unigram.json").read_text())


def test_a_verdict_and_metrics_for_every_sample_and_human_window(project: Path) -> None:
    table, _ = detected(project)
    assert set(table) == {"sample_id", "strategy", "length", *FIELDS, *METRICS}
    human = [f"human/{part}/{i}" for part in ("train", "valid") for i in range(3)]
    assert list(table["sample_id"])[5:] == human
    assert set(table["strategy"][5:]) == {"human"}
    assert list(table["kind"]) == ["exact", "exact"] + ["none"] * 9
    one, two = table.to_dict("records")[:2]
    verdict = {"start": 5, "period": 5, "copies": 11.0, "matched": 50, "coverage": 50 / 60, "terminal": True}
    assert {k: one[k] for k in FIELDS[1:]} == verdict | {"unit": "abcde", "attractor": "abcde"}
    assert (two["start"], two["unit"], two["attractor"], two["terminal"]) == (0, "cdeab", "abcde", False)
    assert table[FIELDS[1:]][2:].isna().all(axis=None)
    assert one["rep_4"] == 1 - len({("jihgf" + "abcde" * 11)[i : i + 4] for i in range(57)}) / 57
    assert set(table["length"]) == {LENGTH}


def test_rates_of_each_strategy_and_of_held_out_human_text(project: Path) -> None:
    table, found = detected(project)
    assert {k: v for k, v in found.items() if k != "strategies"} == {"floor": 30, "unit": "char", "length": LENGTH}
    assert list(found["strategies"]) == ["greedy", "multinomial", "human"]
    greedy, human = found["strategies"]["greedy"], found["strategies"]["human"]
    assert set(greedy) == set(human) == RATES
    expected = {"samples": 3, "exact": 2, "exact_rate": 2 / 3, "terminal_rate": 1 / 3, "onset_median": 2.5}
    assert {k: greedy[k] for k in expected} == expected
    assert greedy["attractors"] == 1
    assert greedy["rep_4"] == pytest.approx(table["rep_4"][:3].mean())
    assert (human["samples"], human["exact_rate"], human["onset_median"]) == (3, 0, None)
    valid = table[table["sample_id"].str.startswith("human/valid/")]
    assert human["zlib_ratio"] == pytest.approx(valid["zlib_ratio"].mean())


def test_the_same_bytes_every_time(project: Path) -> None:
    files = [project / f"data/loops/toy/unigram.{kind}" for kind in ("parquet", "json")]
    detected(project)
    first = [file.read_bytes() for file in files]
    detected(project)
    assert [file.read_bytes() for file in files] == first


def test_the_floor_rises_above_the_training_text(project: Path) -> None:
    """Its second window repeats 45 characters: what loops less is no loop here."""
    rng = np.random.default_rng(1)
    refrain = np.concatenate([rng.integers(1, 11, 65), np.resize([1, 2, 3], 48), rng.integers(1, 11, 200)])
    put_ids(project, train=refrain)
    table, found = detected(project)
    assert found["floor"] == 46
    assert list(table["kind"][:2]) == ["exact", "none"]
    assert "exact" not in set(table["kind"][2:])


def test_text_shorter_than_a_sample_gives_no_windows(project: Path) -> None:
    put_ids(project, train=np.arange(20) % 10, valid=np.arange(20) % 10)
    table, found = detected(project)
    assert len(table) == 5
    assert found["floor"] == 30
    assert found["strategies"]["human"]["samples"] == 0
    assert found["strategies"]["human"]["exact_rate"] is None


def test_samples_that_are_not_there_are_named(project: Path) -> None:
    (project / "data/samples/toy/unigram.parquet").unlink()
    with pytest.raises(RecurrenceError, match=r"unigram.parquet: no samples; run generate@toy-unigram"):
        detect_loops.main("toy-unigram")
    assert not (project / "data/loops").exists()


def test_one_line_says_how_many_loop(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    detect_loops.main("toy-unigram")
    told = "detect_loops toy-unigram: floor 30 chars; looping greedy 2/3, multinomial 0/2, human 0/3\n"
    assert capsys.readouterr().err == told
