"""Which stage goes next."""

from hypothesis import given
from hypothesis import strategies as st

from recurrence.repro.plan import Plan

NEEDS = {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"], "e": []}


def plan(needs: dict[str, list[str]] = NEEDS, total: int = 2, **given: dict[str, float]) -> Plan:
    cost, cores = given.get("cost", {}), given.get("cores", {})
    return Plan(
        needs, lambda name: cost.get(name, 1.0), lambda name: int(cores.get(name, 1)), total
    )


def all_due(plan: Plan) -> Plan:
    for name in list(plan.unchecked):
        plan.is_due(name)
    return plan


def test_only_what_needs_nothing_is_looked_at_first() -> None:
    assert plan().unchecked == ["a", "e"]


def test_what_is_done_frees_what_needs_it() -> None:
    made = plan()
    made.done("a")
    assert made.unchecked == ["e", "b", "c"]
    made.done("b")
    assert made.unchecked == ["e", "c"]
    made.done("c")
    assert made.unchecked == ["e", "d"]


def test_the_longest_path_goes_first() -> None:
    made = all_due(
        plan({"x": [], "y": [], "z": ["y"]}, total=1, cost={"x": 3.0, "y": 1.0, "z": 4.0})
    )
    assert made.next_due() == "y"  # 1 + 4, against 3


def test_no_more_at_a_time_than_there_are_cores() -> None:
    made = all_due(plan({"x": [], "y": [], "z": []}))
    assert [made.next_due() for _ in range(3)] == ["x", "y", None]
    made.done("x")
    assert made.next_due() == "z"


def test_what_wants_all_cores_has_them_to_itself() -> None:
    made = all_due(plan({"wide": [], "x": [], "y": []}, cost={"wide": 2.0}, cores={"wide": 16}))
    assert [made.next_due(), made.next_due()] == ["wide", None]
    made.done("wide")
    assert [made.next_due(), made.next_due()] == ["x", "y"]


def test_what_fits_beside_the_others_does_not_wait_for_what_does_not() -> None:
    made = all_due(
        plan({"x": [], "wide": [], "y": []}, cost={"x": 3.0, "wide": 2.0}, cores={"wide": 2})
    )
    assert [made.next_due(), made.next_due(), made.next_due()] == ["x", "y", None]


def test_a_failure_stops_what_needs_it_and_nothing_else() -> None:
    made = plan()
    made.done("a")
    assert made.failed("b") == ["d"]
    assert made.unchecked == ["e", "c"]
    made.done("c")
    made.done("e")
    assert not made.is_open


@given(
    st.lists(st.lists(st.integers(0, 20), max_size=4), max_size=20), st.integers(1, 4), st.data()
)
def test_every_stage_goes_once_after_all_that_it_needs(
    edges: list[list[int]], total: int, data: st.DataObject
) -> None:
    """Whatever the graph, what fails, and what ends first: each stage ends or is left out, and none
    goes too early.
    """
    needs = {str(n): [str(m) for m in set(found) if m < n] for n, found in enumerate(edges)}
    made, ended, running = plan(needs, total), {}, []
    while made.is_open:
        all_due(made)
        while name := made.next_due():
            assert all(ended[needed] == "done" for needed in needs[name])
            running.append(name)
        assert 0 < len(running) <= total
        name = running.pop(data.draw(st.integers(0, len(running) - 1)))
        ended[name] = data.draw(st.sampled_from(["done", "failed"]))
        if ended[name] == "done":
            made.done(name)
        else:
            ended |= dict.fromkeys(made.failed(name), "left out")
    assert ended.keys() == needs.keys()
    for name, how in ended.items():
        assert (how == "left out") == any(ended[needed] != "done" for needed in needs[name])


def test_what_needs_only_some_goes_on_without_the_others() -> None:
    needs = {"a": [], "b": [], "both": ["a", "b"], "some": ["a", "b"], "last": ["some"]}
    made = Plan(needs, lambda _: 1.0, lambda _: 1, 2, {"some": {"a", "b"}})
    assert made.failed("a") == ["both"]
    assert made.unchecked == ["b"]
    made.done("b")
    assert made.unchecked == ["some"]


def test_what_needs_some_is_left_out_where_nothing_is_there() -> None:
    made = Plan(
        {"a": [], "b": [], "some": ["a", "b"]}, lambda _: 1.0, lambda _: 1, 2, {"some": {"a", "b"}}
    )
    assert made.failed("a") == []
    assert made.failed("b") == ["some"]
    assert not made.is_open


def test_what_needs_some_still_needs_the_rest() -> None:
    made = Plan(
        {"a": [], "b": [], "some": ["a", "b"]}, lambda _: 1.0, lambda _: 1, 2, {"some": {"b"}}
    )
    assert made.failed("a") == ["some"]
