"""The commands of a person. What is slow to import (torch, mlflow, dvc) is imported by the command
that needs it.
"""

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from recurrence import __version__, integrity
from recurrence.cli import (
    adding,
    comparing,
    exporting,
    models,
    pipeline,
    playing,
    samples,
    studying,
)
from recurrence.console import fail
from recurrence.errors import RecurrenceError, refusals_named

app = typer.Typer(
    help="Train recurrent language models, and see which decoding sends them into loops.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        print(f"recurrence {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="The version, and no more."
        ),
    ] = False,
) -> None:
    """Train recurrent language models, and see which decoding sends them into loops."""


PANELS: dict[str, list[Callable[..., None]]] = {
    "The pipeline": [adding.add, pipeline.repro, pipeline.check, pipeline.ui],
    "Results": [comparing.verify, comparing.compare],
    "Models": [
        models.models,
        models.generate,
        playing.play,
        models.score,
        models.next_tokens,
        exporting.export,
    ],
    "Any text, any model": [samples.loops, studying.study],
}
for _panel, _commands in PANELS.items():
    for _command in _commands:
        app.command(_command.__name__.removesuffix("_tokens"), rich_help_panel=_panel)(_command)
for _stage in pipeline.STAGES:
    if _stage != "generate":  # the command of that name runs the stage where no prompt is given
        app.command(_stage, rich_help_panel="Single stages")(pipeline.stage_command(_stage))


def main() -> None:
    """Run a command; an error meant for people is one line on stderr and exit code 2, never a
    traceback.
    """
    try:
        with refusals_named(), integrity.damage_named():
            app()
    except RecurrenceError as error:
        fail(error)
        sys.exit(error.exit_code)
    except ModuleNotFoundError as error:
        if (error.name or "recurrence").split(".")[0] == "recurrence":
            raise
        fail(_without(error))
        sys.exit(RecurrenceError.exit_code)


def _without(error: ModuleNotFoundError) -> RecurrenceError:
    """What to install where a command needs more than the base has."""
    command = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    return RecurrenceError(
        f"recurrence {command}: needs {error.name}, which is not installed: "
        f"pip install 'recurrence-lab[lab]' (in this project: make)"
    )
