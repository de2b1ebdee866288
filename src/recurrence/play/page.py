"""The page itself, in gradio: two settings side by side, each with its text, next-token bars and figures.

It is served on the loopback address alone, and asks no other host for anything: a policy in the head of every answer
has the browser refuse what gradio's own page would load from elsewhere.
"""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from recurrence.console import say
from recurrence.decoding.loop.sampling import Sampler
from recurrence.decoding.prompts import encode_prompt
from recurrence.decoding.search.base import Search
from recurrence.errors import RecurrenceError, command
from recurrence.params import Strategy
from recurrence.play import knobs, shown
from recurrence.play.writing import Writer, write
from recurrence.randomness import generator

HOST = "127.0.0.1"
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
    page = build(house, prompt)
    try:
        launch(page, port, block=True)
    except OSError as error:
        raise RecurrenceError(
            f"port {port} on {HOST}: {error}; choose another: "
            f"{command('recurrence', 'play', '--port', port + 1)}"
        ) from error


def launch(page: Any, port: int, block: bool) -> None:
    """Start the server; `block` until Ctrl-C."""
    say(f"play: http://{HOST}:{port} in a few seconds; Ctrl-C stops it")
    page.launch(
        server_name=HOST,
        server_port=port,
        share=False,
        quiet=True,
        ssr_mode=False,
        prevent_thread_lock=not block,
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
            said = gr.Textbox(prompt, label="Prompt", lines=2, scale=3)
            length = gr.Slider(1, MOST_TOKENS, 300, step=1, label="Tokens", scale=1)
            pace = gr.Slider(1, 200, 40, step=1, label="Tokens a second", scale=1)
            seed = gr.Number(0, label="Seed", precision=0, minimum=0, scale=1)
        with gr.Row():
            stop_on_loop = gr.Checkbox(False, label="Stop on loop")
            begin = gr.Button("Write", variant="primary")
            end = gr.Button("Stop")
        with gr.Row():
            sides = [_side(house, place, name) for place, name in enumerate(_first_two(house))]
        shared = [said, length, pace, seed, stop_on_loop]
        events = [
            begin.click(
                partial(written, house),
                [*shared, side.model, side.strategy, *side.sliders],
                [side.text, side.figures, side.bars],
                concurrency_limit=2,
                show_progress="hidden",
            )
            for side in sides
        ]
        end.click(None, cancels=events)
    return page


def _first_two(house: House) -> list[str]:
    names = list(house.strategies)
    first = next((n for n in names if house.strategies[n].family == "greedy"), names[0])
    drawn = (n for n in names if house.strategies[n].family == "pure sampling")
    return [first, next(drawn, names[-1])]


def _side(house: House, place: int, strategy: str) -> _Side:
    with gr.Column():
        letter = "AB"[place]
        model = gr.Dropdown(list(house.models), value=house.models[0], label=f"Model {letter}")
        chosen = gr.Dropdown(list(house.strategies), value=strategy, label=f"Strategy {letter}")
        sliders = tuple(gr.Slider(**each) for each in moved(house, house.models[0], strategy))
        figures = gr.HTML()
        text = gr.HTML(elem_id=f"text-{letter.lower()}")
        bars = gr.HTML()
    for asked in (model, chosen):
        asked.change(
            lambda name, by: [gr.update(**each) for each in moved(house, name, by)],
            [model, chosen],
            list(sliders),
            show_progress="hidden",
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


def written(  # noqa: PLR0913 (each is a component of the page)
    house: House,
    prompt: str,
    length: float,
    pace: float,
    seed: float,
    stop_on_loop: bool,
    model: str,
    strategy: str,
    *values: float,
) -> Iterator[tuple[str, str, str]]:
    """The text, figures and bars of one side as they grow, as HTML; where that cannot be, the reason."""
    try:
        opened = house.opened(model)
        writer = opened.writer
        block = knobs.turned(house.strategies[strategy], writer.vocab.unit, values)
        built = opened.built(strategy, block)
        ids = encode_prompt(prompt, writer.vocab)
        begun = writer.vocab.decode(ids)
        rng = generator(int(seed or 0), strategy, prompt)  # as `recurrence generate` does
        moments = write(writer, built, ids, int(length), rng, stop_on_loop)
        last, drawn = None, 0.0
        for last in moments:
            time.sleep(1 / max(pace, 1))
            if time.monotonic() - drawn >= SECONDS:
                drawn = time.monotonic()
                yield _html(begun, last, opened)
        if last:
            yield _html(begun, last, opened)
    except RecurrenceError as error:
        yield "", shown.refused(str(error)), ""


def _html(prompt: str, moment: Any, opened: Opened) -> tuple[str, str, str]:
    vocab = opened.writer.vocab
    return (
        shown.text(prompt, moment, vocab),
        shown.figures(moment, vocab, opened.reference),
        shown.bars(moment, vocab),
    )
