from dataclasses import replace

import pytest

from recurrence.reporting import detector
from recurrence.reporting.heat import Cell
from recurrence.results.corpus import Results
from reporting.results_tree import card


def texts(cells: list[Cell | None]) -> list[str | None]:
    return [cell and cell.text for cell in cells]


def test_without_a_card_there_is_nothing_to_show(toy: Results) -> None:
    assert detector.values(replace(toy, card=None)) is None


def test_limits_say_where_they_come_from(toy: Results) -> None:
    shown = detector.values(toy)
    assert shown is not None
    exact, near, recycling = shown["limits"]
    assert (
        "40 or more characters being repeats" in exact
        and "in 1,191 windows of the training text" in exact
    )
    assert "laid end to end in 10 ways, has 22" in exact
    assert "at most 40 % of the unit's length" in near and "one in 1,000 of these windows" in near
    assert "rep-8 above 0.2 or a zlib ratio above 2.1" in recycling


def test_a_raised_floor_and_a_missing_limit_are_said(toy: Results) -> None:
    raised = card()
    raised["detector"] |= {"floor": 55, "zlib_limit": None}
    shown = detector.values(replace(toy, card=raised))
    assert shown is not None
    assert "more than the default" in shown["limits"][0] and "zlib" not in shown["limits"][2]


def test_false_alarms_stand_beside_their_bound(toy: Results) -> None:
    shown = detector.values(toy)
    assert shown is not None
    rows = {row["label"]: row for row in shown["false"]}
    ours, code = rows["exact loop"], rows["Holtzman et al., the published code"]
    assert (ours["ours"], code["ours"]) == (True, False)
    assert (code["valid"]["found"], code["valid"]["trials"], code["train"]["trials"]) == (
        3,
        40,
        120,
    )
    assert shown["anyhow"][1] == (
        "Of 1,191 windows of training text, laid end to end in 10 ways: 0 exact loop, 1 near "
        "loop, 0 recycling."
    )
    assert ours["valid"]["high"] == pytest.approx(3.8415 / (40 + 3.8415), rel=1e-3)


def test_planted_loops_are_found_above_the_floor(toy: Results) -> None:
    shown = detector.values(toy)
    assert shown is not None and shown["edits"] == ["0 %", "5 %", "10 %", "20 %"]
    first = shown["maps"][0]
    assert (first["edits"], first["copies"]) == ("0 %", ["2", "2.5", "5", "10"])
    grid = dict(first["rows"])
    assert texts(grid[13]) == ["0", None, "100", None]
    assert [cell and cell.place for cell in grid[13]] == ["under", None, "", None]
    rules = {label: texts(row) for label, _, row in shown["by_rule"]}
    assert rules["exact loop"] == ["100", "0", "0", "0"] and rules["near loop"] == [
        "0",
        "100",
        "100",
        "0",
    ]
    assert rules["Holtzman et al., the published code"][0] == "50"
    assert [place for place, _ in shown["by_place"]] == [
        "up to the end",
        "ends before the end",
        "in the middle",
    ]


def test_rules_are_put_to_the_models_own_samples_by_family(toy: Results) -> None:
    shown = detector.values(toy)
    assert shown is not None
    rows = {label: texts(row) for label, _, row in shown["own"]}
    assert rows["exact loop"] == [
        "67",
        "0",
        "33",
        "0",
        "8",
    ]  # 4 of 6, 0 of 6, 2 of 6, 0 of 12, 1 of 12
    assert rows["near loop"] == ["0", "17", "17", "0", "0"]
    assert rows["Whisper, zlib ratio above 2.4"] == rows["exact loop"]


def test_certified_loops_are_counted_over_models(toy: Results) -> None:
    shown = detector.values(toy)
    assert shown is not None
    assert shown["certified"] == {"samples": 21, "certified": 6, "agree": 6}
