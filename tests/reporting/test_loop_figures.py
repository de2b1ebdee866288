from dataclasses import replace
from typing import Any

import pytest

from recurrence.reporting import loop_figures
from recurrence.results.corpus import Results
from reporting.results_tree import model


def rows(chart: Any) -> list[dict[str, Any]]:
    return [row for table in chart.to_dict()["datasets"].values() for row in table]


def test_survival_curves_run_to_the_end_of_the_samples(toy: Results) -> None:
    shown = rows(loop_figures.survival(model(toy, "good"), toy))
    steps = {
        name: [(r["t"], r["share"]) for r in shown if r["strategy"] == name]
        for name in ("greedy", "beam_4")
    }
    assert steps["greedy"] == [(0.0, 1.0), (5.0, 0.0), (60, 0.0)]
    assert {row["strategy"] for row in shown} == {
        "greedy",
        "beam_4",
        "greedy_rep_1_2",
    }  # those that loop


def test_without_loops_there_is_no_survival_curve(toy: Results) -> None:
    good = model(toy, "good")
    free = {name: rates for name, rates in good.rates.items() if not rates["loops"]}
    assert loop_figures.survival(replace(good, rates=free), toy) is None


def test_of_many_strategies_each_family_is_shown(toy: Results) -> None:
    good = model(toy, "good")
    many = good.rates | {f"gone_{i}": good.rates["greedy"] for i in range(9)}
    blocks = {name: toy.blocks["greedy"] for name in many if name.startswith("gone")} | toy.blocks
    wide = replace(toy, models=(replace(good, rates=many),), blocks=blocks)
    names = {row["strategy"] for row in rows(loop_figures.survival(wide.models[0], wide))}
    assert len(names) == loop_figures.MOST_CURVES and {"beam_4", "greedy_rep_1_2"} <= names


def test_curves_of_one_hue_differ_in_their_dash() -> None:
    dashes = loop_figures._dashes(["red", "blue", "red", "red"])
    assert dashes[0] == dashes[1] and len({str(dashes[i]) for i in (0, 2, 3)}) == 3


@pytest.mark.parametrize(
    ("draw", "place"), [(loop_figures.onsets, 5.0), (loop_figures.periods, 4.0)]
)
def test_bubbles_count_the_samples_that_loop(draw: Any, place: float, toy: Results) -> None:
    shown = {(row["model"], row["decoding"]): row for row in rows(draw(toy))}
    assert {key: row["samples"] for key, row in shown.items()} == {
        ("good", "deterministic"): 7, ("poor", "deterministic"): 1, ("poor", "random"): 1,
    }  # fmt: skip
    assert shown["good", "deterministic"]["at"] == pytest.approx(
        place, rel=0.13
    )  # to a third of an octave


@pytest.mark.parametrize(
    ("most", "ticks"), [(0, [0, 1]), (9, [0, 1, 3, 10]), (101, [0, 1, 3, 10, 30, 100, 300])]
)
def test_ticks_reach_the_greatest_value(most: float, ticks: list[int]) -> None:
    assert loop_figures._log_ticks(most) == ticks


def test_the_heat_map_for_the_readme_shows_trained_models_only(toy: Results) -> None:
    cells = {(row["model"], row["strategy"]) for row in rows(loop_figures.heat_map(toy))}
    assert len(cells) == 10 and {name for name, _ in cells} == {"good", "poor"}
