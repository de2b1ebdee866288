"""The stage: reads results, names what is missing, writes the receipt."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from recurrence import paths
from recurrence.errors import RecurrenceError
from recurrence.stages import track


def test_where_no_model_is_scored_the_command_that_makes_one_is_named(results: Path) -> None:
    for name in ("good", "poor"):
        paths.scores("toy", name).unlink()
    with pytest.raises(
        RecurrenceError, match=r"no model of toy is trained and scored; .* dvc repro track@toy"
    ):
        track.main("toy")
    assert not paths.receipt("toy").exists()


def test_a_model_without_verdicts_is_imported_without_decodings(results: Path) -> None:
    paths.verdicts("toy", "poor").unlink()
    track.main("toy")
    assert decodings() == {"good": ["greedy", "multinomial"], "poor": []}


def decodings() -> dict[str, list[str]]:
    """By model, as the receipt has them."""
    models = json.loads(paths.receipt("toy").read_text(encoding="utf-8"))["models"]
    return {name: model["decodings"] for name, model in models.items()}


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
    own = {path for path in data if "/good" in path and not path.endswith("reference_nats.parquet")}
    # the verdicts have them, too
    corpus = {
        path
        for path in data
        if path.startswith(("data/counts/", "data/ids/", "data/loops/toy/calibration"))
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
    for kind in ("samples", "loops"):
        shutil.rmtree(results / f"data/{kind}/toy/poor")
    track.main("toy")
    assert decodings() == {"good": ["greedy", "multinomial"], "poor": []}
