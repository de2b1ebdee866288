"""The command that writes a trained model in a format of others."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from recurrence.cli.models import Model, TrainSeed
from recurrence.console import say
from recurrence.errors import RecurrenceError

Format = Literal["onnx", "huggingface"]


def export(
    model: Model,
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="To be made.", show_default=False)],
    to: Annotated[Format, typer.Option(help="A graph of one step, or a folder for transformers.")],
    train_seed: TrainSeed = None,
) -> None:
    """Write a trained model as an ONNX graph, or as a folder that transformers loads.

    onnx: model.onnx (ids and state in, logits and next state out, a token at a time), its inputs
    and outputs in onnx.json, and vocab.json; held against torch under onnxruntime before anything
    is left in DIR. huggingface: weights, config and tokenizer. Models that count can be written as
    neither.

    \b
    Examples:
      recurrence export nietzsche/lstm lstm-onnx --to onnx
      recurrence export human_numbers/lm6 lm6-hf --to huggingface --train-seed 2
    """
    if folder.exists():
        raise RecurrenceError(f"{folder}: is there already; name a folder that is to be made")
    from recurrence.cli.places import trained
    from recurrence.files import atomic_path
    from recurrence.model.checkpoint import load_config, load_model

    found = trained(model, train_seed)
    net = load_model(found.folder, found.seed)
    with atomic_path(folder) as made:
        made.mkdir()
        if to == "onnx":
            from recurrence.export.onnx import export_onnx

            difference = export_onnx(net, made)
            found.vocab.save(made / "vocab.json")
            told = f"differs from torch by {difference:.0e} of its largest value under onnxruntime"
        else:
            from recurrence.export.huggingface import export_huggingface

            standard = export_huggingface(net, load_config(found.folder), found.vocab, made)
            told = (
                "transformers loads it by itself"
                if standard
                else "load it with trust_remote_code=True"
            )
    say(f"{folder}: {model}, seed {found.seed}; {told}")
