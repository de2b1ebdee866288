"""Verdicts on columns: frames and mappings keep what they have, and get columns of the same types
in every batch.
"""

import numpy as np
import pandas as pd
import pytest

from recurrence.errors import RecurrenceError
from recurrence.loops.batches import with_verdicts

LOOP = "It began well. " + "on and on " * 12
TYPES = {
    "loops": "bool",
    "loop_start": "float64",
    "loop_period": "float64",
    "loop_copies": "float64",
    "loop_coverage": "float64",
    "loop_terminal": "bool",
}


def test_a_frame_keeps_its_index_and_columns() -> None:
    frame = pd.DataFrame({"n": [1, 2, 3], "text": [LOOP, "fine", None]}, index=["a", "b", "c"])
    found = with_verdicts(frame)
    assert list(found.columns) == ["n", "text", "loops", "loop_kind", *list(TYPES)[1:]]
    assert found["loop_kind"].to_dict() == {"a": "exact", "b": "none", "c": ""}
    assert found["loops"].tolist() == [True, False, False]
    assert (found["loop_start"]["a"], found["loop_period"]["a"]) == (14, 10)
    assert found["loop_start"].isna().tolist() == [False, True, True]
    assert {name: str(found[name].dtype) for name in TYPES} == TYPES
    assert list(frame.columns) == ["n", "text"]


@pytest.mark.parametrize("texts", [["fine"], [], [None, float("nan"), pd.NA]])
def test_the_types_are_the_same_whatever_the_batch_holds(texts: list[object]) -> None:
    found = with_verdicts(pd.DataFrame({"text": pd.Series(texts, dtype=object)}))
    assert {name: str(found[name].dtype) for name in TYPES} == TYPES
    assert not found["loops"].any()


def test_mappings_of_arrays_and_of_lists_stay_what_they_are() -> None:
    arrays = with_verdicts({"out": np.array([LOOP, "fine"], object)}, text="out")
    assert all(isinstance(column, np.ndarray) for column in arrays.values())
    lists = with_verdicts({"out": [LOOP, "fine"]}, text="out")
    assert lists["loop_kind"] == list(arrays["loop_kind"]) == ["exact", "none"]
    assert all(isinstance(column, list) for column in lists.values())


def test_options_are_those_of_the_detector() -> None:
    assert with_verdicts({"text": [LOOP]}, floor=1000)["loop_kind"] == ["none"]


@pytest.mark.parametrize(
    ("batch", "words"),
    [
        ({"txet": ["x"]}, "text: no such column; did you mean 'txet'"),
        ({"text": ["x", 7]}, "text: row 1 must be a text, got 7"),
        (["x", "y"], "a batch must be a frame or a mapping of columns, got list; .* judge_many"),
    ],
)
def test_what_does_not_fit_is_named(batch: object, words: str) -> None:
    with pytest.raises(RecurrenceError, match=words):
        with_verdicts(batch)


@pytest.mark.filterwarnings("default")  # Ray's own
def test_ray_data_judges_in_two_workers() -> None:
    ray = pytest.importorskip("ray")
    data = pytest.importorskip("ray.data")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        texts = [{"id": n, "text": LOOP if n % 3 == 0 else f"fine {n}"} for n in range(60)]
        table = data.from_items(texts, override_num_blocks=2)
        found = table.map_batches(with_verdicts, batch_format="pandas").to_pandas()
    finally:
        ray.shutdown()
    looping = found[found["loops"]]
    assert sorted(looping["id"]) == list(range(0, 60, 3))
    assert set(looping["loop_kind"]) == {"exact"}
