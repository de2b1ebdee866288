from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from recurrence.reporting.glance import picture, sentences
from recurrence.reporting.grid import NARROW, WIDE, Layout
from recurrence.results.corpus import Results
from reporting.results_tree import changed, model


def rows(chart: Any) -> list[dict[str, Any]]:
    return [row for table in chart.to_dict()["datasets"].values() for row in table]


def cells(chart: Any) -> dict[tuple[float, float], dict[str, Any]]:
    return {(row["x"], row["y"]): row for row in rows(chart) if "colour" in row}


@pytest.mark.parametrize("layout", [WIDE, NARROW])
def test_a_row_for_every_model_a_column_for_every_strategy(toy: Results, layout: Layout) -> None:
    found = cells(picture(toy, layout))
    assert len({x for x, _ in found}) == 5 and len({y for _, y in found}) == 2
    assert max(row["x2"] for row in found.values()) <= layout.width


def test_colour_is_the_loop_rate_and_a_mark_the_human_band(toy: Results) -> None:
    found = list(cells(picture(toy, WIDE)).values())
    good = sorted((row for row in found if row["y"] == WIDE.above), key=lambda row: row["x"])
    assert [row["colour"] for row in good] == [
        "#b04a00", "#f2c9a1", "#b04a00", "#f4f1ec", "#f4f1ec",
    ]  # fmt: skip
    assert [row["inside"] for row in good] == [False, False, False, False, True]
    assert [row["chosen"] for row in good] == [False, False, False, False, True]


def test_only_a_wide_picture_names_its_strategies(toy: Results) -> None:
    wide, narrow = (
        {str(row["text"]) for row in rows(picture(toy, layout)) if "text" in row}
        for layout in (WIDE, NARROW)
    )
    assert {"good", "poor", "1.32", "top_p_0_9", "search"} <= wide
    assert "top_p_0_9" not in narrow and "drawn, filtered" in narrow


def test_what_was_not_sampled_stays_empty(toy: Results) -> None:
    fewer = {"greedy": model(toy, "poor").rates["greedy"]}
    assert len(cells(picture(changed(toy, "poor", rates=fewer), WIDE))) == 6


def test_without_samples_there_is_no_picture_and_one_sentence(toy: Results) -> None:
    for name in ("good", "poor"):
        none = model(toy, name).samples.iloc[:0]
        toy = changed(toy, name, samples=none, rates={}, loops={}, human_nats=())
    assert picture(toy, WIDE) is None
    assert [head for head, _ in sentences(toy)] == ["Best model"]


def test_three_sentences(toy: Results) -> None:
    assert dict(sentences(toy)) == {
        "Best model": "good predicts best: 1.320 nats per character; counting needs 1.400.",
        "Loops": "Always taking the likeliest character, 67 % of samples loop; drawing from all "
        "characters, 0 %. 2 of 5 strategies loop in at least half of their samples.",
        "Recommended": "top_p_0_9 with good: 0 of 381 samples loop, and the text is as predictable as "
        "human text; 1 of 2 models have such a setting.",
    }


def test_a_best_model_without_a_setting_is_said(toy: Results) -> None:
    alone = replace(toy, models=(model(toy, "poor"),))
    assert dict(sentences(alone))["Recommended"] == (
        "No setting of poor both avoids loops and is as predictable as human text; "
        "top_p_0_9 comes nearest."
    )


def test_many_strategies_still_fit(toy: Results) -> None:
    rates = model(toy, "good").rates
    many = {f"top_p_0_9_{i}": rates["top_p_0_9"] for i in range(120)}
    found = pd.DataFrame(rows(picture(changed(toy, "good", rates=rates | many), NARROW)))
    assert found["x2"].max() <= NARROW.width
