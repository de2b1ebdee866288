"""The page itself, in gradio: two settings side by side, each with its text, next-token bars and
figures.

It is served on the loopback address alone, and asks no other host for anything: a policy in the
head of every answer has the browser refuse what gradio's own page would load from elsewhere.
"""

import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from recurrence.console import say
from recurrence.errors import command
from recurrence.play.house import House
from recurrence.play.sides import moved, side_by_side
from recurrence.ports import HOST, check_free

os.environ |= {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_DISABLE_TELEMETRY": "1"}

import gradio as gr  # noqa: E402 (it reads the environment as it is imported)
from starlette.middleware import Middleware  # noqa: E402
from starlette.middleware.base import BaseHTTPMiddleware  # noqa: E402

MOST_TOKENS = 5000
POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "connect-src 'self' ws: data: blob:; frame-ancestors 'self'"
)
STYLE = Path(__file__).parent / "play.css"


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
    """Serve the page on this machine until Ctrl-C. Raises RecurrenceError where the port is
    taken.
    """
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
            "# Play\nTwo settings write from one prompt. A loop is shaded, copy by copy, from "
            "when it is certain."
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
