"""Verdicts in forms that programs read: JSON lines, CSV, JUnit XML and SARIF. Rows are written as
they come.
"""

import csv
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from html import escape
from typing import Any, TextIO
from urllib.parse import quote

from recurrence import __version__
from recurrence.escaping import cell, escaped
from recurrence.scan.findings import FIELDS
from recurrence.scan.forms import JSONL, TEXT
from recurrence.scan.highlight import sentence
from recurrence.scan.places import suffix_of

Row = Mapping[str, Any]
Write = Callable[[Row], object]

_STEERING = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]")
"""What JSON lets stand in a string, though a terminal or an editor acts on it, or no encoding has
it.
"""
_SARIF = "https://json.schemastore.org/sarif-2.1.0.json"
_RULES = {
    "exact": "copies that are equal",
    "near": "copies that differ by small edits, or from which nothing new comes",
    "progression": "copies that differ in what is counted up",
    "template": "copies that each bring news",
    "recycling": "phrases used again without a period",
}


@contextmanager
def writer(format: str, out: TextIO, loops: Collection[str]) -> Iterator[Write]:
    """Writes a row at once; of the forms for people nothing. `loops`: the kinds that count as
    such.
    """
    forms = {"jsonl": _json_lines, "csv": _csv, "junit": _junit, "sarif": _sarif}
    if format not in forms:
        yield lambda row: None
        return
    yield from forms[format](out, loops)


def _json_lines(out: TextIO, loops: Collection[str]) -> Iterator[Write]:
    yield lambda row: print(_json(row, out), file=out)


def _csv(out: TextIO, loops: Collection[str]) -> Iterator[Write]:
    table = csv.writer(out, lineterminator="\n")
    table.writerow(FIELDS)
    yield lambda row: table.writerow([_cell(row[name]) for name in FIELDS])


def _cell(value: Any) -> Any:
    if isinstance(value, list):
        value = " ".join(map(str, value))
    return cell(value) if isinstance(value, str) else value


def _json(value: Any, out: TextIO) -> str:
    ascii_only = "utf" not in (out.encoding or "").lower()
    text = json.dumps(value, ensure_ascii=ascii_only)
    return _STEERING.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


# ---------------------------------------------------------------- JUnit


def _junit(out: TextIO, loops: Collection[str]) -> Iterator[Write]:
    """A test case per sample, which fails where it loops. How many there are stands before them, so
    they wait on disk.
    """
    counts = {True: 0, False: 0}
    with tempfile.TemporaryFile("w+", encoding="utf-8") as cases:

        def write(row: Row) -> None:
            fails = row["kind"] in loops
            counts[fails] += 1
            name, file = _attribute(row["id"]), _attribute(row["file"])
            cases.write(f'  <testcase classname={file} name={name} file={file} time="0"')
            if not fails:
                cases.write("/>\n")
                return
            said = _attribute(sentence(row))
            unit = (
                row["unit"]
                if isinstance(row["unit"], str)
                else " ".join(map(str, row["unit"] or ()))
            )
            cases.write(f">\n    <failure type={_attribute(row['kind'])} message={said}>")
            cases.write(f"{_ascii(escape(escaped(unit)))}</failure>\n  </testcase>\n")

        yield write
        cases.seek(0)
        totals = f'tests="{sum(counts.values())}" failures="{counts[True]}" errors="0"'
        out.write('<?xml version="1.0" encoding="UTF-8"?>\n')
        out.write(
            f'<testsuites {totals}>\n<testsuite name="recurrence loops" {totals} skipped="0">\n'
        )
        shutil.copyfileobj(cases, out)
        out.write("</testsuite>\n</testsuites>\n")


def _attribute(value: str) -> str:
    """A text as an attribute, in ASCII; what XML cannot hold is spelled as an escape."""
    return f'"{_ascii(escape(escaped(value)))}"'


def _ascii(xml: str) -> str:
    return xml.encode("ascii", "xmlcharrefreplace").decode()


# ---------------------------------------------------------------- SARIF


def _sarif(out: TextIO, loops: Collection[str]) -> Iterator[Write]:
    """A result per loop, with the place where it begins."""
    rules = [
        {
            "id": kind,
            "shortDescription": {"text": words},
            "defaultConfiguration": {"level": "warning"},
        }
        for kind, words in _RULES.items()
    ]
    driver = {"name": "recurrence", "version": __version__, "rules": rules}
    out.write(
        f'{{"$schema": "{_SARIF}", "version": "2.1.0", '
        f'"runs": [{{"tool": {{"driver": {_json(driver, out)}}},\n'
        f'"columnKind": "unicodeCodePoints", "results": ['
    )
    separator = "\n"

    def write(row: Row) -> None:
        nonlocal separator
        if row["kind"] in loops:
            out.write(separator + _json(_result(row), out))
            separator = ",\n"

    yield write
    out.write("\n]}]}\n")


def _result(row: Row) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": quote(os.fsencode(row["file"]))}}
    if row["record"] is None and row["tokens"] == "char" and row["start"] is not None:
        length = round(row["period"] * row["copies"])
        place["region"] = {"charOffset": row["start"], "charLength": length}
    elif row["record"] is not None and suffix_of(row["file"]) in (*JSONL, *TEXT):  # it is a line
        place["region"] = {"startLine": row["record"]}
    named = {"fullyQualifiedName": row["id"]}
    return {
        "ruleId": row["kind"],
        "level": "warning",
        "message": {"text": f"{row['id']}: {sentence(row)}"},
        "locations": [{"physicalLocation": place, "logicalLocations": [named]}],
    }
