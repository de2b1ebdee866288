"""What `recurrence repro --dry` says of stages: which, why, and how long."""

from pathlib import Path
from typing import Any

import pytest

from recurrence import machine
from recurrence.cli import foreseeing

NEEDS = {
    "digest@code": [],
    "split@mine": ["digest@code"],
    "build_vocab@mine": ["split@mine"],
    "train@mine-rnn": ["build_vocab@mine"],
    "report@mine": ["train@mine-rnn"],
}
MADE = {
    stage: {key: f"{stage} now"}
    for stage, _, key in (name.partition("@") for name in NEEDS)
    if stage != "digest"
}


def session(monkeypatch: pytest.MonkeyPatch, **known: Any) -> None:
    """dvc's answers: `status` by stage, and the digests that dvc.lock has instead of today's."""

    class Session:
        def __init__(self, root: Path, launch: Any) -> None:
            pass

        def plan(self, targets: list[str]) -> dict[str, list[str]]:
            return NEEDS

        def status(self, name: str) -> list[Any]:
            found: list[Any] = known.get("status", {}).get(name, [])
            return found

        def recorded(self, name: str) -> dict[str, Any]:
            stage, _, key = name.partition("@")
            now = {f"{stage}.{key}": MADE.get(stage, {}).get(key)}
            found: dict[str, Any] = known.get("recorded", {}).get(name, now)
            return found

    monkeypatch.setattr("recurrence.repro.dvc_session.DvcSession", Session)
    monkeypatch.setattr(foreseeing, "_digests", lambda root: MADE)
    times = {"train": 61.0, "report": 10.0}
    monkeypatch.setattr(machine, "seconds", lambda corpus, stage, key: times.get(stage))


@pytest.mark.usefixtures("empty_project")
def test_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    session(monkeypatch)
    assert foreseeing.foreseen([]) == ["nothing would run: 5 stages are up to date"]


@pytest.mark.usefixtures("empty_project")
def test_a_changed_value_is_the_reason_and_what_comes_after_is_perhaps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session(monkeypatch, recorded={"train@mine-rnn": {"train.mine-rnn": "other"}})
    assert foreseeing.foreseen([]) == [
        "train@mine-rnn    0:01:01  its code, or a value of params.yaml that it reads, changed",
        "report@mine       0:00:10  perhaps: it needs train@mine-rnn",
        "",
        "would run: 1 of 5 stages; 1 more only if what they need comes out otherwise than before. "
        "What dvc has in its cache is restored and not run",
        "the last runs of 2 of these took 0:01:11 in all, one after the other",
    ]


@pytest.mark.usefixtures("empty_project")
@pytest.mark.parametrize(
    ("status", "why"),
    [
        ([{"changed outs": {"data/text/mine": "deleted"}}], "not here, or not as it was made: data/text/mine"),
        ([{"changed deps": {"data/raw/mine": "modified"}}], "changed: data/raw/mine"),
        (["always changed"], "it runs every time"),
        (["changed command"], "changed command"),
    ],
)  # fmt: skip
def test_the_reason_is_what_dvc_found(
    status: list[Any], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session(monkeypatch, status={"split@mine": status})
    first = foreseeing.foreseen([])[0]
    assert first == f"split@mine                ?  {why}"


@pytest.mark.usefixtures("empty_project")
def test_what_never_ran_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    session(monkeypatch, recorded={"split@mine": {}})
    told = foreseeing.foreseen([])
    assert told[0].endswith("it never ran here")
    assert told[-1] == "how long 2 take is not known (no row in reports/CORPUS/machine.csv)"
