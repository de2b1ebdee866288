"""Entries of dvc.lock in their places, against what dvc itself writes."""

from pathlib import Path
from typing import Any

import pytest

dvc_yaml = pytest.importorskip("dvc.utils.serialize")

from recurrence.repro.lockfile import HEAD, Recorder, entries, numbered  # noqa: E402

LONG = "a text that is longer than a line may be, with : and - and 'quotes' in it, " * 3


def document(stages: dict[str, Any]) -> str:
    return str(dvc_yaml.dumps_yaml({"schema": "2.0", "stages": stages}))


def twice() -> list[Any]:
    """One thing in two places, which dvc writes as an anchor and an alias."""
    return [{"lr": 0.1, "betas": [0.9, 0.99]}] * 2


def stage(**fields: Any) -> dict[str, Any]:
    return {
        "cmd": "python -m recurrence.stages.train x",
        "deps": [{"path": "a", "md5": "0" * 32, "size": 3}],
        **fields,
    }


STAGES = {
    "train@a-x": stage(params={"params.yaml": {"models.a-x": {"phases": twice(), "empty": {}}}}),
    "train@a-y": stage(
        cmd=["mkdir a", LONG], params={"params.yaml": {"models.a-y": {"one": 1.0e-3, "none": None}}}
    ),
    "gather": stage(outs=[{"path": "all.txt", "hash": "md5", "md5": "1" * 32, "size": 12}]),
    "train@a-z": stage(
        params={"params.yaml": {"models.a-z": [*twice(), {"text": "#1 & *more*\n  two lines\n"}]}}
    ),
}


def test_taken_apart_and_put_together_it_is_the_same() -> None:
    text = document(STAGES)
    blocks = entries(text)
    assert blocks is not None and list(blocks) == list(STAGES)
    assert HEAD + numbered(list(blocks.values())) == text


@pytest.mark.parametrize("name", STAGES)
def test_a_changed_entry_stands_where_it_stood(name: str) -> None:
    changed = {**STAGES, name: stage(cmd="other", params={"params.yaml": {"b": twice()}})}
    assert Recorder(STAGES).text_with(
        document(STAGES), name, document({name: changed[name]})
    ) == document(changed)


def test_new_entries_stand_last_in_the_order_of_the_plan() -> None:
    """Whichever ended first: as dvc would have written them one after the other."""
    plan = ["train@a-y", "gather", "train@a-z"]
    text: str | None = document({"train@a-x": STAGES["train@a-x"]})
    recorder = Recorder(["train@a-x", *plan])
    for name in ("gather", "train@a-z", "train@a-x", "train@a-y", "gather"):
        assert text is not None
        text = recorder.text_with(text, name, document({name: STAGES[name]}))
    assert text == document(
        {"train@a-x": STAGES["train@a-x"], **{name: STAGES[name] for name in plan}}
    )


def test_the_first_entry_of_all() -> None:
    assert Recorder(STAGES).text_with(
        HEAD, "gather", document({"gather": STAGES["gather"]})
    ) == document({"gather": STAGES["gather"]})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "stages: {}\n",
        document(STAGES) + "datasets:\n- name: x\n",
        document(STAGES).replace("  gather:", "  # by hand\n  gather:"),
        document(STAGES).replace("  gather:\n", "  gather: # by hand\n"),
        document(STAGES).replace("*id001", "*id007"),
    ],
)
def test_what_dvc_did_not_lay_out_is_left_to_dvc(text: str) -> None:
    assert (
        Recorder(STAGES).text_with(text, "train@a-y", document({"train@a-y": STAGES["train@a-y"]}))
        is None
    )


def test_the_lock_of_this_project_is_such_a_file() -> None:
    lock = Path(__file__).parents[2] / "dvc.lock"
    if lock.exists():  # it has some minutes of life without one, when all is made anew
        text = lock.read_text(encoding="utf-8")
        blocks = entries(text)
        assert blocks is not None and HEAD + numbered(list(blocks.values())) == text
