"""Two settings write from one prompt, a token of each at a time: what the page shows of them,
without gradio.

In: what there is to play with, and what the page's fields hold. Out: HTML as the texts grow.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from recurrence.decoding.prompts import encode_prompt
from recurrence.errors import RecurrenceError
from recurrence.play import knobs, shown
from recurrence.play.house import House, Opened
from recurrence.play.writing import Moment, write
from recurrence.randomness import generator

SLIDERS = 6
"""Most numbers of a strategy that can be moved; the project's have up to five."""
SECONDS = 0.05
"""Between two pictures of the page."""


def moved(house: House, model: str, strategy: str) -> list[dict[str, Any]]:
    """What each slider is for a strategy: label, range and value; those that it does not need are
    hidden.
    """
    unit = house.opened(model).writer.vocab.unit
    found = knobs.knobs(house.strategies[strategy], unit)[:SLIDERS]
    used = [
        {
            "label": knob.label,
            "minimum": knob.low,
            "maximum": knob.high,
            "step": knob.step,
            "value": knob.value,
            "visible": True,
        }
        for knob in found
    ]
    return used + [{"visible": False} for _ in range(SLIDERS - len(found))]


@dataclass(frozen=True)
class Frame:
    """One side at one moment, or why it writes nothing."""

    opened: Opened | None
    prompt: str
    moment: Moment | None
    refusal: str = ""

    def html(self) -> tuple[str, str, str]:
        """Text, figures and bars."""
        if self.opened is None or self.moment is None:
            return "", shown.refused(self.refusal), ""
        vocab = self.opened.writer.vocab
        return (
            shown.text(self.prompt, self.moment, vocab),
            shown.figures(self.moment, vocab, self.opened.reference),
            shown.bars(self.moment, vocab),
        )


def side_by_side(  # noqa: PLR0913 (each is a component of the page)
    house: House,
    prompt: str,
    length: float | None,
    pace: float | None,
    seed: float | None,
    stop_on_loop: bool,
    *sides: Any,
) -> Iterator[tuple[str, ...]]:
    """Text, figures and bars of both sides as they grow, a token of each at a time; `sides`: of
    each its model, its strategy and the values of its sliders. A field that was emptied is None.
    """
    half = len(sides) // 2
    writing = [
        frames(house, prompt, max(int(length or 1), 1), int(seed or 0), stop_on_loop, *own)
        for own in (sides[:half], sides[half:])
    ]
    last: list[Frame | None] = [None, None]
    drawn = 0.0
    for new in zip_longest(*writing):
        last = [one or before for one, before in zip(new, last, strict=True)]
        if time.monotonic() - drawn >= SECONDS:
            drawn = time.monotonic()
            yield _both(last)
        time.sleep(1 / max(pace or 1, 1))
    yield _both(last)


def _both(two: Sequence[Frame | None]) -> tuple[str, ...]:
    return tuple(html for one in two for html in (one.html() if one else ("", "", "")))


def frames(  # noqa: PLR0913 (each is a choice of the reader's)
    house: House,
    prompt: str,
    length: int,
    seed: int,
    stop_on_loop: bool,
    model: str,
    strategy: str,
    *values: float,
) -> Iterator[Frame]:
    """One side, a frame per token; where that cannot be, one that says why."""
    try:
        opened = house.opened(model)
        writer = opened.writer
        block = knobs.turned(house.strategies[strategy], writer.vocab.unit, values)
        built = opened.built(strategy, block)
        ids = encode_prompt(prompt, writer.vocab)
        begun = writer.vocab.decode(ids)
        rng = generator(seed, strategy, prompt)  # as `recurrence generate` draws
        for moment in write(writer, built, ids, length, rng, stop_on_loop):
            yield Frame(opened, begun, moment)
    except RecurrenceError as error:
        yield Frame(None, "", None, str(error))
