"""Samples get a row each, in order, whatever the batches; of many rows the most evident are
kept.
"""

import itertools
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from recurrence.loops.verdict import DETECTORS
from recurrence.scan import findings
from recurrence.scan.findings import FIELDS, Evident, Row, judge_samples
from recurrence.scan.samples import Sample, of_text, of_tokens

LOOP = "It began well. " + "on and on " * 10


def rows(*samples: Sample) -> list[Row]:
    return [row for _, row in judge_samples(samples, DETECTORS)]


def noise(size: int, seed: int = 0) -> str:
    """Text in which nothing repeats for long."""
    return "".join(map(chr, np.random.default_rng(seed).integers(33, 1000, size)))


# ---------------------------------------------------------------- one row


def test_the_row_of_a_text_that_loops() -> None:
    (row,) = rows(of_text(LOOP, "a"))
    assert list(row) == list(FIELDS)
    assert row == dict.fromkeys(FIELDS) | {
        "id": "a",
        "file": "a",
        "kind": "exact",
        "tokens": "char",
        "length": 115,
        "start": 14,
        "period": 10,
        "copies": 10.1,
        "matched": 91,
        "coverage": 91 / 115,
        "terminal": True,
        "identity": 1.0,
        "unit": " on and on",
        "rules": "exact near recycling",
    }
    json.dumps(row)


def test_the_row_of_a_text_that_does_not_loop() -> None:
    (row,) = rows(of_text("nothing to see here", "a"))
    said = {
        "id": "a",
        "file": "a",
        "kind": "none",
        "tokens": "char",
        "length": 19,
        "rules": "exact near recycling",
    }
    assert row == dict.fromkeys(FIELDS) | said


def test_what_repeats_is_spelled_as_its_tokens_are() -> None:
    word, numbers, pieces = rows(
        of_text(LOOP.replace(" ", "\n  "), "a", "word"),
        of_tokens([7, *[900_000, -1, 2**70] * 9], "b"),
        of_tokens(["a", *["▁b", "c"] * 20], "c"),
    )
    assert (word["start"], word["period"], word["unit"]) == (3, 3, "on and on")
    assert (numbers["start"], numbers["period"], numbers["unit"]) == (1, 3, [900_000, -1, 2**70])
    assert (pieces["start"], pieces["period"], pieces["unit"]) == (1, 2, ["▁b", "c"])


def test_a_number_is_not_its_digits() -> None:
    assert rows(of_tokens([1, "1"] * 30, "x"))[0]["period"] == 2


@pytest.mark.parametrize("text", ["ab\ud800", "🦜é", "é\xff", "—a"])
def test_characters_of_any_width_repeat(text: str) -> None:
    (row,) = rows(of_text(text * 40, "x"))
    assert (row["kind"], row["period"], row["unit"]) == ("exact", len(text), text)


def test_a_long_unit_is_not_spelled_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "UNIT_TOKENS", 3)
    (row,) = rows(of_text(LOOP, "a"))
    assert (row["period"], row["unit"]) == (10, " on")


def test_a_long_loop_with_another_within_it_is_seen_in_words_and_in_characters() -> None:
    """As in the notebooks' sample of words: 200 of them, the last one cut, and a unit of 85 that
    ends in a run of 8.
    """
    unit = [f"w{i}" for i in range(51)] + [f"very{i % 8}" for i in range(34)]
    text = " ".join([f"start{i}" for i in range(22)] + unit * 2 + unit[:7] + ["w7"])
    text = text[:-1]  # as the notebook's cell cut it
    word, char = rows(of_text(text + "\n", "a", "word"), of_text(text + "\n", "a"))
    found = {
        name: word[name]
        for name in ("kind", "length", "start", "period", "matched", "terminal", "nested_period")
    }
    assert found == {
        "kind": "exact", "length": 200, "start": 22, "period": 85, "matched": 92, "terminal": True, "nested_period": 8,
    }  # fmt: skip
    assert word["copies"] == pytest.approx(2.08, abs=0.01)
    assert (char["kind"], char["period"], char["terminal"]) == (
        "exact",
        len(" ".join(unit)) + 1,
        True,
    )


# ---------------------------------------------------------------- many samples


@pytest.mark.parametrize("batch", [1, 2, 3, 100])
def test_rows_come_in_order_whatever_their_units_and_the_batches(
    batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(findings, "_BATCH_SAMPLES", batch)
    samples = [
        of_text(LOOP, "a"),
        of_tokens([1, 2] * 30, "b"),
        of_text("x", "c", "word"),
        of_text("", "d"),
    ]
    together = rows(*samples)
    assert [row["id"] for row in together] == ["a", "b", "c", "d"]
    assert together == [rows(sample)[0] for sample in samples]


def test_no_more_samples_are_read_than_a_batch_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "_BATCH_TOKENS", 10)
    asked = []

    def endless() -> Iterator[Sample]:
        for n in itertools.count():
            asked.append(n)
            yield of_text("12345", str(n))

    found = judge_samples(endless(), DETECTORS)
    next(found)
    assert asked == [0, 1, 2, 3]  # two batches


def test_processes_give_the_same_in_the_same_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(findings, "_BATCH_SAMPLES", 2)
    samples = [of_text(noise(n) + "loop " * (8 + n % 3), str(n)) for n in range(13)]
    assert list(judge_samples(samples, DETECTORS, jobs=2)) == list(
        judge_samples(samples, DETECTORS)
    )


def test_in_a_long_sample_only_exact_loops_are_looked_for_and_it_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    samples = [of_text(LOOP, "a"), of_text(noise(200) + LOOP, "b"), of_text(noise(200), "c")]
    nested = of_text(("abcdefg " * 12 + "something else entirely ") * 3, "d")
    all_rules = rows(*samples, nested)
    monkeypatch.setattr(findings, "MOST_TOKENS", 115)
    exact_rule = rows(*samples, nested)
    assert [row["rules"] for row in exact_rule] == ["exact near recycling", *["exact"] * 3]
    same = [name for name in FIELDS if name != "rules"]
    assert [[row[name] for name in same] for row in exact_rule] == [
        [row[name] for name in same] for row in all_rules
    ]
    assert exact_rule[3]["nested_period"] == 8


# ---------------------------------------------------------------- the most evident


def row(
    kind: str, matched: int | None = None, name: str = "", rules: str = "exact near recycling"
) -> dict[str, Any]:
    return {"kind": kind, "matched": matched, "id": name, "rules": rules, "length": 200_000}


def kept(found: Evident) -> Sequence[str]:
    return [each["id"] for each, _ in found.rows()]


def test_loops_come_before_the_rest_and_strong_ones_first() -> None:
    found = Evident(10)
    given = [
        ("none", None),
        ("near", 90),
        ("exact", 50),
        ("recycling", None),
        ("exact", 70),
        ("none", None),
    ]
    for name, (kind, matched) in zip("abcdef", given, strict=True):
        found.add(row(kind, matched, name), tuple)
    assert kept(found) == ["e", "c", "b", "d", "a", "f"]
    assert (found.total, found.looping, found.counts["recycling"]) == (6, 3, 1)


def test_only_the_most_evident_are_kept_and_only_they_are_drawn() -> None:
    found, drawn = Evident(3), []
    for matched in [5, 1, 9, 3, 7, 2, 8]:
        found.add(
            row("exact", matched, str(matched)), lambda matched=matched: drawn.append(matched)
        )
    assert kept(found) == ["9", "8", "7"]
    assert drawn == [5, 1, 9, 3, 7, 8]
    assert found.total == 7


def test_samples_judged_by_one_rule_are_counted() -> None:
    found = Evident(1)
    for rules in ("exact", "exact near recycling", "exact"):
        found.add(row("none", rules=rules), tuple)
    found.add(row("none", rules="exact") | {"length": 10}, tuple)  # asked for
    assert found.exact_only == 2
