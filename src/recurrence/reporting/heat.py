"""Heat maps as tables: loop rates by strategy and model, grouped by family. In: results. Out: cells
to render.
"""

from dataclasses import dataclass, replace
from typing import Any

from recurrence.reporting.sentences import PLACES
from recurrence.results import formats
from recurrence.results.corpus import FAMILIES, HUMAN, ModelResults, Results
from recurrence.results.recommended import Band

RATE_RANGE = ["#f4f1ec", "#f2c9a1", "#e08a3c", "#b04a00"]
"""From no loop to all loop; the charts use the same."""
FOUND_RANGE = ["#f4f1ec", "#b9dcf0", "#56a5d3", "#00598c"]
"""From none found to all found."""


@dataclass(frozen=True)
class Cell:
    """`text` on `colour`; `dark`: the text must be white. `words` say more."""

    text: str
    words: str
    colour: str
    dark: bool
    place: str = ""
    """Of the reference nats in the human band: below, within, above; empty where unknown."""
    span: str = ""
    """Its 95 % interval, in percent."""
    chosen: bool = False
    """The setting recommended for the model."""


@dataclass(frozen=True)
class Block:
    """The strategies of one family, a row of cells for each, a cell for each of `models`; None: not
    sampled.
    """

    family: str
    models: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell | None, ...]], ...]


def blocks(results: Results, models: list[ModelResults]) -> list[Block]:
    """Loop rates of these models, a block per family; strategies that none of them was sampled with
    are left out.
    """
    sampled = [m for m in models if m.rates]
    columns = {m.name: _column(m) for m in sampled}
    rows: dict[str, list[tuple[str, tuple[Cell | None, ...]]]] = {}
    for strategy in results.strategies:
        cells = tuple(column.get(strategy) for column in columns.values())
        if any(cells):
            rows.setdefault(FAMILIES[results.family(strategy)], []).append((strategy, cells))
    return [Block(family, tuple(columns), tuple(found)) for family, found in rows.items()]


def _column(model: ModelResults) -> dict[str, Cell]:
    human, choice = model.band, model.choice
    best = choice.strategy if choice and choice.qualifies else None
    return {
        name: _cell(rates, human, name == best)
        for name, rates in model.rates.items()
        if name != HUMAN
    }


def _cell(rates: dict[str, Any], human: Band | None, chosen: bool) -> Cell:
    rate = float(rates["loop_rate"])
    interval = formats.span(rates["loop_lo"], rates["loop_hi"])
    seen = formats.behind(rates["samples"], rates["nets"])
    words = f"{rates['loops']} of {seen} loop; 95 % interval {interval}"
    place = (
        human.place(rates["reference_nats"])
        if human and rates["reference_nats"] is not None
        else ""
    )
    beside = f"; {formats.nats(rates['reference_nats'])} nats, {PLACES[place]}" if place else ""
    span = f"{whole_percent(rates['loop_lo'])}–{whole_percent(rates['loop_hi'])}"
    return replace(rate_cell(rate, words + beside), place=place, chosen=chosen, span=span)


def rate_cell(rate: float, words: str) -> Cell:
    """A share of samples that loop, or are said to."""
    return _on(shade(rate, RATE_RANGE), whole_percent(rate), words)


def found_cell(found: int, trials: int, words: str) -> Cell:
    """A cell of the planted grid: how many of the planted loops were found."""
    share = found / trials
    return _on(shade(share, FOUND_RANGE), whole_percent(share), words)


def _on(colour: str, text: str, words: str) -> Cell:
    return Cell(text, words, colour, ink_on(colour) == "white")


def ink_on(colour: str) -> str:
    """black or white: the one with the greater contrast on a colour (#rrggbb), 4.5 or more on any
    (WCAG 2).
    """
    shares = [part / 255 for part in bytes.fromhex(colour[1:])]
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in shares]
    luminance = sum(w * x for w, x in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return "white" if 1.05 / (luminance + 0.05) > (luminance + 0.05) / 0.05 else "black"


def whole_percent(rate: float) -> str:
    """0 to 100 without a sign; neither end is rounded to."""
    return "<1" if 0 < rate < 0.005 else ">99" if 0.995 <= rate < 1 else f"{100 * rate:.0f}"


def shade(rate: float, colours: list[str]) -> str:
    """The colour of a rate, interpolated as a chart's scale does."""
    at = rate * (len(colours) - 1)
    below = min(int(at), len(colours) - 2)
    low, high = (bytes.fromhex(c[1:]) for c in colours[below : below + 2])
    return (
        "#" + bytes(round(a + (b - a) * (at - below)) for a, b in zip(low, high, strict=True)).hex()
    )
