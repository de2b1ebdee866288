"""The page itself, in gradio: two settings side by side, each with its text, next-token bars and figures.

It is served on the loopback address alone, and asks no other host for anything: a policy in the head of every answer
has the browser refuse what gradio's own page would load from elsewhere.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

from recurrence.console import say
from recurrence.decoding.loop.sampling import Sampler
from recurrence.decoding.prompts import encode_prompt
from recurrence.decoding.search.base import Search
from recurrence.errors import RecurrenceError, command
from recurrence.params import Strategy
from recurrence.play import knobs, shown
from recurrence.play.writing import Moment, Writer, write
from recurrence.ports import HOST, check_free
from recurrence.randomness import generator

os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1"}

import gradio as gr  # noqa: E402 (it reads the environment as it is imported)
from starlette.middleware import Middleware  # noqa: E402
from starlette.middleware.base import BaseHTTPMiddleware  # noqa: E402

SLIDERS = 6
"""Most numbers of a strategy that can be moved; the project's have up to five."""
MOST_TOKENS = 5000
SECONDS = 0.05
"""Between two pictures of the page."""
POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "connect-src 'self' ws: data: blob:; frame-ancestors 'self'"
)
STYLE = Path(__file__).parent / "play.css"


@dataclass(frozen=True)
class Opened:
    """A trained model, ready to write, and what its strategies are built by."""

    writer: Writer
    reference: str | None
    """The name of the reference model."""
    built: Callable[[str, Strategy], Sampler | Search]
    """The strategy of a name and block; RecurrenceError for a value that it cannot take."""


@dataclass(frozen=True)
class House:
    """What there is to play with."""

    models: Sequence[str]
    strategies: Mapping[str, Strategy]
    opened: Callable[[str], Opened]
    """A model by its name, loaded once."""


@dataclass(frozen=True)
class _Side:
    """The components of one of the two settings."""

    model: Any
    strategy: Any
    sliders: tuple[Any, ...]
    text: Any
    figures: Any
    bars: Any


def serve(house: House, port: int, prompt: str) -> None:
    """Serve the page on this machine until Ctrl-C. Raises RecurrenceError where the port is taken."""
    check_free(port, command("recurrence", "play", "--port", port + 1))
    page = build(house, prompt)
    say(f"play: http://{HOST}:{port} in a few seconds; Ctrl-C stops it")
    page.launch(
        server_name=HOST,
        server_port=port,
        share=False,
        quiet=True,
        ssr_mode=False,
        footer_links=[],
        css_paths=STYLE,
        theme=gr.themes.Default(
            font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]
        ),
        app_kwargs={"middleware": [Middleware(BaseHTTPMiddleware, dispatch=_at_home)]},
    )


async def _at_home(request: Any, call_next: Any) -> Any:
    """Nothing of the page may be loaded from elsewhere."""
    response = await call_next(request)
    response.headers["Content-Security-Policy"] = POLICY
    return response


def build(house: House, prompt: str) -> Any:
    """The page, with the first model on both sides: the likeliest token beside pure sampling."""
    with gr.Blocks(title="Recurrence: play", analytics_enabled=False, fill_width=True) as page:
        gr.Markdown(
            "# Play\nTwo settings write from one prompt. A loop is shaded, copy by copy, from when it is certain."
        )
        with gr.Row():
            said = gr.Textbox(prompt, label="Prompt", lines=2, scale=3, min_width=320)
            length = gr.Slider(1, MOST_TOKENS, 300, step=1, label="Tokens", scale=1)
            pace = gr.Slider(1, 200, 40, step=1, label="Tokens a second", scale=1)
            seed = gr.Number(0, label="Seed", precision=0, minimum=0, scale=1)
        with gr.Row():
            stop_on_loop = gr.Checkbox(False, label="Stop on loop")
            begin = gr.Button("Write", variant="primary")
            end = gr.Button("Stop")
        with gr.Row():
            sides = [_side(house, place, name) for place, name in enumerate(_first_two(house))]
        asked = [said, length, pace, seed, stop_on_loop]
        shown_in = []
        for side in sides:
            asked += [side.model, side.strategy, *side.sliders]
            shown_in += [side.text, side.figures, side.bars]
        event = begin.click(
            partial(side_by_side, house),
            asked,
            shown_in,
            show_progress="hidden",
            api_visibility="private",
        )
        end.click(None, cancels=[event])
    return page


def _first_two(house: House) -> list[str]:
    """The likeliest token, and top-p sampling, where there are such strategies."""
    names = list(house.strategies)
    first = next((n for n in names if house.strategies[n].family == "greedy"), names[0])
    drawn = (n for n in names if any("top_p" in entry for entry in house.strategies[n].filters))
    return [first, next(drawn, names[-1])]


def _side(house: House, place: int, strategy: str) -> _Side:
    with gr.Column():
        letter = "AB"[place]
        model = gr.Dropdown(list(house.models), value=house.models[0], label=f"Model {letter}")
        chosen = gr.Dropdown(list(house.strategies), value=strategy, label=f"Strategy {letter}")
        sliders = tuple(gr.Slider(**each) for each in moved(house, house.models[0], strategy))
        figures = gr.HTML()
        with gr.Row():
            with gr.Column(scale=3, min_width=240):
                text = gr.HTML(elem_id=f"text-{letter.lower()}")
            with gr.Column(scale=2, min_width=240):
                bars = gr.HTML()
    for asked in (model, chosen):
        asked.change(
            lambda name, by: [gr.update(**each) for each in moved(house, name, by)],
            [model, chosen],
            list(sliders),
            show_progress="hidden",
            api_visibility="private",
        )
    return _Side(model, chosen, sliders, text, figures, bars)


def moved(house: House, model: str, strategy: str) -> list[dict[str, Any]]:
    """What each slider is for a strategy: label, range and value; those that it does not need are hidden."""
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
    """Text, figures and bars of both sides as they grow, a token of each at a time; `sides`: of each its model,
    its strategy and the values of its sliders. A field that was emptied is None."""
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
