"""Rates by group and differences of heaps, with the intervals of the literature."""

import pytest
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from recurrence.scan import rates
from recurrence.scan.rates import NONE, REST, Rate, Rates, difference

COUNTS = [(0, 5), (5, 5), (1, 3), (7, 20), (56, 70), (480, 1000)]


@pytest.mark.parametrize(("loops", "samples"), COUNTS)
def test_the_interval_is_wilsons(loops: int, samples: int) -> None:
    right = proportion_confint(loops, samples, method="wilson")
    assert Rate(loops, samples).interval() == pytest.approx(right)


@pytest.mark.parametrize("first", COUNTS)
@pytest.mark.parametrize("second", COUNTS)
def test_the_difference_is_newcombes(first: tuple[int, int], second: tuple[int, int]) -> None:
    right = confint_proportions_2indep(*second, *first, method="newcomb")
    found = difference(Rate(*first), Rate(*second))
    assert found.interval == pytest.approx(right)
    assert found.value == pytest.approx(second[0] / second[1] - first[0] / first[1])


def test_newcombes_own_example() -> None:
    """56 of 70 and 48 of 80: 0.0524 to 0.3339 (Statistics in Medicine 17, 1998, table II, column
    a).
    """
    found = difference(Rate(48, 80), Rate(56, 70))
    assert found.interval == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert (found.verdict, difference(Rate(56, 70), Rate(48, 80)).verdict) == ("more", "less")
    assert difference(Rate(1, 9), Rate(2, 9)).verdict == "no difference beyond chance"


def test_of_no_samples_nothing_is_known() -> None:
    assert Rate(0, 0).interval() == (0.0, 1.0)
    assert Rates({"exact"}).rate("a") == (0, 0)


def test_rows_are_counted_by_group_and_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rates, "MOST_GROUPS", 3)
    found = Rates({"exact", "near"})
    for group, kind in [
        ("a", "exact"),
        ("a", "template"),
        (None, "near"),
        ("b", "none"),
        ("c", "near"),
    ]:
        found.add({"group": group, "kind": kind})
    assert list(found.rates()) == [("a", (1, 2)), (NONE, (1, 1)), ("b", (0, 1)), (REST, (1, 1))]
