"""Labelled texts with the structure of public reports: what a person says of each is what the
detector says.
"""

import csv
import json
import os
from pathlib import Path

import pytest

from recurrence.loops.texts import TextDetector
from recurrence.loops.verdict import LOOPS, Verdict

CASES = Path(os.environ.get("RECURRENCE_CASES") or Path(__file__).parents[3] / "shared/cases")
if not CASES.is_dir():
    CASES = Path(__file__).parents[4] / "shared/cases"  # from a worktree beside the main one
EXPECTED = CASES / "expected.csv"
ROWS = (
    list(csv.DictReader(EXPECTED.read_text(encoding="utf-8").splitlines()))
    if EXPECTED.is_file()
    else []
)
VERDICTS = [row for row in ROWS if row["a_person_says"] != "read"]
TOKENS = {"30-padding.jsonl"}
"""Records of tokens, which the command's own tests judge."""


def texts(file: str) -> list[str]:
    text = (CASES / "texts" / file).read_text(encoding="utf-8")
    if not file.endswith(".jsonl"):
        return [text]
    return [json.loads(line)["text"] for line in text.splitlines()]


@pytest.mark.skipif(not ROWS, reason="no labelled texts beside the checkout")
@pytest.mark.parametrize("row", VERDICTS, ids=[row["file"] for row in VERDICTS])
def test_every_text_gets_the_verdict_of_a_person(row: dict[str, str]) -> None:
    if row["file"] in TOKENS:
        pytest.skip("records of tokens")
    found: list[Verdict] = TextDetector().judge_all(texts(row["file"]))
    assert {verdict.kind for verdict in found} <= set(row["kinds"].split("|"))
    if row["start_about"] and found[0].start is not None:
        right = int(row["start_about"])
        assert abs(found[0].start - right) <= max(60, 0.02 * right)
    if row["to_the_end"]:
        ends = {verdict.terminal for verdict in found if verdict.kind in LOOPS}
        assert ends <= {row["to_the_end"] == "1"}
