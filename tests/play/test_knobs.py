import pytest

from recurrence import params
from recurrence.params import Strategy
from recurrence.play.knobs import knobs, turned


def block(**fields: object) -> Strategy:
    return Strategy.model_validate(fields)


DRY = block(
    pick="argmax", filters=[{"dry": {"multiplier": 0.8, "allowed": {"char": 10, "word": 4}}}]
)


def test_every_number_of_the_filters_is_a_knob() -> None:
    found = knobs(DRY, "word")
    assert [(knob.label, knob.value, knob.step) for knob in found] == [
        ("dry, multiplier", 0.8, 0.01),
        ("dry, allowed", 4, 1),
    ]
    assert knobs(DRY, "char")[1].value == 10
    assert knobs(block(pick="argmax"), "char") == []


def test_a_search_has_knobs_and_words_and_switches_have_none() -> None:
    assert [k.label for k in knobs(block(search={"beam": {"width": 4}}), "char")] == ["beam, width"]
    assert knobs(block(pick="sample", filters=[{"p_less": True}]), "char") == []
    stop = block(search={"beam": {"width": 4, "eos": "stop"}})
    assert len(knobs(stop, "char")) == 1


def test_turned_knobs_change_the_block_and_whole_numbers_stay_whole() -> None:
    new = turned(DRY, "word", [1.5, 7.0])
    assert new.filters == ({"dry": {"multiplier": 1.5, "allowed": 7}},)
    assert type(new.filters[0]["dry"]["allowed"]) is int
    assert DRY.filters[0]["dry"]["multiplier"] == 0.8  # the block itself is as it was


@pytest.mark.parametrize("unit", ["char", "word"])
def test_knobs_that_nobody_turned_leave_every_strategy_of_the_project_as_it_is(unit: str) -> None:
    for given in params.strategies().values():
        found = knobs(given, unit)
        same = turned(given, unit, [knob.value for knob in found])
        assert [k.value for k in knobs(same, unit)] == [k.value for k in found]
        assert all(knob.low <= knob.value <= knob.high for knob in found)
        assert (same.pick, same.allow, same.window) == (given.pick, given.allow, given.window)
