import shutil
from pathlib import Path

import pytest
import yaml

from recurrence import paths
from recurrence.errors import RecurrenceError
from recurrence.stages import report
from reporting import results_tree


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RECURRENCE_ROOT", str(tmp_path))
    return results_tree.build(tmp_path)


def test_report_takes_the_place_of_the_old_one_beside_what_the_machine_is(project: Path) -> None:
    folder = paths.report("toy")
    (folder / "metrics").mkdir(parents=True)
    (folder / "metrics/gone.json").write_text("{}", encoding="utf-8")
    paths.machine("toy").write_text("stage,key\n", encoding="utf-8")
    report.main("toy")
    assert {p.name for p in folder.iterdir()} == {
        "index.html", "summary.md", "models.csv", "decoding.csv", "curves.csv", "figures", "metrics", "machine.csv",
    }  # fmt: skip
    assert not (folder / "metrics/gone.json").exists()
    assert {p.name for p in folder.parent.iterdir()} == {"toy", "index.html"}


def test_a_report_that_fails_leaves_the_old_one(project: Path) -> None:
    folder = paths.report("toy")
    folder.mkdir(parents=True)
    (folder / "index.html").write_text("old", encoding="utf-8")
    paths.counts("toy").unlink()
    with pytest.raises(RecurrenceError, match=r"toy\.json: no such file"):
        report.main("toy")
    assert (folder / "index.html").read_text(encoding="utf-8") == "old"


def test_a_corpus_without_sampling_and_with_a_model_untrained_has_a_report_of_what_is_there(
    project: Path,
) -> None:
    path = project / "params.yaml"
    tree = yaml.safe_load(path.read_text())
    del tree["sampling"]
    path.write_text(yaml.safe_dump(tree))
    shutil.rmtree(project / "data/samples")
    shutil.rmtree(project / "data/loops")
    paths.scores("toy", "poor").unlink()
    shutil.rmtree(paths.model("toy", "poor"))
    report.main("toy")
    page = (paths.report("toy") / "summary.md").read_text(encoding="utf-8")
    assert "for want of scores: poor" in page
    assert "| good (best) |" in page
    assert sorted(each.name for each in (paths.report("toy") / "metrics").iterdir()) == [
        "good.json", "kneser_ney.json", "uniform.json",
    ]  # fmt: skip
