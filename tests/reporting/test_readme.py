from pathlib import Path

import pytest

from recurrence import paths
from recurrence.errors import RecurrenceError
from recurrence.reporting import readme, tables
from recurrence.results.corpus import Results


@pytest.fixture
def reported(project: Path, toy: Results) -> Path:
    folder = paths.report("toy")
    folder.mkdir(parents=True)
    tables.models(toy).to_csv(folder / "models.csv", index=False)
    tables.decoding(toy).to_csv(folder / "decoding.csv", index=False)
    return project


def test_a_row_per_trained_model(reported: Path) -> None:
    head, _, *rows = readme.results_table([paths.report("toy")]).splitlines()
    assert head.count("|") == 12
    assert rows == [
        "| toy | good | 1.320 ± 0.028 | 1.310 | 1.321 ± 0.028 | +0.011 | 1.400 "
        "| 100 % (50 to 100 %) | 0 % (0 to 50 %) | 1, 3 | top_p_0_9 (0 of 381, at most 1.0 %) |",
        "| toy | poor | 1.600 | – | 1.601 | – | 1.400 "
        "| 33 % (17 to 67 %) | 0 % (0 to 50 %) | 1, 3 | – |",
    ]


def test_only_the_part_between_the_markers_changes(reported: Path) -> None:
    path = reported / "README.md"
    path.write_text("before\n<!-- results -->\nold\n<!-- /results -->\nafter\n", encoding="utf-8")
    readme.main()
    first = path.read_text(encoding="utf-8")
    assert first.startswith("before\n<!-- results -->\n| corpus |") and first.endswith(
        "|\n<!-- /results -->\nafter\n"
    )
    assert "old" not in first
    readme.main()
    assert path.read_text(encoding="utf-8") == first


@pytest.mark.parametrize("text", ["no markers", "<!-- results --> no end", None])
def test_a_readme_without_markers_is_left_alone(text: str | None, reported: Path) -> None:
    path = reported / "README.md"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(RecurrenceError, match="must hold the lines"):
        readme.main()
    assert not path.exists() or path.read_text(encoding="utf-8") == text
