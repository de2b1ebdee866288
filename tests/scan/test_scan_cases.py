"""Labelled texts through the command, in the forms in which people have them: read, and judged as a
person does.
"""

import csv
import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from small_project import Cli

HERE = Path(__file__)
PLACES = [os.environ.get("RECURRENCE_CASES"), *(p / "shared/cases" for p in HERE.parents[3:5])]
CASES = next((Path(place) for place in PLACES if place and Path(place).is_dir()), HERE.parent)
EXPECTED = CASES / "expected.csv"
ROWS = (
    list(csv.DictReader(EXPECTED.read_text(encoding="utf-8").splitlines()))
    if EXPECTED.is_file()
    else []
)
pytestmark = pytest.mark.skipif(not ROWS, reason="no labelled texts beside the checkout")

SAID = {
    "58-bad-line.jsonl": ["skipped: 1 record", "58-bad-line.jsonl:2: 1 place is no UTF-8"],
    "58-truncated-utf8.txt": ["ends inside a character, which is read as U+FFFD"],
    "59-null.jsonl": ["skipped: 1 record", "59-null.jsonl:2: a record must have a text", "is null"],
    "60-latin1.txt": ["read as windows-1252, a guess; --encoding names another"],
}
"""What is to be said beside the verdicts."""


@pytest.mark.parametrize("file", [row["file"] for row in ROWS if row["a_person_says"] == "read"])
def test_every_form_is_read_and_what_is_odd_about_it_is_said(file: str, recurrence: Cli) -> None:
    code, out, err = recurrence("loops", str(CASES / "texts" / file), "--format", "jsonl")
    rows = [json.loads(line) for line in out.splitlines()]
    assert rows
    assert code == int(any(row["kind"] == "exact" for row in rows))
    for words in SAID.get(file, []):
        assert words in err
    assert file in SAID or err == ""


def test_every_text_of_a_folder_gets_the_verdict_of_a_person(recurrence: Cli) -> None:
    """As shared/cases/check.py does, which runs the command on each file alone."""
    texts = str(CASES / "texts")
    code, out, _ = recurrence("loops", texts, "--pad", "50256", "--format", "jsonl")
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in out.splitlines():
        row = json.loads(line)
        found[Path(row["file"]).name].append(row)
    assert code == 1
    wrong = {row["file"]: why for row in ROWS if (why := _wrong(row, found[row["file"]]))}
    assert not wrong


def _wrong(row: dict[str, str], found: list[dict[str, Any]]) -> str | None:
    if not found:
        return "not read"
    kinds = {each["kind"] for each in found}
    if row["a_person_says"] == "read":
        return None
    if not kinds <= set(row["kinds"].split("|")):
        return f"{kinds}; right: {row['kinds']}"
    start = found[0]["start"]
    if row["start_about"] and start is not None:
        right = int(row["start_about"])
        if abs(start - right) > max(60, 0.02 * right):
            return f"starts at {start}; right: about {right}"
    return None


def test_padding_gets_a_hint_in_words(recurrence: Cli) -> None:
    file = str(CASES / "texts/30-padding.jsonl")
    _, _, err = recurrence("loops", file)
    assert "is it padding? --pad 50256" in err


@pytest.mark.parametrize("file", ["09-json-then-newlines.jsonl", "13-cjk.jsonl"])
def test_what_words_do_not_see_is_never_a_silent_none(file: str, recurrence: Cli) -> None:
    _, out, err = recurrence(
        "loops", str(CASES / "texts" / file), "--unit", "word", "--format", "jsonl"
    )
    for line in out.splitlines():
        where = json.loads(line)
        assert where["kind"] != "none" or f":{where['record']}: " in err
