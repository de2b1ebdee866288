"""datatrove's block: documents that loop are dropped with their reason, by two workers as by
one.
"""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("datatrove")
pytestmark = pytest.mark.filterwarnings("default")  # datatrove's own

from datatrove.data import Document  # noqa: E402
from datatrove.executor.local import LocalPipelineExecutor  # noqa: E402
from datatrove.pipeline.readers import JsonlReader  # noqa: E402
from datatrove.pipeline.writers import JsonlWriter  # noqa: E402

from recurrence.loops.datatrove import LoopFilter  # noqa: E402

LOOP = "It began well. " + "on and on " * 12


def read(folder: Path) -> list[dict[str, Any]]:
    files = sorted(folder.rglob("*.jsonl.gz"))
    return [json.loads(line) for file in files for line in gzip.open(file, "rt", encoding="utf-8")]


@pytest.mark.parametrize("workers", [1, 2])
def test_a_pipeline_parts_what_loops_from_what_does_not(workers: int, tmp_path: Path) -> None:
    for part in range(2):
        records = [
            {"id": f"{part}-{n}", "text": LOOP if n % 5 == 0 else f"Nothing comes again here, {n}."}
            for n in range(100)
        ]
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (tmp_path / "texts").mkdir(exist_ok=True)
        (tmp_path / f"texts/{part}.jsonl").write_text(lines)
    pipeline = [
        JsonlReader(str(tmp_path / "texts")),
        LoopFilter(exclusion_writer=JsonlWriter(str(tmp_path / "looping"))),
        JsonlWriter(str(tmp_path / "kept")),
    ]
    logs = str(tmp_path / "logs")
    LocalPipelineExecutor(pipeline, tasks=2, workers=workers, logging_dir=logs).run()
    looping, kept = read(tmp_path / "looping"), read(tmp_path / "kept")
    right = sorted(f"{part}-{n}" for part in range(2) for n in range(0, 100, 5))
    assert sorted(each["id"] for each in looping) == right
    assert len(kept) == 160
    assert {each["metadata"]["filter_reason"] for each in looping} == {"exact"}
    assert {each["metadata"]["loop_start"] for each in looping} == {14}
    assert {each["metadata"]["loop_kind"] for each in kept} == {"none"}


def test_without_kinds_it_only_annotates() -> None:
    documents = [Document(LOOP, "a"), Document("fine", "b")]
    kept = list(LoopFilter(kinds=()).run(iter(documents)))
    assert [doc.metadata["loop_kind"] for doc in kept] == ["exact", "none"]


def test_options_are_those_of_the_detector() -> None:
    assert LoopFilter(floor=1000).filter(Document(LOOP, "a")) is True
    assert LoopFilter().filter(Document(LOOP, "a")) == (False, "exact")
