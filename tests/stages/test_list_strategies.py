"""The stage that writes down the strategies: all of them, in their order, as they were checked."""

import json
from pathlib import Path

from recurrence import params
from recurrence.stages import list_strategies


def test_the_file_holds_every_strategy_in_order(empty_project: Path) -> None:
    list_strategies.main("mine")
    found = json.loads((empty_project / "data/strategies/mine.json").read_text(encoding="utf-8"))
    assert list(found) == list(params.strategies())
    assert {
        name: params.Strategy.model_validate(block) for name, block in found.items()
    } == params.strategies()


def test_the_file_changes_with_a_strategy_and_with_nothing_else(empty_project: Path) -> None:
    path, places = empty_project / "params.yaml", empty_project / "data/strategies/mine.json"
    contents = []
    for old, new in (
        ("hidden: 16", "hidden: 16"),
        ("hidden: 16", "hidden: 32"),
        ("{pick: sample}", "{pick: argmax}"),
    ):
        path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
        list_strategies.main("mine")
        contents.append(places.read_text(encoding="utf-8"))
    assert contents[0] == contents[1] != contents[2]
