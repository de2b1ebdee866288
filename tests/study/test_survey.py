"""A row per sample: what stands in it, on samples made so that each verdict and position is
known.
"""

from collections.abc import Sequence

import numpy as np
import pytest

from recurrence.loops.verdict import Detector
from recurrence.repetition.metrics import METRICS, Training
from recurrence.repetition.published import PUBLISHED
from recurrence.study.survey import agrees, survey

LENGTH, EOS = 60, 9
NOISE = np.random.default_rng(0).integers(10, 40, 400)
DETECTOR = Detector("char", floor=30, near_floor=30, rep_n=8, rep_limit=0.5, length=LENGTH)
CYCLE = [1, 2, 3]
SAMPLES = {
    "noise": NOISE[:60],
    "loop": np.array([7, 8] + CYCLE * 19 + [7]),
    "late": np.concatenate([NOISE[60:120], CYCLE * 30]),
    "ended": np.concatenate([NOISE[120:140], [EOS], np.resize([4, 5], 39)]),
    "ended_in_loop": np.concatenate([np.resize([2, 1], 45), [EOS], NOISE[140:154]]),
}


def spell(ids: Sequence[int]) -> str:
    return "".join(chr(97 + i) for i in ids)


@pytest.fixture(scope="module")
def rows() -> dict[str, dict[str, object]]:
    found = survey(list(SAMPLES.values()), spell, DETECTOR, Training(NOISE[50:90]), LENGTH, EOS)
    return dict(zip(SAMPLES, found, strict=True))


def test_verdict_metrics_and_published_rules_are_of_the_first_tokens(
    rows: dict[str, dict[str, object]],
) -> None:
    loop = rows["loop"]
    expected = {
        "kind": "exact",
        "length": 60,
        "start": 2,
        "period": 3,
        "matched": 54,
        "terminal": True,
        "identity": 1,
    }
    assert {name: loop[name] for name in expected} == expected
    assert (loop["unit"], loop["attractor"]) == ("bcd", "bcd")
    assert {name: rows["noise"][name] for name in ("kind", "unit", "start")} == {
        "kind": "none",
        "unit": None,
        "start": None,
    }
    assert rows["noise"]["longest_verbatim"] == 10
    assert (rows["late"]["kind"], rows["late"]["length"], rows["late"]["longest_verbatim"]) == (
        "none",
        60,
        30,
    )
    assert all(set(METRICS) | set(PUBLISHED) <= set(row) for row in rows.values())
    assert rows["ended"]["holtzman_paper"] is True and rows["noise"]["holtzman_paper"] is False


def test_longer_samples_get_a_verdict_on_the_whole(rows: dict[str, dict[str, object]]) -> None:
    late = rows["late"]
    assert [late[f"long_{name}"] for name in ("kind", "start", "period", "terminal")] == [
        "exact",
        60,
        3,
        True,
    ]
    assert rows["loop"]["long_kind"] is rows["loop"]["long_start"] is None


def test_at_the_first_eos_samples_may_stop(rows: dict[str, dict[str, object]]) -> None:
    ended, looped = rows["ended"], rows["ended_in_loop"]
    assert (ended["kind"], ended["eos_at"], ended["stopped_kind"]) == ("exact", 20, "none")
    assert (looped["eos_at"], looped["stopped_kind"], looped["stopped_start"]) == (45, "exact", 0)
    assert (
        rows["loop"]["eos_at"],
        rows["loop"]["stopped_kind"],
        rows["loop"]["stopped_start"],
    ) == (None, "exact", 2)


def test_without_an_eos_in_the_vocabulary_nothing_stops() -> None:
    row = survey([SAMPLES["ended"]], spell, DETECTOR, Training(NOISE), LENGTH)[0]
    assert row["eos_at"] is row["stopped_kind"] is row["stopped_start"] is None


def test_a_witness_agrees_with_a_loop_of_its_period_or_a_part_of_it(
    rows: dict[str, dict[str, object]],
) -> None:
    assert [agrees(rows["loop"], period) for period in (3, 6, 4, None)] == [True, True, False, None]
    assert agrees(rows["late"], 3) is True, "the whole sample's, as the states are"
    assert agrees(rows["noise"], 3) is False
    assert agrees(rows["ended_in_loop"], 2) is False, "not up to the end"


def test_no_samples() -> None:
    assert survey([], spell, DETECTOR, Training(NOISE), LENGTH, EOS) == []
