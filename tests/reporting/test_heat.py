from dataclasses import replace

import pytest

from recurrence.reporting import heat
from recurrence.results.corpus import Results
from reporting.results_tree import model


def test_a_block_for_every_family_a_column_for_every_model(toy: Results) -> None:
    found = heat.blocks(toy, toy.trained)
    assert [(block.family, [name for name, _ in block.rows]) for block in found][:2] == [
        ("the likeliest token", ["greedy"]),
        ("the likeliest token after filters and penalties", ["greedy_rep_1_2"]),
    ]
    assert all(block.models == ("good", "poor") for block in found)
    good, poor = found[0].rows[0][1]
    assert good is not None and poor is not None
    assert (good.text, poor.text, good.dark, poor.dark) == ("100", "33", True, False)
    assert (good.span, poor.span) == ("50–100", "17–67")
    assert (
        good.words
        == "3 of 3 samples of 1 net loop; 95 % interval 50 to 100 %; 0.420 nats, more predictable than human text"
    )


def test_place_and_recommendation_are_marked(toy: Results) -> None:
    cells = {name: row[0] for block in heat.blocks(toy, toy.trained) for name, row in block.rows}
    places = {name: cell.place for name, cell in cells.items() if cell}
    assert places == {
        "greedy": "below", "beam_4": "below", "greedy_rep_1_2": "below", "multinomial": "above", "top_p_0_9": "within",
    }  # fmt: skip
    assert [name for name, cell in cells.items() if cell and cell.chosen] == ["top_p_0_9"]


def test_what_was_not_sampled_is_left_out_or_empty(toy: Results) -> None:
    (first, second) = heat.blocks(toy, toy.baselines)
    assert (first.models, second.models) == (("kneser_ney",), ("kneser_ney",))
    mixed = heat.blocks(toy, [model(toy, "good"), model(toy, "kneser_ney")])
    rows = {name: row for block in mixed for name, row in block.rows}
    assert rows["beam_4"][1] is None and rows["greedy"][1] is not None
    assert heat.blocks(toy, [model(toy, "uniform")]) == []


@pytest.mark.parametrize(
    ("rate", "text"),
    [(0, "0"), (0.004, "<1"), (0.006, "1"), (0.5, "50"), (0.996, ">99"), (1, "100")],
)
def test_percents_never_round_to_none_or_all(rate: float, text: str) -> None:
    assert heat.whole_percent(rate) == text


def test_shades_run_from_end_to_end() -> None:
    assert [heat.shade(rate, heat.RATE_RANGE) for rate in (0, 1 / 3, 1)] == [
        "#f4f1ec",
        "#f2c9a1",
        "#b04a00",
    ]
    assert heat.shade(0.5, heat.RATE_RANGE) == "#e9aa6e"


@pytest.mark.parametrize("colours", [heat.RATE_RANGE, heat.FOUND_RANGE])
def test_text_on_every_shade_has_the_contrast_that_wcag_asks_for(colours: list[str]) -> None:
    def luminance(colour: str) -> float:
        parts = [x / 255 for x in bytes.fromhex(colour[1:])]
        linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    ink = {"black": 0.0, "white": 1.0}
    for rate in range(101):
        colour = heat.shade(rate / 100, colours)
        both = sorted((luminance(colour), ink[heat.ink_on(colour)]))
        assert (both[1] + 0.05) / (both[0] + 0.05) >= 4.5


def test_without_reference_nats_cells_have_no_mark(toy: Results) -> None:
    bare = replace(model(toy, "good"), human_nats=())
    cells = [cell for block in heat.blocks(toy, [bare]) for _, row in block.rows for cell in row]
    assert not any(cell and (cell.place or cell.chosen) for cell in cells)
