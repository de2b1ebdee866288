"""The command `play`: what is trained, handed to the page (play/page.py)."""

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated

import typer

from recurrence import paths
from recurrence.errors import RecurrenceError, command

if TYPE_CHECKING:
    from recurrence.play.house import Opened

LOADED = 8
"""Models that are kept in memory."""
EXTRA = "pip install 'recurrence-lab[play]'"


def play(
    model: Annotated[
        str | None,
        typer.Argument(help="corpus/model to begin with", show_default=False),
    ] = None,
    prompt: Annotated[str, typer.Option(help="The text to begin with.")] = "",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port on this machine.")] = 7860,
) -> None:
    """Play with trained models on a local page: text streams in, two settings side by side.

    \b
    Examples:
      recurrence play
      recurrence play nietzsche/lstm --prompt " for thos"
    """
    from recurrence import params

    names = [f"{b.corpus}/{b.name}" for b in params.load().models.values() if _is_trained(b)]
    if model:
        first = _named(model)
        names = [first, *(name for name in names if name != first)]
    if not names:
        todo = command("recurrence", "repro", "train")
        raise RecurrenceError(f"{paths.root()}: no model is trained yet; train one: {todo}")
    from recurrence.play.house import House

    try:
        from recurrence.play import page
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("gradio", "starlette"):
            raise
        raise RecurrenceError(
            f"recurrence play: needs {error.name}, which is not installed: {EXTRA}"
        ) from error
    house = House(names, params.strategies(), lru_cache(LOADED)(opened))
    page.serve(house, port, prompt or _prompt(names[0]))


def _is_trained(block: object) -> bool:
    folder = paths.model(block.corpus, block.name)  # type: ignore[attr-defined]
    return (folder / "config.json").is_file() and any(folder.glob("seed*.safetensors"))


def _named(model: str) -> str:
    from recurrence.cli.places import trained
    from recurrence.model.checkpoint import load_config

    block = load_config(trained(model, None).folder)
    return f"{block.corpus}/{block.name}"


def _prompt(name: str) -> str:
    """A text that the corpus's block names, else the first held-out tokens, else some token."""
    import numpy as np

    from recurrence import params
    from recurrence.cli.places import trained

    corpus = name.partition("/")[0]
    if texts := params.corpus(corpus).prompts.texts:
        return texts[0]
    vocab = trained(name, None).vocab
    valid = paths.ids(corpus) / "valid.npy"
    if not valid.is_file():
        return vocab.decode(range(len(vocab.specials), len(vocab.specials) + 1))
    count = params.corpus(corpus).prompts.prompt_tokens
    return vocab.decode(np.load(valid, mmap_mode="r")[:count].tolist())


def opened(name: str) -> "Opened":
    """A model with its reference model, where that is trained."""
    import torch

    from recurrence import params
    from recurrence.cli import continuing
    from recurrence.cli.places import trained
    from recurrence.model.checkpoint import load_model, seeds_in
    from recurrence.play.house import Opened
    from recurrence.play.writing import Writer

    torch.set_num_threads(1)  # one row is too little to share
    found = trained(name, None)
    asked = params.load().sampling.get(name.replace("/", "-", 1))
    reference = None
    if asked:
        folder = paths.model(asked.corpus, asked.reference)
        if seeds := seeds_in(folder):
            reference = load_model(folder, seeds[0]).double()
    return Opened(
        Writer(
            load_model(found.folder, found.seed).double(),
            found.vocab,
            continuing.floor_of(found),
            reference,
        ),
        asked.reference if asked and reference else None,
        lambda strategy, block: continuing.built(strategy, block, found),
    )
