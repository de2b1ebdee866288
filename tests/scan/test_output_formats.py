"""Verdicts for programs and CI: what stands there is what was found, and does nothing to whoever
reads it.
"""

import io
import json
from collections.abc import Iterable
from typing import Any
from xml.etree import ElementTree

import pytest

from recurrence.loops.texts import TextDetector
from recurrence.loops.verdict import DETECTORS, LOOPS
from recurrence.scan.findings import judge_samples
from recurrence.scan.formats import writer
from recurrence.scan.samples import Origin, Sample, of_text, of_tokens

TEXT = TextDetector()


def told(format: str, samples: Iterable[Sample], encoding: str = "utf-8") -> str:
    data = io.BytesIO()
    out = io.TextIOWrapper(data, encoding, newline="")
    detectors = {"char": TEXT, "token": DETECTORS["token"]}
    with writer(format, out, LOOPS) as write:
        for _, row in judge_samples(samples, detectors):
            write(row)
    out.flush()
    return data.getvalue().decode(encoding)


ODD = "é\x1b[31m\x9b\u2028\u202e<&>\"'\ud800 "
SAMPLES = [
    of_text("It began. " + "on and on " * 12, "a b.txt"),
    of_text("nothing to see", "none.txt"),
    of_text(ODD * 20, ODD, origin=Origin("é\udcff.jsonl", 7)),
    of_tokens([1, 2] * 30, "t", Origin("t.csv", 3)),
]


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_junit_has_a_case_per_sample_which_fails_where_it_loops(encoding: str) -> None:
    suites = ElementTree.fromstring(told("junit", SAMPLES, encoding))
    assert suites.tag == "testsuites"
    (suite,) = suites
    counts = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": "4", "failures": "3", "errors": "0", "skipped": "0"}
    first, second, odd, tokens = suite
    assert (first.get("name"), first.get("classname")) == ("a b.txt", "a b.txt")
    (failure,) = first
    assert failure.get("type") == "exact"
    assert failure.get("message") == (
        "exact loop from character 9 of 130 on, period 10, 12.1 copies, to the end"
    )
    assert failure.text == " on and on"
    assert list(second) == []
    assert odd.get("name") == r"""é\x1b[31m\x9b\u2028\u202e<&>"'\ud800 """
    assert tokens[0].text == "1 2"


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_sarif_has_a_result_per_loop_with_its_place(encoding: str) -> None:
    log = json.loads(told("sarif", SAMPLES, encoding))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert set(LOOPS) <= set(rules)
    text, odd, tokens = run["results"]
    assert (text["ruleId"], text["level"]) == ("exact", "warning")
    assert text["message"]["text"].startswith("a b.txt: exact loop from character 9 of 130 on")
    place = text["locations"][0]["physicalLocation"]
    assert place == {
        "artifactLocation": {"uri": "a%20b.txt"},
        "region": {"charOffset": 9, "charLength": 121},
    }
    assert odd["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "%C3%A9%FF.jsonl"},
        "region": {"startLine": 7},
    }
    assert tokens["locations"][0]["physicalLocation"] == {"artifactLocation": {"uri": "t.csv"}}
    assert tokens["locations"][0]["logicalLocations"] == [{"fullyQualifiedName": "t"}]


@pytest.mark.parametrize("format", ["junit", "sarif"])
def test_of_nothing_it_is_a_whole_file_too(format: str) -> None:
    text = told(format, [])
    if format == "junit":
        assert ElementTree.fromstring(text)[0].get("tests") == "0"
    else:
        assert json.loads(text)["runs"][0]["results"] == []


def test_rows_are_written_as_they_come() -> None:
    out = io.StringIO()
    rows: list[dict[str, Any]] = [row for _, row in judge_samples(SAMPLES[:1], {"char": TEXT})]
    with writer("jsonl", out, LOOPS) as write:
        write(rows[0])
        assert json.loads(out.getvalue()) == rows[0]
