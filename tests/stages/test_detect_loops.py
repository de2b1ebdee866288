"""The stage on a project with planted samples: a verdict for each, human text beside them, rates of
both.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from recurrence import paths
from recurrence.errors import RecurrenceError
from recurrence.files import md5
from recurrence.params import Tokens
from recurrence.repetition.metrics import METRICS
from recurrence.repetition.published import PUBLISHED
from recurrence.stages import detect_loops
from recurrence.vocab import Vocab

LENGTH, LONG = 60, 120
LETTERS = "abcdefghij. "
ABOUT = ["sample_id", "strategy", "prompt_id", "train_seed", "sample_seed", "fresh"]
FIELDS = [
    "kind",
    "length",
    "start",
    "period",
    "copies",
    "matched",
    "coverage",
    "terminal",
    "identity",
]
FIELDS += ["nested_start", "nested_period", "nested_matched", "unit", "attractor"]
ELSEWHERE = [
    "long_kind",
    "long_start",
    "long_period",
    "witness_period",
    "agrees",
    "eos_at",
    "stopped_kind",
]
CORPUS = {
    "source": {"kind": "text", "addresses": ["toy.txt"]},
    "tokens": {"unit": "char"},
    "split": {"rule": "line_fraction"},
    "vocab": {"specials": ["<unk>", "<eos>"]},
    "prompts": {"length": LENGTH, "long_length": LONG},
}
PARAMS = {
    "corpora": {"toy": CORPUS},
    "recipes": {"counted": {}},
    "models": {
        f"toy-{n}": {"corpus": "toy", "name": n, "core": n, "recipe": "counted"}
        for n in ("unigram", "uniform", "kneser_ney")
    },
    "sampling": {
        "toy-unigram": {
            "corpus": "toy",
            "name": "unigram",
            "reference": "kneser_ney",
            "amateur": "uniform",
        }
    },
    "protocol": {
        "size": "small",
        "small": {"pairs": 2, "candidates": 0},
        "reference": "multinomial",
    },
    "strategies": {"greedy": {"pick": "argmax"}, "multinomial": {"pick": "sample"}},
    "loops": {"human_windows": 3},
}
CARD = {
    "unit": "char", "length": LENGTH,
    "detector": {"floor": 30, "near_floor": 30, "near_delta": 0.4, "rep_n": 8, "rep_limit": 0.3, "zlib_limit": None},
    "bands": {name: {"high": 9.0} for name in ("rep_2", "rep_4", "rep_8", "zlib_ratio")},
}  # fmt: skip
MIXED = np.random.default_rng(0).integers(2, 14, 700)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two greedy samples that loop, one that does so only after the first 60 characters, and one of
    pure sampling.
    """
    monkeypatch.setenv("RECURRENCE_ROOT", str(tmp_path))
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(PARAMS), encoding="utf-8")
    vocab = Vocab(("<unk>", "<eos>", *LETTERS), ("<unk>", "<eos>"), Tokens(unit="char"))
    vocab.save(tmp_path / "data/vocab/toy.json")
    put_ids(tmp_path, train=MIXED[:350], valid=MIXED[350:600])
    texts = {
        "greedy/0/0/0": vocab.encode(list("jihgf" + "abcde" * 23)),
        "greedy/1/0/0": vocab.encode(list("cdeab" * 10 + "jihgfjighj" + "ab. " * 15)),
        "greedy/2/0/0": np.concatenate([MIXED[600:660], vocab.encode(list("abc" * 20))]),
        "multinomial/0/0/0": MIXED[640:700],
        "multinomial/0/0/1": np.concatenate([MIXED[100:130], [1], np.zeros(29, int)]),
    }
    put_samples(tmp_path, texts)
    put(tmp_path / "data/loops/toy/calibration.json", json.dumps(CARD))
    prices = {
        "sample_id": [*texts, *(f"human/valid/{i}" for i in range(3))],
        "reference_nats": [1, 2, 3, 4, None, 6, 7, 8],
    }
    put_table(tmp_path / "data/samples/toy/unigram/reference_nats.parquet", pd.DataFrame(prices))
    return tmp_path


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def put_table(path: Path, table: pd.DataFrame) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table.to_parquet(path)


def put_ids(root: Path, **parts: np.ndarray) -> None:
    folder = root / "data/ids/toy"
    folder.mkdir(parents=True, exist_ok=True)
    for part, values in parts.items():
        np.save(folder / f"{part}.npy", values.astype(np.uint8))


def put_samples(root: Path, texts: dict[str, np.ndarray]) -> None:
    rows = []
    for name, ids in texts.items():
        strategy, prompt, train_seed, seed = name.split("/")
        known = {
            "deterministic": strategy == "greedy",
            "uses_history": False,
            "rescued": 0,
            "prompts_digest": "abc",
            "fresh": False,
        }
        known |= {"prompt_id": int(prompt), "train_seed": int(train_seed), "sample_seed": int(seed)}
        witness = {"greedy/0/0/0": 5, "greedy/1/0/0": 7}.get(name)
        rows.append(
            {
                "sample_id": name,
                "strategy": strategy,
                "ids": ids,
                "witness_period": witness,
                **known,
            }
        )
    put_table(
        root / "data/samples/toy/unigram/samples.parquet",
        pd.DataFrame(rows).astype({"witness_period": "Int64"}),
    )


def detected(root: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    detect_loops.main("toy-unigram")
    folder = root / "data/loops/toy/unigram"
    rates = json.loads((folder / "rates.json").read_text())
    return pd.read_parquet(folder / "verdicts.parquet"), rates


def test_a_row_for_every_sample_and_human_window(project: Path) -> None:
    table, _ = detected(project)
    assert list(table) == [*ABOUT, *FIELDS, *METRICS, "reference_nats", *PUBLISHED, *ELSEWHERE]
    human = [f"human/{part}/{i}" for part in ("train", "valid") for i in range(3)]
    assert list(table["sample_id"])[5:] == human
    assert set(table["strategy"][5:]) == {"human"}
    assert table[["prompt_id", "train_seed", "sample_seed"]][5:].isna().all(axis=None)
    assert set(table["length"]) == {LENGTH}


def test_verdicts_are_of_the_first_tokens_and_of_the_whole(project: Path) -> None:
    table, _ = detected(project)
    assert list(table["kind"]) == ["exact", "exact"] + ["none"] * 9
    one, two, late = table.to_dict("records")[:3]
    verdict = {
        "start": 5,
        "period": 5,
        "copies": 11.0,
        "matched": 50,
        "coverage": 50 / 60,
        "terminal": True,
    }
    assert {k: one[k] for k in verdict} == verdict
    assert (one["unit"], one["attractor"], one["identity"]) == ("abcde", "abcde", 1)
    assert (two["start"], two["unit"], two["attractor"], two["terminal"]) == (
        0,
        "cdeab",
        "abcde",
        False,
    )
    assert table[["start", "terminal", "unit"]][2:].isna().all(axis=None)
    assert (late["long_kind"], late["long_start"], late["long_period"]) == ("exact", 60, 3)
    assert table["long_kind"][3:].isna().all()
    assert one["longest_verbatim"] < 10 and list(table["longest_verbatim"][5:8]) == [60, 60, 60]
    assert 0 <= table["non_word"][3] <= 1
    assert one["holtzman_paper"] and not late["holtzman_paper"]


def test_prices_witnesses_and_where_samples_would_stop(project: Path) -> None:
    table, _ = detected(project)
    assert list(table["reference_nats"][:4]) == [1, 2, 3, 4] and list(
        table["reference_nats"][8:]
    ) == [
        6,
        7,
        8,
    ]
    assert table["reference_nats"][4:8].isna().all(), "without a price, and training text"
    assert table["witness_period"].dropna().tolist() == [5, 7]
    assert table["agrees"].dropna().tolist() == [True, False]
    assert table["eos_at"].dropna().to_dict() == {4: 30}
    assert table["stopped_kind"].tolist() == table["kind"].tolist()


def test_rates_of_each_strategy_and_of_held_out_human_text(project: Path) -> None:
    table, found = detected(project)
    head = {
        "floor": 30,
        "unit": "char",
        "length": LENGTH,
        "prompts_digest": "abc",
        "samples_md5": md5(paths.samples("toy", "unigram")),
        "reference": "kneser_ney",
    }
    assert {k: v for k, v in found.items() if k not in ("strategies", "choice")} == head
    assert list(found["strategies"]) == ["greedy", "multinomial", "human"]
    greedy, human = found["strategies"]["greedy"], found["strategies"]["human"]
    expected = {
        "samples": 3,
        "exact": 2,
        "loops": 2,
        "exact_rate": 2 / 3,
        "terminal_rate": 1 / 3,
        "onset_median": 2.5,
    }
    assert {k: greedy[k] for k in expected} == expected
    shown = json.loads(paths.metrics("toy", "unigram").read_text())["loop_rate"]
    assert shown == {"greedy": greedy["loop_rate"], "multinomial": 0}
    assert greedy["attractors"] == [["abcde", 5, 2]]
    assert greedy["certified"] == {"samples": 3, "certified": 2, "agree": 1}
    assert greedy["long"] == {"length": LONG, "exact_rate": 1}
    assert greedy["rep_4"] == pytest.approx(table["rep_4"][:3].mean())
    assert (
        greedy["reference_nats"],
        found["strategies"]["multinomial"]["reference_nats"],
        human["reference_nats"],
    ) == (
        2,
        4,
        7,
    )
    assert found["strategies"]["multinomial"]["stopped"]["ended_rate"] == 0.5
    assert (human["samples"], human["exact_rate"], human["onset_median"]) == (3, 0, None)
    valid = table[table["sample_id"].str.startswith("human/valid/")]
    assert human["zlib_ratio"] == pytest.approx(valid["zlib_ratio"].mean())


def test_the_same_bytes_every_time(project: Path) -> None:
    detected(project)
    files = sorted((project / "data/loops/toy/unigram").iterdir())
    assert [file.name for file in files] == ["rates.json", "verdicts.parquet"]
    first = [file.read_bytes() for file in files]
    detected(project)
    assert [file.read_bytes() for file in files] == first


def test_the_limits_are_the_cards(project: Path) -> None:
    limits = CARD["detector"] | {"floor": 46, "near_floor": 60}  # type: ignore[operator]
    put(project / "data/loops/toy/calibration.json", json.dumps(CARD | {"detector": limits}))
    table, found = detected(project)
    assert found["floor"] == 46
    assert list(table["kind"][:2]) == ["exact", "recycling"]


def test_text_shorter_than_a_sample_gives_no_windows(project: Path) -> None:
    put_ids(project, train=np.arange(20) % 10, valid=np.arange(20) % 10)
    table, found = detected(project)
    assert len(table) == 5
    assert found["strategies"]["human"]["samples"] == 0
    assert found["strategies"]["human"]["exact_rate"] is None


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (
            "samples/toy/unigram/samples.parquet",
            r"samples.parquet: no samples; run generate@toy-unigram",
        ),
        (
            "samples/toy/unigram/reference_nats.parquet",
            r"reference_nats.parquet: no reference nats; run generate@toy-unigram",
        ),
        ("loops/toy/calibration.json", r"calibration.json: no such file"),
    ],
)
def test_what_is_not_there_is_named(project: Path, path: str, message: str) -> None:
    (project / "data" / path).unlink()
    with pytest.raises(RecurrenceError, match=message):
        detect_loops.main("toy-unigram")
    assert not (project / "data/loops/toy/unigram").exists()


def test_one_line_says_which_loop(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    detect_loops.main("toy-unigram")
    told = (
        "detect_loops toy-unigram: floor 30 chars; looping sometimes greedy 2/3; never the other "
        "2\n"
    )
    assert capsys.readouterr().err == told
