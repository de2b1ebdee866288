"""The stage: reads results, names what is missing, writes the receipt."""

import json
from pathlib import Path

import pytest
import yaml

from recurrence import paths
from recurrence.errors import RecurrenceError
from recurrence.stages import track


def test_a_missing_result_is_named_before_anything_is_imported(results: Path) -> None:
    paths.loops("toy", "poor").unlink()
    with pytest.raises(
        RecurrenceError, match=r"loops/toy/poor\.parquet: not there; .* dvc repro track@toy"
    ):
        track.main("toy")
    assert not paths.receipt("toy").exists()


def test_an_unknown_corpus_is_met_with_the_nearest(results: Path) -> None:
    with pytest.raises(RecurrenceError, match="did you mean 'toy'"):
        track.main("toys")


def test_every_file_of_a_model_is_in_its_digests(results: Path) -> None:
    """A result that no digest covers could change without being imported again."""
    data = {
        path.relative_to(results).as_posix()
        for path in (results / "data").rglob("*")
        if path.is_file()
    }
    own = {
        path for path in data if "/good" in path and not path.startswith("data/prices/")
    }  # prices are in loops
    corpus = {
        path
        for path in data
        if path.startswith(("data/counts/", "data/ids/", "data/loops/toy/detector-card"))
    }
    assert track._digests("toy", "good", True).keys() == own | corpus
    sampled = ("data/samples/", "data/loops/")
    assert track._digests("toy", "good", False).keys() == {
        p for p in own | corpus if not p.startswith(sampled)
    }


def test_a_model_that_is_not_sampled_is_imported_without_decodings(results: Path) -> None:
    text = (results / "params.yaml").read_text(encoding="utf-8")
    tree = yaml.safe_load(text)
    del tree["sampling"]["toy-poor"]
    (results / "params.yaml").write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    for kind in ("samples", "prices", "loops"):
        for path in (results / f"data/{kind}/toy").glob("poor.*"):
            path.unlink()
    track.main("toy")
    models = json.loads(paths.receipt("toy").read_text(encoding="utf-8"))["models"]
    assert {name: list(model["children"]) for name, model in models.items()} == {
        "good": ["greedy", "multinomial"],
        "poor": [],
    }


def test_few_samples_of_each_strategy_are_read(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(track, "SAMPLES_KEPT", 2)
    samples = track._samples("toy", "good")
    assert set(samples["strategy"].value_counts()) == {2}
    assert samples["kind"].tolist()[:2] == ["exact", "exact"]
    assert not [column for column in samples if column.endswith(("_x", "_y"))]
