"""The detector card: limits from training text, false alarms and recall counted, the same every
time.
"""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from loops.made_text import chars, prose, words
from recurrence.loops import DETECTORS, Verdict
from recurrence.loops.exact.runs import find_runs
from recurrence.loops.near.copies import find_nears
from recurrence.repetition.metrics import METRICS
from recurrence.repetition.published import PUBLISHED
from recurrence.study.calibration import Human, above_floor, calibrated, detector_card, detector_of
from recurrence.study.planted import Cell

CORPUS = prose(7, 9_000).split()
NAMES, IDS = np.unique(CORPUS, return_inverse=True)
LENGTH = 300
WORDS = replace(DETECTORS["word"], near_floor=20)
GRID = tuple(
    Cell(period, copies, edits, place, nested)
    for period, nested in ((2, False), (13, False), (13, True), (40, False))
    for copies in (2.0, 3.0, 10.0)
    for edits in (0.0, 0.05, 0.1)
    for place in ("tail", "gap", "middle")
)


def spell(ids: Any) -> str:
    return " ".join(NAMES[i] for i in ids)


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    human = Human(IDS[:7_000], IDS[7_000:], spell)
    told: list[float] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recurrence.study.calibration.GRID", GRID)
        tree = detector_card(human, WORDS, LENGTH, 2, told.append)
        assert sum(told) == 2 * len(GRID)
        assert detector_card(human, WORDS, LENGTH, 2) == tree
    return tree


def test_a_card_is_json_of_the_form_agreed_on(made: dict[str, Any]) -> None:
    assert json.loads(json.dumps(made, allow_nan=False)) == made
    assert list(made) == [
        "unit",
        "length",
        "detector",
        "default_floor",
        "human",
        "planted",
        "recall",
        "bands",
    ]
    assert (made["unit"], made["length"], made["default_floor"]) == ("word", LENGTH, 20)
    assert list(made["detector"]) == [
        "floor",
        "near_floor",
        "near_delta",
        "rep_n",
        "rep_limit",
        "zlib_limit",
    ]
    rules = {"exact", "near", "recycling", *PUBLISHED}
    for part, windows in (("train", 23), ("valid", 6)):
        found = made["human"][part]
        assert (found["windows"], set(found["false_positives"])) == (windows, rules)
        anyhow = found["laid_anyhow"]
        assert set(anyhow["false_positives"]) == {"exact", "near", "recycling"}
        assert 9 * windows < anyhow["windows"] <= 10 * windows
    cell = {"period", "copies", "edits", "place", "nested", "trials", "above_floor"}
    assert all(set(row) == cell | {"exact", "near", "any", *PUBLISHED} for row in made["planted"])
    assert [(row["period"], row["copies"], row["place"]) for row in made["planted"]] == [
        (cell.period, cell.copies, cell.place) for cell in GRID
    ]
    assert set(made["bands"]) == set(METRICS)
    assert made["bands"]["non_word"] == dict.fromkeys(("median", "low", "high", "p999", "max"))


def test_prose_gives_no_alarm_and_planted_loops_are_found(made: dict[str, Any]) -> None:
    never = {"exact": 0, "near": 0, "recycling": 0}
    for part in made["human"].values():
        for windows in (part, part["laid_anyhow"]):
            alarms = windows["false_positives"]
            assert {kind: alarms[kind] for kind in ("exact", "near", "recycling")} == never
    recall = made["recall"]
    assert recall["exact_above_floor"]["found"] == recall["exact_above_floor"]["trials"] == 42
    for name, least in (("near_05", 0.95), ("near_10", 0.85)):
        assert recall[name]["trials"] >= 36
        assert recall[name]["found"] >= least * recall[name]["trials"]
    below = [row for row in made["planted"] if row["period"] == 2 and not row["edits"]]
    assert sum(row["any"] for row in below) == 0
    assert sum(row["holtzman_paper"] for row in below) > 0


def test_recall_sums_the_cells_above_the_floor(made: dict[str, Any]) -> None:
    rows = [row for row in made["planted"] if row["edits"] == 0.1 and row["above_floor"]]
    assert made["recall"]["near_10"] == {
        "found": sum(r["any"] for r in rows),
        "trials": sum(r["trials"] for r in rows),
    }
    assert all(row["any"] == row["exact"] + row["near"] <= row["trials"] for row in made["planted"])


def test_bands_are_percentiles_of_held_out_windows(made: dict[str, Any]) -> None:
    for name in ("rep_4", "zlib_ratio", "rep_w", "distinct_1"):
        band = made["bands"][name]
        assert band["low"] <= band["median"] <= band["high"] <= band["p999"] <= band["max"]


def test_the_detector_of_a_card(made: dict[str, Any]) -> None:
    detector = detector_of(json.loads(json.dumps(made)), unknown=5)
    assert (detector.unit, detector.unknown, detector.length) == ("word", 5, LENGTH)
    assert {name: getattr(detector, name) for name in made["detector"]} == made["detector"]
    assert detector.judge(np.resize(IDS[:30], 100)).kind == "exact"


# ---------------------------------------------------------------- limits


def calibrate(ids: np.ndarray, **default: Any) -> Any:
    human = Human(ids, ids[:0], lambda window: "".join(chr(each + 32) for each in window))
    return calibrated(replace(WORDS, **default), human, LENGTH)


def test_prose_asks_for_the_defaults_and_a_limit_of_zlib() -> None:
    found = calibrate(IDS[:6_000])
    assert replace(found, zlib_limit=None) == replace(WORDS, length=LENGTH)
    assert 1 < found.zlib_limit < 4


def test_limits_rise_above_what_people_wrote() -> None:
    refrain = np.r_[IDS[:400], np.resize(IDS[1000:1008], 64), IDS[400:1_000]]
    found = calibrate(refrain)
    assert found.floor == 57
    assert found.near_floor > 20
    assert found.judge(refrain[300:600]).kind == "none"


def test_a_passage_that_windows_end_to_end_cut_in_two_raises_the_limits() -> None:
    """46 words that repeat, around the end of the first window: half of them stand in each, too few
    to be seen.
    """
    ids = np.r_[IDS[:277], np.resize(IDS[1000:1012], 46), IDS[277:900]]
    halves = ids[:LENGTH], ids[LENGTH : 2 * LENGTH]
    assert not any(find_runs(halves, 20))
    assert calibrate(ids).floor == 46 - 12 + 1
    ids[[292, 310]] = 900
    assert not any(find_nears(halves, 20))
    found = calibrate(ids, floor=1_000)
    assert (found.near_delta, found.near_floor) == (0.4, round(1.1 * (46 - 12 - 4)) + 1)
    assert all(found.judge(ids[low : low + LENGTH]).kind == "none" for low in range(0, 600, 30))


def test_text_that_counts_allows_for_fewer_edits() -> None:
    """Every line is the one before but for a word in seven: such near loops are how people wrote
    here.
    """
    lines = np.concatenate([[1, 2, 3, 4, 5, 100 + k, 6] for k in range(300)])
    found = calibrate(lines)
    assert found.near_delta == 0.14
    assert found.near_floor == 20
    assert found.judge(lines[:LENGTH]).kind == "none"
    again = np.r_[lines[:100], np.resize(lines[700:740], 200)]
    again[[150, 212, 275]] = [900, 901, 902]
    assert found.judge(again).kind in ("exact", "near")
    assert replace(found, floor=1000).judge(again).kind == "near"


def test_without_text_the_defaults_stay() -> None:
    assert calibrate(IDS[:10]) == replace(WORDS, length=LENGTH)


@pytest.mark.parametrize(
    ("period", "copies", "edits", "above"),
    [
        (20, 2.0, 0.0, True),
        (19, 2.0, 0.0, False),
        (13, 2.5, 0.0, False),  # 19 matched
        (13, 3.0, 0.1, True),  # 26 less 5.2
        (13, 3.0, 0.15, False),  # less 7.8
        (40, 2.5, 0.1, True),  # two copies: 60 less 12 against 40
        (40, 2.0, 0.05, False),
        (401, 10.0, 0.2, False),  # 0.4 edits a token are as many as delta
    ],
)
def test_what_is_to_be_found(period: int, copies: float, edits: float, above: bool) -> None:
    assert above_floor(Cell(period, copies, edits, "tail", False), WORDS) is above


def test_short_text_leaves_long_units_out() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "recurrence.study.calibration.GRID",
            tuple(Cell(p, 2.0, 0.0, "tail", False) for p in (3, 30, 300)),
        )
        human = Human(chars("the text is short"), chars("so is what was held out of it"), "".join)
        human = replace(human, spell=lambda ids: "".join(map(chr, ids)))
        tree = detector_card(human, DETECTORS["char"], 12, 1)
    assert [row["period"] for row in tree["planted"]] == [3]
    assert tree["detector"]["zlib_limit"] is not None
    assert isinstance(detector_of(tree).judge(words("a b c")), Verdict)
