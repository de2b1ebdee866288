from pathlib import Path

import pytest

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
