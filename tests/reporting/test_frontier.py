from dataclasses import replace
from typing import Any

from recurrence.reporting.frontier import frontier
from recurrence.results.corpus import Results
from reporting.results_tree import STRATEGIES, model


def rows(chart: Any) -> list[dict[str, Any]]:
    return [row for table in chart.to_dict()["datasets"].values() for row in table]


def test_every_strategy_stands_at_its_reference_nats_and_rate(toy: Results) -> None:
    chart = frontier(model(toy, "good"), toy)
    points = {
        row["strategy"]: (row["reference_nats"], row["rate"])
        for row in rows(chart)
        if "strategy" in row
    }
    assert points["greedy"] == (model(toy, "good").rates["greedy"]["reference_nats"], 1.0)
    assert set(points) == {"greedy", "beam_4", "greedy_rep_1_2", "multinomial", "top_p_0_9"}


def test_human_text_is_marked_and_the_recommended_setting_ringed(toy: Results) -> None:
    found = rows(frontier(model(toy, "good"), toy))
    (human,) = [row for row in found if "low" in row]
    assert (human["reference_nats"], human["text"]) == (1.5, "human text")
    rings = [row for row in found if set(row) == {"reference_nats", "rate"}]
    assert rings == [
        {"reference_nats": model(toy, "good").rates["top_p_0_9"]["reference_nats"], "rate": 0.0}
    ]
    assert not [
        row
        for row in rows(frontier(model(toy, "poor"), toy))
        if set(row) == {"reference_nats", "rate"}
    ]


def test_some_points_have_names(toy: Results) -> None:
    names = {row["text"] for row in rows(frontier(model(toy, "good"), toy)) if set(row) == {"text"}}
    assert "top_p_0_9" in names and names < set(STRATEGIES)


def test_without_reference_nats_there_is_no_chart(toy: Results) -> None:
    assert frontier(replace(model(toy, "good"), human_nats=()), toy) is None
    assert frontier(model(toy, "uniform"), toy) is None
