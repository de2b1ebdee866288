from dataclasses import replace
from typing import Any

from recurrence.reporting import figures
from recurrence.results.corpus import Results
from reporting.results_tree import changed, model


def rows(chart: Any) -> list[dict[str, Any]]:
    """All data rows of a chart, whatever its layers."""
    return [row for table in chart.to_dict()["datasets"].values() for row in table]


def test_the_ranking_shows_every_seed_and_the_floor_but_no_weaker_baseline(toy: Results) -> None:
    shown = [(row["model"], row["nats"]) for row in rows(figures.ranking(toy)) if "model" in row]
    assert shown == [("good", 1.30), ("good", 1.34), ("poor", 1.60), ("kneser_ney", 1.40)]


def test_a_panel_per_trained_model_with_the_notebooks_mark(toy: Results) -> None:
    panels = figures.panels(toy)
    assert list(panels) == ["good", "poor"]
    marks = [row for row in rows(panels["good"]) if "model" not in row]
    assert marks == [{"epoch": 3, "mean": 1.31}]
    assert not [row for row in rows(panels["poor"]) if "model" not in row]


def test_a_second_protocol_is_a_second_curve(toy: Results) -> None:
    history = model(toy, "good").history
    twice = changed(
        toy, "good", history=history.assign(protocol=["ordered"] * 3 + ["as_notebook"] * 3)
    )
    one, two = (len(figures.panels(r)["good"].to_dict()["layer"]) for r in (toy, twice))
    assert two == one + 3


def test_losses_beyond_a_uniform_guess_do_not_stretch_the_axis(toy: Results) -> None:
    history = model(toy, "good").history
    wild = changed(
        toy, "good", history=history.assign(valid_nats=[90.0, *history["valid_nats"][1:]])
    )
    panel = figures.panels(wild)["good"].to_dict()
    domain = next(layer["encoding"]["y"]["scale"]["domain"] for layer in panel["layer"])
    assert domain[1] < 3


def test_the_chart_for_the_readme_shows_all(toy: Results) -> None:
    assert {row["model"] for row in rows(figures.curves(toy))} == {"good", "poor"}


def test_without_a_trained_model_the_charts_are_empty_but_there(toy: Results) -> None:
    counted = replace(toy, models=tuple(toy.baselines))
    assert figures.panels(counted) == {}
    figures.curves(counted).to_dict()
